"use client";

import type { ReactNode } from "react";
import { Shell } from "@/components/shell";
import { AccountMenu } from "@/features/account/account-menu";
import { AddHostProvider } from "@/features/join/add-host";

/** What is around every page. */
export function Frame({ children }: { children: ReactNode }) {
  return (
    <AddHostProvider>
      <Shell account={(compact) => <AccountMenu compact={compact} />}>{children}</Shell>
    </AddHostProvider>
  );
}
