import type { ReactNode } from "react";
import { afterEach, describe, expect, it } from "vitest";
import { makeFleet } from "@/demo/fleet";
import { createDemoTransport } from "@/demo/transport";
import { type Rendered, render, until } from "@/lib/testing/render";
import { LatencyPage } from "./latency-page";
import { printProbe } from "./probe";
import { ProbeCards } from "./probe-cards";

let page: Rendered | undefined;
afterEach(() => page?.close());

const now = Date.now();
const agent = makeFleet(12, now / 1000)[0]?.id as string;
const probe = { agent, kind: "icmp", probe: "gateway", target: "192.0.2.254" };
const range = { from: String(now - 1_800_000), to: String(now - 900_000) };

/** The links of an element to a page, as their query and what follows it. */
async function links(element: ReactNode, path: string, more: Record<string, string>) {
  const search = `?${new URLSearchParams({ ...more, ...range })}`;
  page = await render(element, { transport: createDemoTransport({ agents: 12 }), search });
  const { container } = page;
  const found = () => [...container.querySelectorAll<HTMLAnchorElement>(`a[href^="${path}?"]`)];
  await until(() => expect(found()).not.toHaveLength(0));
  return found().map((link) => ({
    ...Object.fromEntries(new URL(link.href).searchParams),
    hash: new URL(link.href).hash,
  }));
}

describe("the time range", () => {
  it("goes along from a host to its probes", async () => {
    for (const link of await links(<ProbeCards agent={agent} />, "/latency", { id: agent })) {
      expect(link).toEqual({ probe: expect.stringContaining(agent), hash: "", ...range });
    }
  });

  it("goes along from a probe to its host", async () => {
    const found = await links(<LatencyPage />, "/host", { probe: printProbe(probe) });
    expect(found).toEqual([{ id: agent, hash: "#latency", ...range }]);
  });
});

describe("LatencyPage", () => {
  it("calls hosts by the names they have now", async () => {
    page = await render(<LatencyPage />, { transport: createDemoTransport({ agents: 12 }), search: "?kind=icmp" });
    const { container } = page;
    await until(() => expect(container.querySelector("tbody")?.textContent).toContain("web-fra-01"));
  });
});
