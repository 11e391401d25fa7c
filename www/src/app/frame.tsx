"use client";

import { type ReactNode, useState } from "react";
import { Shell } from "@/components/shell";
import { AccountMenu } from "@/features/account/account-menu";
import { PasswordDialog } from "@/features/account/password-dialog";
import { AddHostProvider } from "@/features/join/add-host";

/** What is around every page. */
export function Frame({ children }: { children: ReactNode }) {
  const [changing, setChanging] = useState(false);
  const account = (compact: boolean) => <AccountMenu compact={compact} onPassword={() => setChanging(true)} />;
  return (
    <AddHostProvider>
      <Shell account={account}>{children}</Shell>
      <PasswordDialog wanted={changing} onClose={() => setChanging(false)} />
    </AddHostProvider>
  );
}
