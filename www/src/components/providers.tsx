"use client";

import { Tooltip } from "@base-ui/react/tooltip";
import { QueryClientProvider } from "@tanstack/react-query";
import { ThemeProvider } from "next-themes";
import { NuqsAdapter } from "nuqs/adapters/next/app";
import { type ReactNode, useState } from "react";
import { createQueryClient } from "@/lib/query-client";
import { createRuntime, RuntimeProvider } from "@/lib/runtime";
import { createTransport } from "@/lib/transport";

export function Providers({ children }: { children: ReactNode }) {
  const [runtime] = useState(() => createRuntime(createTransport()));
  const [queryClient] = useState(createQueryClient);
  return (
    <ThemeProvider attribute="class" disableTransitionOnChange>
      <NuqsAdapter>
        <QueryClientProvider client={queryClient}>
          <RuntimeProvider runtime={runtime}>
            <Tooltip.Provider delay={400}>{children}</Tooltip.Provider>
          </RuntimeProvider>
        </QueryClientProvider>
      </NuqsAdapter>
    </ThemeProvider>
  );
}
