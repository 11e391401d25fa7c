import { afterEach, describe, expect, it } from "vitest";
import { createDemoTransport } from "@/demo/transport";
import { type Rendered, render, until } from "@/lib/testing/render";
import { HostPage } from "./host-page";

let page: Rendered | undefined;
afterEach(() => page?.close());

describe("HostPage", () => {
  it("leads from the list of hosts to one with the range of the list", async () => {
    page = await render(<HostPage latency={() => null} config={() => null} useIntervals={() => ({})} />, {
      transport: createDemoTransport({ agents: 12 }),
      search: "?from=now-1h",
    });
    const { container } = page;
    await until(() => expect(container.querySelectorAll("ul a")).toHaveLength(12));
    for (const link of container.querySelectorAll("ul a")) {
      expect(link.getAttribute("href")).toMatch(/^\/host\?id=[0-9a-f-]{36}&from=now-1h$/);
    }
  });
});
