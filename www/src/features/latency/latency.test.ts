import { describe, expect, test } from "vitest";
import { Answers } from "@/demo/answers";
import { makeFleet } from "@/demo/fleet";
import { addLatencyAnswers } from "@/demo/latency-answers";
import {
  heatmapStep,
  intervalOf,
  type NamedStats,
  parseProbe,
  printProbe,
  quantileWindow,
  searchStats,
  sortStats,
  toStats,
  withNames,
} from "./probe";
import { fromAgents } from "./probe-charts";
import { alongColumns } from "./quantiles";
import * as queries from "./queries";
import { boundTo, joinHeatmaps } from "./use-probes";

const id = { agent: "0192-a", kind: "http", probe: "web ~ 1", target: "https://example.com/?a=b~c&d" };

describe("probe in the URL", () => {
  test("is read as it was written", () => {
    expect(parseProbe(printProbe(id))).toEqual({ ...id });
    expect(parseProbe(printProbe({ ...id, probe: "~", target: "" }))).toMatchObject({ probe: "~", target: "" });
  });

  test.each(["", "a~b", "a~b~c~d~e", "%E0%A4%A~a~b~c"])("%j is none", (text) => {
    expect(parseProbe(text)).toBeNull();
  });
});

const row = (over: Partial<NamedStats>): NamedStats => ({
  agent: "a",
  probe: "p",
  kind: "icmp",
  target: "t",
  instance: "host-1",
  p50: null,
  p90: null,
  p99: null,
  max: null,
  loss: null,
  attempts: null,
  ...over,
});

describe("statistics", () => {
  const labels = { agent: "a", probe: "p", kind: "icmp", target: "t" };

  test("of one probe meet in one row; what has no value is null, not 0", () => {
    const rows = toStats([
      { name: "p50", samples: [{ labels, value: 0.01 }] },
      { name: "loss", samples: [{ labels, value: Number.NaN }] },
      { name: "attempts", samples: [{ labels: { ...labels, agent: "b" }, value: 1 }] },
    ]);
    const names = new Map([["a", "host-1"]]);
    expect(withNames(rows, names)).toEqual([row({ p50: 0.01 }), row({ agent: "b", instance: "b", attempts: 1 })]);
  });

  test("without a value come last in both directions", () => {
    const rows = [row({ target: "none" }), row({ target: "slow", p99: 2 }), row({ target: "quick", p99: 1 })];
    expect(sortStats(rows, "p99", true).map(({ target }) => target)).toEqual(["slow", "quick", "none"]);
    expect(sortStats(rows, "p99", false).map(({ target }) => target)).toEqual(["quick", "slow", "none"]);
    expect(sortStats(rows, "target", false).map(({ target }) => target)).toEqual(["none", "quick", "slow"]);
  });

  test("every word has to occur", () => {
    const rows = [row({ target: "192.0.2.1" }), row({ target: "192.0.2.1", instance: "db-2" })];
    expect(searchStats(rows, " 192 DB ")).toHaveLength(1);
    expect(searchStats(rows, "icmp")).toHaveLength(2);
    expect(searchStats(rows, "")).toHaveLength(2);
  });
});

describe("what a list asks for", () => {
  const sample = (agent: number, value: number) => ({
    labels: { agent: `a${agent}`, probe: "p", kind: "icmp", target: "t" },
    value,
  });
  const samples = (count: number) => Array.from({ length: count }, (_, i) => sample(i, i));

  test("is all that match while that is little", () => {
    expect(boundTo('kind="icmp"', samples(999), samples(99))).toEqual({ probes: 'kind="icmp"', rows: null });
  });

  test("is bounded by agents in a large fleet: losses first, then the slowest", () => {
    const { probes, rows } = boundTo('kind="icmp"', samples(1000), [sample(3, 0.1)]);
    expect(rows?.size).toBe(200);
    expect(probes).toMatch(/^kind="icmp",agent=~"a3\|a801\|.*\|a999"$/);
    // Twice in the longest expression, of which the server takes 16 KiB; an id has 36 characters.
    expect(200 * 37 * 2).toBeLessThan(15 * 1024);
  });
});

