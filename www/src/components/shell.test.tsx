import { act } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeFleet } from "@/demo/fleet";
import { createDemoTransport } from "@/demo/transport";
import { type Rendered, render, until } from "@/lib/testing/render";
import { Shell } from "./shell";

const push = vi.hoisted(() => vi.fn());
vi.mock("next/navigation", () => ({ usePathname: () => "/host", useRouter: () => ({ push }) }));

let page: Rendered | undefined;
beforeEach(() => push.mockClear());
afterEach(async () => {
  await page?.close();
  history.replaceState(null, "", "/");
});

const range = "from=1700000000000&to=1700000900000";

const show = async (search: string) => {
  history.replaceState(null, "", `/host${search}`);
  page = await render(<Shell account={() => null}>{null}</Shell>, {
    transport: createDemoTransport({ agents: 12 }),
    search,
  });
  return page.container;
};
const press = async (...keys: KeyboardEventInit[]) => {
  for (const key of keys) await act(async () => void window.dispatchEvent(new KeyboardEvent("keydown", key)));
};
const links = (container: HTMLElement) =>
  [...container.querySelectorAll("aside nav a")].map((link) => link.getAttribute("href"));

describe("Shell", () => {
  it("leads from one page with a time range to another with the same range", async () => {
    const container = await show(`?id=a&${range}`);
    await until(() =>
      expect(links(container)).toEqual(["/", `/host?${range}`, `/latency?${range}`, "/config", "/access"]),
    );
    await press({ key: "g" }, { key: "l" });
    await press({ key: "g" }, { key: "o" });
    expect(push.mock.calls).toEqual([[`/latency?${range}`], ["/"]]);
  });

  it("leads to plain pages where there is no range", async () => {
    const container = await show("?id=a");
    await until(() => expect(links(container)).toEqual(["/", "/host", "/latency", "/config", "/access"]));
    await press({ key: "g" }, { key: "h" });
    expect(push.mock.calls).toEqual([["/host"]]);
  });

  it.each([
    ["web-fra-01", `/host?id=${makeFleet(12, 0)[0]?.id}&${range}`],
    ["Latency", `/latency?${range}`],
    ["Overview", "/"],
  ])("goes from the palette to %s", async (name, href) => {
    await show(`?id=a&${range}`);
    await press({ key: "k", ctrlKey: true });
    const found = () =>
      [...document.body.querySelectorAll<HTMLElement>("[cmdk-item]")].find((e) => e.textContent?.startsWith(name));
    await until(() => expect(found()).toBeDefined());
    await act(async () => found()?.click());
    expect(push.mock.calls).toEqual([[href]]);
  });
});
