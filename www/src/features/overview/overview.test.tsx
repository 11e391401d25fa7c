import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createDemoTransport } from "@/demo/transport";
import { AgentSchema } from "@/gen/sonde/v1/agent_pb";
import { FleetService } from "@/gen/sonde/v1/fleet_service_pb";
import { type Rendered, render, until } from "@/lib/testing/render";
import { WatchHub } from "@/lib/watch";
import { SeenCell } from "./columns";
import { Overview } from "./overview";

let page: Rendered | undefined;
afterEach(async () => {
  await page?.close();
  vi.restoreAllMocks();
});

const show = async (transport: Transport, search = "") => {
  page = await render(<Overview />, { transport, search });
  return page.container;
};

describe("Overview", () => {
  it("shows what is being read, then the summary of all states and the worst hosts", async () => {
    const container = await show(createDemoTransport({ agents: 12 }));
    expect(container.querySelector("[role=status]")?.textContent).toContain("Reading the hosts");
    await until(() => expect(container.textContent).toContain("Busiest CPU"));
    await until(() => {
      const buttons = [...container.querySelectorAll("button[aria-pressed]")].map((b) => b.textContent);
      expect(buttons).toEqual(["9 up", "1 late", "1 down", "1 pending"]);
    });
    await until(() => expect(container.querySelectorAll("ol li a").length).toBe(12));
  });

  it("asks for the newest values first, then for what was before them", async () => {
    const demo = createDemoTransport({ agents: 12 });
    const asked: string[] = [];
    await show({
      unary: (method, ...rest) => {
        asked.push(method.name);
        return demo.unary(method, ...rest);
      },
      stream: (method, ...rest) => {
        asked.push(method.name);
        return demo.stream(method, ...rest);
      },
    });
    await until(() => expect(asked).toContain("QueryRange"));
    expect(asked.filter((name) => name === "Watch" || name === "QueryRange")[0]).toBe("Watch");
  });

  it("says how long ago a host was seen by the server's clock", async () => {
    const serverMs = Date.now() + 3_600_000;
    vi.spyOn(WatchHub.prototype, "now").mockReturnValue(serverMs);
    const agent = create(AgentSchema, { status: { lastSeenAt: timestampFromMs(serverMs - 12_000) } });
    page = await render(<SeenCell agent={agent} />, { transport: createDemoTransport() });
    expect(page.container.textContent).toBe("12 s ago");
  });

  it("filters by the URL and says when nothing matches", async () => {
    const container = await show(createDemoTransport({ agents: 12 }), "?q=env%3Dnowhere");
    await until(() => expect(container.textContent).toContain("None of 12 hosts matches"));
  });

  it("tells a fresh server's owner how to add a host", async () => {
    const empty = createRouterTransport(({ service }) => service(FleetService, { listAgents: () => ({}) }));
    const container = await show(empty);
    await until(() => expect(container.textContent).toContain("Add a host"));
  });

  it("shows why the hosts could not be read", async () => {
    const failing = createRouterTransport(({ service }) =>
      service(FleetService, {
        listAgents: () => {
          throw new ConnectError("not for you", Code.PermissionDenied);
        },
      }),
    );
    const container = await show(failing);
    await until(() => expect(container.querySelector("[role=alert]")?.textContent).toContain("You may not do this"));
  });

  it("goes on when the second page of hosts fails for a moment", async () => {
    let calls = 0;
    const flaky = createRouterTransport(({ service }) =>
      service(FleetService, {
        listAgents: () => {
          if (calls++ === 0) throw new ConnectError("stopping", Code.Unavailable);
          return {};
        },
      }),
    );
    vi.spyOn(Math, "random").mockReturnValue(0);
    const container = await show(flaky);
    await until(() => expect(container.textContent).toContain("No host has joined yet"));
  });
});
