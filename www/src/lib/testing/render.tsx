import type { Transport } from "@connectrpc/connect";
import { QueryClientProvider } from "@tanstack/react-query";
import { NuqsTestingAdapter } from "nuqs/adapters/testing";
import { act, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { createQueryClient } from "../query-client";
import { createRuntime, RuntimeProvider } from "../runtime";

export type Rendered = { container: HTMLElement; close: () => Promise<void> };

/** Draws an element with a server behind it; search is what the URL says. */
export async function render(
  element: ReactNode,
  options: { transport: Transport; search?: string },
): Promise<Rendered> {
  const container = document.body.appendChild(document.createElement("div"));
  const root = createRoot(container);
  const client = createQueryClient();
  const runtime = createRuntime(options.transport);
  await act(async () =>
    root.render(
      <NuqsTestingAdapter searchParams={options.search ?? ""}>
        <QueryClientProvider client={client}>
          <RuntimeProvider runtime={runtime}>{element}</RuntimeProvider>
        </QueryClientProvider>
      </NuqsTestingAdapter>,
    ),
  );
  return {
    container,
    close: async () => {
      await act(async () => root.unmount());
      client.clear();
      container.remove();
    },
  };
}

/** Waits until the check no longer throws. */
export async function until(check: () => void, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (true) {
    try {
      return check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await act(async () => {
      await new Promise((done) => setTimeout(done, 10));
    });
  }
}
