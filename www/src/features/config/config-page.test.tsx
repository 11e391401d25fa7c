import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport, type Transport } from "@connectrpc/connect";
import { act, useState } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DemoConfig } from "@/demo/config";
import { makeFleet } from "@/demo/fleet";
import { toMessage } from "@/demo/message";
import { FleetConfigSchema, RevisionSchema } from "@/gen/sonde/v1/config_pb";
import { ConfigService } from "@/gen/sonde/v1/config_service_pb";
import { FleetService } from "@/gen/sonde/v1/fleet_service_pb";
import { type Rendered, render, until } from "@/lib/testing/render";
import { ConfigPage } from "./config-page";
import { HistoryTab } from "./history-tab";
import { HostConfig } from "./host-config";

let page: Rendered | undefined;
afterEach(async () => {
  await page?.close();
  page = undefined;
});

const agents = makeFleet(12, Date.now() / 1000);

/** A server with twelve agents and a ConfigService of which parts can be replaced. */
function server(seeded: boolean, replaced: Partial<DemoConfig["service"]> = {}): Transport {
  const demo = new DemoConfig({ agents: () => agents, now: Date.now, seeded });
  return createRouterTransport(({ service }) => {
    service(FleetService, { listAgents: () => ({ agents: agents.map((agent) => toMessage(agent, Date.now())) }) });
    service(ConfigService, { ...demo.service, ...replaced });
  });
}

const show = async (transport: Transport, search = "") => {
  page = await render(<ConfigPage />, { transport, search });
};
const text = () => document.body.textContent ?? "";
const says = (wanted: string) => until(() => expect(text()).toContain(wanted));