describe("windows", () => {
  test("the interval is one that people configure, however the rate trembles", () => {
    expect([0.093, 0.1, 0.107].map(intervalOf)).toEqual([10, 10, 10]);
    expect(intervalOf(0.97)).toBe(1);
    expect(intervalOf(5)).toBe(0.2);
    expect(intervalOf(0)).toBe(1);
    expect(intervalOf(null)).toBe(1);
  });

  test("hold ten attempts, half a minute and a step, whichever is longest", () => {
    expect(quantileWindow(1_000, 1)).toBe("30s");
    expect(quantileWindow(1_000, 10)).toBe("100s");
    expect(quantileWindow(300_000, 1)).toBe("300s");
  });

  test("a heatmap's column holds three attempts", () => {
    expect(heatmapStep(1_000, 1)).toBe(5_000);
    expect(heatmapStep(1_000, 0.1)).toBe(1_000);
    expect(heatmapStep(1_000, 10)).toBe(30_000);
    expect(heatmapStep(60_000, 1)).toBe(60_000);
  });
});

describe("heatmap", () => {
  const column = (totalCount: number) => ({
    resolution: 4,
    firstBucket: 0,
    counts: [totalCount],
    zeroCount: 0,
    totalCount,
  });
  const data = (times: number[], counts: number[]) => ({ stepMs: 10_000, times, columns: counts.map(column) });

  test("what was read anew wins, what has left the window goes, what is missing is empty", () => {
    const joined = joinHeatmaps(data([100, 110, 120], [1, 2, 3]), data([120, 140], [30, 5]), 110);
    expect(joined.times).toEqual([110, 120, 130, 140]);
    expect(joined.columns.map(({ totalCount }) => totalCount)).toEqual([2, 30, 0, 5]);
  });

  test("nothing new changes nothing", () => {
    const known = data([100], [1]);
    expect(joinHeatmaps(known, data([], []), 0)).toBe(known);
  });

  test("lines stand at the columns' times", () => {
    const range = {
      times: [100, 101, 102, 103],
      stepMs: 1_000,
      results: [{ series: [{ labels: {}, values: [1, 2, null, 4] }] }],
    };
    const [p50] = alongColumns([99, 101, 102, 103, 110], range);
    expect(p50?.column).toEqual([null, 2, null, 4, null]);
    expect(alongColumns([1], undefined)).toEqual([]);
  });
});

test("hosts that see the same target have the names they have now", () => {
  const seen = (agent: string, value: number) => ({ labels: { agent }, values: [value] });
  const names = new Map([["a", "host-1"]]);
  const series = fromAgents({ ...id, agent: "a" }, ["a", "gone"], names, 10, "log").series([
    { series: [seen("a", 1), seen("gone", 2)] },
  ]);
  expect(series.map(({ key, label }) => [key, label])).toEqual([
    ["a", "host-1"],
    ["gone", "gone"],
  ]);
});

describe("queries", () => {
  test("add up what a host measured under all its names", () => {
    for (const expr of [
      queries.probeQuantile("0.99", "", "30s"),
      queries.probeAttempts("", "120s", "30s"),
      queries.probeLoss("", "30s"),
      queries.agentQuantile("0.99", "", "30s"),
    ]) {
      expect(expr).toMatch(/sum by \(agent/);
      expect(expr).not.toContain("instance");
    }
  });

  test("pick by what is given", () => {
    expect(queries.matchers({})).toBe("");
    expect(queries.matchers({ agent: "a", target: 'x"y' })).toBe('agent="a",target="x\\"y"');
  });

  test("are answered by the demo, with and without matchers", () => {
    const agents = makeFleet(12, 1_700_000_000);
    const answers = new Answers();
    addLatencyAnswers(answers);
    const one = queries.matchers({ agent: agents[0]?.id, kind: "http" });
    for (const probes of ["", one]) {
      for (const expr of [
        queries.probeQuantile("0.99", probes, "30s"),
        queries.probeAttempts(probes, "120s", "30s"),
        queries.slowestProbes("200", "0.99", probes, "30s"),
        queries.slowestAgents("10", "0.99", probes, "30s"),
        queries.probeLoss(probes, "30s"),
        queries.agentQuantile("0.99", probes, "30s"),
      ]) {
        expect(answers.find(expr, agents)?.length, expr).toBeGreaterThan(0);
      }
    }
    expect(answers.find(queries.probeQuantile("1", one, "30s"), agents)).toHaveLength(1);
    expect(answers.find(queries.phaseQuantile("0.5", one, "30s"), agents)).toHaveLength(5);
    expect(answers.find(queries.lossByOutcome(one, "30s"), agents)).toHaveLength(2);
    expect(
      answers.findHeatmap(queries.answers(one, "10s"), agents)?.(1_700_000_000, 10)?.counts.length,
    ).toBeGreaterThan(0);
  });
});
