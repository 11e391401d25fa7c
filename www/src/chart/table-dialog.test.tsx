import { createRouterTransport } from "@connectrpc/connect";
import { act } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { type Rendered, render, until } from "@/lib/testing/render";
import { TableDialog } from "./table-dialog";

let page: Rendered | undefined;
afterEach(() => page?.close());

it.each([
  ["copies all steps", "Copied", { writeText: vi.fn().mockResolvedValue(undefined) }],
  ["says so when there is no clipboard", "The browser did not copy it", undefined],
])("%s", async (_, outcome, clipboard) => {
  Object.defineProperty(navigator, "clipboard", { value: clipboard, configurable: true });
  const series = [{ key: "a", label: "a", column: [1, null] }];
  page = await render(<TableDialog title="CPU" times={[0, 1]} series={series} format={String} />, {
    transport: createRouterTransport(() => {}),
  });
  const press = (name: string) =>
    act(async () => [...document.querySelectorAll("button")].find((b) => b.textContent === name)?.click());
  await act(async () => page?.container.querySelector("button")?.click());
  await press("Copy as CSV");
  await until(() => expect(document.querySelector("[role=status]")?.textContent).toBe(outcome));
  const csv = "time,a\r\n1970-01-01T00:00:00.000Z,1\r\n1970-01-01T00:00:01.000Z,\r\n";
  if (clipboard) expect(clipboard.writeText).toHaveBeenCalledExactlyOnceWith(csv);
});