/** The element with this name, by its text or its label. */
function named(selector: string, name: string): HTMLElement {
  const labelled = (element: Element) =>
    element.getAttribute("aria-label") ??
    (element.id ? document.querySelector(`label[for="${element.id}"]`)?.textContent : null) ??
    element.textContent;
  const found = [...document.body.querySelectorAll<HTMLElement>(selector)].find((element) =>
    labelled(element)?.startsWith(name),
  );
  if (!found) throw new Error(`no ${selector} is called ${name}`);
  return found;
}
const press = async (name: string) => {
  await until(() => expect((named("button", name) as HTMLButtonElement).disabled).toBe(false));
  await act(async () => named("button", name).click());
};
const type = async (name: string, value: string) => {
  const field = named("input", name) as HTMLInputElement;
  await act(async () => {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(field, value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
};

/** The page with the editor of a policy. */
const showDatabases = async (transport: ReturnType<typeof server>) => {
  await show(transport);
  await says("databases");
  await press("databases");
};

describe("ConfigPage", () => {
  it("shows that it reads, then the policies with whom they select", async () => {
    await show(server(true));
    expect(document.querySelector("[role=status]")?.textContent).toContain("Reading the configuration");
    await says("role=db · 2 agents");
    expect(text()).toContain("Revision 5");
  });

  it("explains itself while there is no revision, and makes the first", async () => {
    const transport = server(false);
    await show(transport);
    await says("Nothing is decided for the fleet");
    await press("New policy");
    await type("Interval of cpu", "200ms");
    await says("12 of 12 agents would change.");
    await press("Review and apply");
    await type("Why", "closer");
    await press("Apply");
    await says("Revision 1");
    await says("Rolling out");
    expect(text()).not.toContain("Edited, not applied");
    const { config, revision } = await createClient(ConfigService, transport).getConfig({});
    expect(config?.policies[0]?.settings?.collectors.cpu?.intervalMs).toBe(200);
    expect(revision?.message).toBe("closer");
    await until(() => expect(document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow")).toBe("10"));
  });

  it("says why the configuration could not be read", async () => {
    const refuse = () => {
      throw new ConnectError("no", Code.PermissionDenied);
    };
    await show(server(true, { listRevisions: refuse }));
    await until(() => expect(document.querySelector("[role=alert]")?.textContent).toContain("You may not do this"));
  });

  it("checks what is typed at once, and lets nothing wrong be applied", async () => {
    await showDatabases(server(true));
    await type("Interval of cpu", "20ms");
    expect(text()).toContain("From 100ms to 1h.");
    expect(named("input", "Interval of cpu").getAttribute("aria-invalid")).toBe("true");
    expect((named("button", "Review and apply") as HTMLButtonElement).disabled).toBe(true);
    await press("Discard");
    expect(text()).not.toContain("Edited, not applied");
  });

  it("shows what only the server finds wrong, at its field", async () => {
    const errors = [{ field: "policies[1].settings.collectors.cpu.interval_ms", message: "too often for a Monday" }];
    await showDatabases(server(true, { previewConfig: () => ({ errors }) }));
    await type("Interval of cpu", "200ms");
    await says("databases: collectors.cpu.interval_ms: too often for a Monday");
    expect(named("input", "Interval of cpu").getAttribute("aria-invalid")).toBe("true");
    await press("Discard");
  });

  it("keeps the edits when somebody else was quicker, and applies them on top", async () => {
    const transport = server(true);
    await showDatabases(transport);
    await type("Priority", "15");
    await press("Review and apply");
    // Between the review and the click.
    const client = createClient(ConfigService, transport);
    const { config } = await client.getConfig({});
    const theirs = create(FleetConfigSchema, { policies: config?.policies.filter((p) => p.name !== "staging") });
    await client.applyConfig({ config: theirs, baseRevision: 5n });
    await press("Apply");
    await says("Nothing was applied");
    await press("Reload, keeping my edits");
    await press("Apply");
    await says("Revision 7");
    const { config: now } = await client.getConfig({});
    expect(now?.policies.map((p) => `${p.name} ${p.priority}`).sort()).toEqual(["databases 15", "everywhere 0"]);
  });

  it("keeps the editor open when its policy is applied, when others apply, and over a look at another tab", async () => {
    const transport = server(true);
    await showDatabases(transport);
    await type("Priority", "15");
    await press("Review and apply");
    await press("Apply");
    await says("Revision 6");
    expect((named("input", "Priority") as HTMLInputElement).value).toBe("15");

    const client = createClient(ConfigService, transport);
    const { config } = await client.getConfig({});
    for (const policy of config?.policies ?? []) policy.priority = 20;
    await client.applyConfig({ config, baseRevision: 6n });
    await until(() => expect((named("input", "Priority") as HTMLInputElement).value).toBe("20"));

    const open = (tab: string) => act(async () => named("[role=tab]", tab).click());
    await open("History");
    expect(() => named("input", "Priority")).toThrow();
    await open("Policies");
    expect((named("input", "Name") as HTMLInputElement).value).toBe("databases");
  });

  it("asks before the tab is closed with edits, and no longer once they are discarded", async () => {
    const asks = () => !window.dispatchEvent(new Event("beforeunload", { cancelable: true }));
    await show(server(true));
    await says("databases");
    expect(asks()).toBe(false);
    await press("databases");
    await type("Priority", "15");
    expect(asks()).toBe(true);
    await press("Discard");
    expect(asks()).toBe(false);
  });

  it("shows agents with what is decided, from where, and what they refuse", async () => {
    const transport = server(true);
    const client = createClient(ConfigService, transport);
    const { config } = await client.getConfig({ revision: 3n });
    await client.applyConfig({ config, baseRevision: 5n });
    await show(transport, "?tab=agents");
    await says("100ms is more often than this host allows");
    await press("db-fra-01");
    const table = document.querySelector("table")?.textContent;
    expect(table).toContain("Collector disk, interval100msdatabases");
    expect(table).toContain("Submission interval1severywhere");
  });

  it("shows the history, and goes back after a question", async () => {
    const rollBack = vi.fn();
    const transport = server(true);
    transport.unary = new Proxy(transport.unary, {
      apply: (call, self, args) => {
        if (args[0].name === "RollBack") rollBack(args[4]);
        return Reflect.apply(call, self, args);
      },
    });
    await show(transport, "?tab=history");
    await says("Rolled back by itself: db-fra-01 refuses it");
    await press("Show revision 2");
    await says("From here to revision 5");
    await press("Close");
    await press("Roll back to revision 2");
    await says("Roll back to revision 2?");
    expect(rollBack).not.toHaveBeenCalled();
    const click = (selector: string) =>
      act(async () => document.querySelector<HTMLElement>(`[role=dialog] ${selector}`)?.click());
    await click("label:nth-of-type(2) input[type=radio]");
    await click("input[type=checkbox]");
    await click("button[type=submit]");
    await says("back to revision 2");
    await says("Revision 6");
    expect(rollBack).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({
        toRevision: 2n,
        baseRevision: 5n,
        plan: expect.objectContaining({ stepsPercent: [10, 50, 100], watchSeconds: 60, ignoreFailures: true }),
      }),
    );
  });
});

describe("the history", () => {
  it("is read a hundred at a time", async () => {
    const asked: bigint[] = [];
    const listRevisions: DemoConfig["service"]["listRevisions"] = ({ before, pageSize }) => {
      asked.push(before);
      const newest = before === 0n ? 230n : before - 1n;
      const length = Math.min(pageSize, Number(newest));
      return { revisions: Array.from({ length }, (_, i) => ({ number: newest - BigInt(i) })) };
    };
    await show(server(true, { listRevisions, getConfig: () => ({}) }), "?tab=history");
    const shown = () => document.querySelectorAll("ol > li").length;
    await until(() => expect(shown()).toBe(100));
    await press("Older revisions");
    await until(() => expect(shown()).toBe(200));
    await press("Older revisions");
    await until(() => expect(shown()).toBe(230));
    expect(text()).not.toContain("Older revisions");
    expect(asked.filter((before) => before > 0n)).toEqual([131n, 31n]);
  });

  it("goes on without a gap when a revision comes while older ones are shown", async () => {
    const from = (newest: bigint, length = 100) =>
      Array.from({ length }, (_, i) => create(RevisionSchema, { number: newest - BigInt(i) }));
    const listRevisions: DemoConfig["service"]["listRevisions"] = ({ before }) => ({
      revisions: from(before - 1n, Math.min(100, Number(before - 1n))),
    });
    let setNewest: (newest: bigint) => void = () => {};
    function History() {
      const [newest, set] = useState(230n);
      setNewest = set;
      return <HistoryTab revisions={from(newest)} nowMs={0} />;
    }
    page = await render(<History />, { transport: server(true, { listRevisions }) });
    const numbers = () =>
      [...document.querySelectorAll("ol > li")].map((li) => Number(/\d+/.exec(li.textContent)?.[0]));
    const down = (newest: number, to: number) => Array.from({ length: newest - to + 1 }, (_, i) => newest - i);
    await press("Older revisions");
    await until(() => expect(numbers()).toEqual(down(230, 31)));
    await act(async () => setNewest(232n));
    expect(numbers()).toEqual(down(232, 31));
    await press("Older revisions");
    await until(() => expect(numbers()).toEqual(down(232, 1)));
    expect(text()).not.toContain("Older revisions");
    // So many at once that those in between were never read.
    await act(async () => setNewest(400n));
    expect(numbers()).toEqual(down(400, 301));
    await press("Older revisions");
    await until(() => expect(numbers()).toEqual(down(400, 201)));
  });
});

describe("HostConfig", () => {
  it("shows one host's state and settings", async () => {
    page = await render(<HostConfig agent={agents[1]?.id ?? ""} />, { transport: server(true) });
    await says("Applied");
    expect(text()).toContain("Revision 5");
    expect(text()).toContain("Collector disk, interval500msdatabases");
  });
  it("says so when nothing is decided", async () => {
    page = await render(<HostConfig agent={agents[1]?.id ?? ""} />, { transport: server(false) });
    await says("it goes by its own settings");
  });
});
