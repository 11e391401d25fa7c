import { createRouterTransport } from "@connectrpc/connect";
import { act } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { type Rendered, render, until } from "@/lib/testing/render";
import { CopyBox } from "./copy-box";

let page: Rendered | undefined;
afterEach(() => page?.close());

/** Presses the button of a box in a browser with this clipboard. */
async function copy(clipboard: Pick<Clipboard, "writeText"> | undefined): Promise<HTMLElement> {
  Object.defineProperty(navigator, "clipboard", { value: clipboard, configurable: true });
  page = await render(<CopyBox what="Token" text="secret" />, { transport: createRouterTransport(() => {}) });
  const { container } = page;
  await act(async () => container.querySelector("button")?.click());
  return container;
}

it("copies, and says so", async () => {
  const writeText = vi.fn().mockResolvedValue(undefined);
  const container = await copy({ writeText });
  await until(() => expect(container.querySelector("button")?.getAttribute("aria-label")).toBe("Copied"));
  expect(writeText).toHaveBeenCalledExactlyOnceWith("secret");
  expect(container.querySelector("[role=alert]")).toBeNull();
});

it.each([
  ["there is no clipboard", undefined],
  ["the browser refuses", { writeText: () => Promise.reject(new DOMException("no", "NotAllowedError")) }],
])("says that nothing was copied, and selects it, when %s", async (_, clipboard) => {
  const container = await copy(clipboard);
  await until(() => expect(container.querySelector("[role=alert]")?.textContent).toContain("did not copy"));
  const field = container.querySelector("textarea");
  const selected = () => [field?.selectionStart, field?.selectionEnd];
  expect(document.activeElement).toBe(field);
  expect(selected()).toEqual([0, "secret".length]);
  const button = container.querySelector("button");
  expect(button?.getAttribute("aria-label")).toBe("Copy: Token");
  // Once more, with the focus still there.
  field?.setSelectionRange(0, 0);
  await act(async () => button?.click());
  expect(selected()).toEqual([0, "secret".length]);
});
