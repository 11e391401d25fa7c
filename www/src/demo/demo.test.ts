import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { overviewQueries } from "@/features/overview/queries";
import { FleetService } from "@/gen/sonde/v1/fleet_service_pb";
import { QueryService } from "@/gen/sonde/v1/query_service_pb";
import { quote } from "@/lib/promql";
import { Answers } from "./answers";
import { createDemoTransport } from "./transport";

const now = 1_700_000_000_000;
const transport = createDemoTransport({ agents: 12, now: () => now });
const fleet = createClient(FleetService, transport);
const query = createClient(QueryService, transport);

describe("Answers", () => {
  const byAgent = (agent: string, window: string) => `rate(x{agent=${quote(agent)}}[${window}]) / rate(y[${window}])`;
  const answers = new Answers().add(byAgent, (args) => [{ labels: { args: args.join() }, at: () => 1 }]);
  it("finds the arguments of the builder again", () => {
    expect(answers.find(byAgent('a"b', "5s"), [])?.[0]?.labels).toEqual({ args: 'a"b,5s' });
  });
  it("knows only what the builder writes", () => {
    expect(answers.find("up", [])).toBeUndefined();
    expect(answers.find('rate(x{agent="a"}[5s]) / rate(y[6s])', [])).toBeUndefined();
  });
});

describe("the demo's server", () => {
  it("answers everything that the overview asks, for every agent with samples", async () => {
    const exprs = overviewQueries();
    const range = await query.queryRange({
      exprs,
      startMs: BigInt(now - 60_000),
      endMs: BigInt(now),
      stepMs: 1_000n,
    });
    expect(range.steps).toBe(61);
    expect(range.results).toHaveLength(exprs.length);
    for (const { series } of range.results) {
      // One of the twelve is down and one has never connected.
      expect(series).toHaveLength(10);
      for (const { values } of series) expect(values.every((v) => Number.isFinite(v) && v >= 0)).toBe(true);
    }
  });

  it("streams steps of the same values as the range", async () => {
    const exprs = overviewQueries();
    const watching = query.watch({ exprs, stepMs: 1_000n });
    for await (const step of watching) {
      expect(step.timeMs).toBe(BigInt(now));
      expect(step.results[0]?.seriesChanged).toBe(true);
      const range = await query.queryRange({ exprs, startMs: step.timeMs, endMs: step.timeMs, stepMs: 1_000n });
      expect(step.results.map((r) => r.values)).toEqual(range.results.map((r) => r.series.map((s) => s.values[0])));
      break;
    }
  });

  it("pages through the fleet in the order of names", async () => {
    const first = await fleet.listAgents({ pageSize: 5 });
    const second = await fleet.listAgents({ pageSize: 5, pageToken: first.nextPageToken });
    const third = await fleet.listAgents({ pageSize: 5, pageToken: second.nextPageToken });
    const names = [first, second, third].flatMap((page) => page.agents.map((agent) => agent.name));
    expect(third.nextPageToken).toBe("");
    expect(names).toHaveLength(12);
    expect(names).toEqual(names.toSorted());
  });

  it("refuses a name that is taken", async () => {
    const { agents } = await fleet.listAgents({});
    const [a, b] = agents;
    const error = await fleet.updateAgent({ id: a?.id, name: b?.name }).catch(ConnectError.from);
    expect(error).toMatchObject({ code: Code.AlreadyExists });
  });
});
