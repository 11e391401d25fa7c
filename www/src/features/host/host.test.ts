import { describe, expect, test } from "vitest";
import { Answers } from "@/demo/answers";
import { makeFleet } from "@/demo/fleet";
import { addHostAnswers } from "@/demo/host-answers";
import { rateWindow } from "@/lib/promql";
import { type ExprResult, joinNames } from "@/lib/series";
import { byLabel, combine, everAbove, labelValues, mirrored } from "./chart-series";
import { lossesOf } from "./gaps";
import { skewText } from "./host-facts";
import * as queries from "./queries";
import { intervalOf, sections } from "./sections";
import { toFilesystems, usedShare } from "./use-host";

const result = (label: string, values: Record<string, (number | null)[]>): ExprResult => ({
  series: Object.entries(values).map(([value, column]) => ({ labels: { [label]: value }, values: column })),
});

describe("series", () => {
  test("devices stand in the order people count in", () => {
    expect(labelValues([result("cpu", { "10": [1], "2": [1] }), undefined], "cpu")).toEqual(["2", "10"]);
  });

  test("a device keeps its colour in both directions", () => {
    const series = mirrored([result("device", { eth0: [1], lo: [2] }), result("device", { eth0: [3] })], "device", [
      "in",
      "out",
    ]);
    expect(series.map(({ key, color, below }) => [key, color, below ?? false])).toEqual([
      ["eth0 in", "series-1", false],
      ["eth0 out", "series-1", true],
      ["lo in", "series-2", false],
    ]);
  });

  test("what was combined has the gaps of all its parts", () => {
    expect(
      combine(
        [
          [5, null, 3],
          [1, 1, null],
        ],
        (a, b) => a - b,
      ),
    ).toEqual([4, null, null]);
    expect(combine([[5], undefined], (a, b) => a - b)).toEqual([null]);
  });

  test("zeros alone are not worth a line", () => {
    const series = byLabel(result("device", { a: [0, null], b: [0, 0.1] }), "device", ["a", "b"]);
    expect(everAbove(series).map(({ key }) => key)).toEqual(["b"]);
  });
});

describe("gaps", () => {
  const of = (reason: string, values: (number | null)[]) => ({ labels: { reason }, values });
  const losses = (first: ExprResult, last: ExprResult, total: ExprResult) =>
    lossesOf({ times: [], stepMs: 15_000, results: [first, last, total] });

  test("a stretch grows, and another one begins", () => {
    expect(
      losses(
        { series: [of("full", [null, 100, 100, 500, 500])] },
        { series: [of("full", [null, 150, 200, 600, 600])] },
        { series: [of("aged", [0, 0, 0, 0, 0]), of("full", [0, 50, 100, 1300, 1300])] },
      ),
    ).toEqual({
      gaps: [
        { from: 100, to: 200, label: "100 samples dropped by the agent: spool full", short: "100 dropped" },
        { from: 500, to: 600, label: "1,200 samples dropped by the agent: spool full", short: "1,200 dropped" },
      ],
      dropped: 1300,
    });
  });

  test("a restarted agent counts anew, and keeps silent of what is gone", () => {
    expect(
      losses(
        { series: [of("aged", [100, null, 400])] },
        { series: [of("aged", [200, null, 401])] },
        { series: [of("aged", [70, 0, 1])] },
      ),
    ).toEqual({
      gaps: [
        { from: 100, to: 200, label: "samples dropped by the agent: older than the spool keeps", short: "dropped" },
        { from: 400, to: 401, label: "1 sample dropped by the agent: older than the spool keeps", short: "1 dropped" },
      ],
      dropped: 1,
    });
  });

  test("a renamed host goes on counting", () => {
    const named = (instance: string, values: (number | null)[]) => ({ labels: { reason: "full", instance }, values });
    const renamed = (old: (number | null)[], now: (number | null)[]) => ({
      series: [named("z", old), named("a", now)],
    });
    const results = [
      renamed([100, 100, null], [null, 100, 100]),
      renamed([150, 150, null], [null, 200, 200]),
      renamed([50, 50, null], [null, 100, 100]),
    ];
    expect(lossesOf(joinNames({ times: [], stepMs: 15_000, results }))).toMatchObject({
      gaps: [{ from: 100, to: 200 }],
      dropped: 100,
    });
  });

  test("nothing dropped is no gap", () => {
    expect(losses({ series: [] }, { series: [] }, { series: [of("full", [0, 0])] })).toEqual({ gaps: [], dropped: 0 });
  });
});

describe("sections", () => {
  test("only what was measured has a section", () => {
    const present = new Set(["node_cpu_seconds_total", "node_disk_io_time_seconds_total"]);
    const ids = sections("a", (metric) => present.has(metric)).map(({ id }) => id);
    expect(ids).toContain("cpu");
    expect(ids).toContain("disk");
    expect(ids).not.toContain("network");
    expect(ids).not.toContain("container");
    expect(sections("a", () => false)).toEqual([]);
  });

  test("charts have ids of their own and ask for less than one stream holds", () => {
    const charts = sections("a", () => true).flatMap((section) => section.charts);
    expect(new Set(charts.map(({ id }) => id)).size).toBe(charts.length);
    const exprs = new Set(charts.flatMap((chart) => chart.exprs("5s")));
    expect(exprs.size).toBeLessThanOrEqual(64);
  });

  test("a rate is that of a host, whatever its name was", () => {
    const exprs = sections("a", () => true).flatMap(({ charts }) => charts.flatMap((chart) => chart.exprs("5s")));
    const rates = exprs.flatMap((expr) => expr.match(/.{0,24}\brate\(/g) ?? []);
    expect(rates.length).toBeGreaterThan(30);
    for (const rate of rates) expect(rate).toMatch(/sum without \(instance\) \(rate\($/);
  });

  test("the window of a rate has several samples of its collector", () => {
    const collectorOf: Record<string, string> = {
      "cpu-modes": "cpu",
      "cpu-cores": "cpu",
      switches: "cpu",
      paging: "vmstat",
      "network-traffic": "network",
      "network-problems": "network",
      "tcp-retransmits": "netstat",
      "tcp-connections": "netstat",
      "container-cpu": "container",
      "container-throttled": "container",
    };
    for (const name of ["cpu", "memory", "io"]) collectorOf[`${name}-pressure`] = "pressure";
    for (const name of ["throughput", "operations", "wait", "busy", "queue"]) collectorOf[`disk-${name}`] = "disk";
    for (const chart of sections("a", () => true).flatMap(({ charts }) => charts)) {
      if (!chart.exprs("5s").some((expr) => expr.includes("[5s]"))) continue;
      const collector = chart.id.startsWith("agent-") ? "self" : collectorOf[chart.id];
      expect(intervalOf(chart, { [String(collector)]: 10_000 }), chart.id).toBe(10_000);
      expect(intervalOf(chart, {}), chart.id).toBeUndefined();
    }
    expect([rateWindow(1_000), rateWindow(15_000), rateWindow(1_000, 10_000), rateWindow(60_000, 200)]).toEqual([
      "5s",
      "15s",
      "50s",
      "60s",
    ]);
  });

  test("the demo answers every chart with series", () => {
    const agents = makeFleet(12, 1_700_000_000).map((agent) => ({ ...agent, container: "docker" }));
    const answers = new Answers();
    addHostAnswers(answers);
    const agent = agents[1];
    if (!agent) throw new Error("no agent");
    for (const chart of sections(agent.id, () => true).flatMap((section) => section.charts)) {
      const results = chart.exprs("5s").map((expr) => {
        const found = answers.find(expr, agents);
        expect(found, expr).toBeDefined();
        return { series: (found ?? []).map(({ labels, at }) => ({ labels, values: [at(1_700_000_000)] })) };
      });
      if (!chart.empty) expect(chart.series(results), chart.id).not.toHaveLength(0);
    }
  });
});

describe("queries", () => {
  test("a name cannot leave its quotes", () => {
    expect(queries.load('a"} or vector(1)')).toContain('agent="a\\"} or vector(1)"');
  });
});

describe("file systems", () => {
  const sample = (name: string, mountpoint: string, value: number) => ({
    labels: { __name__: `node_filesystem_${name}`, device: "/dev/sda1", mountpoint, fstype: "ext4" },
    value,
  });

  test("are put together from their metrics, the fullest first", () => {
    const found = toFilesystems([
      sample("size_bytes", "/", 100),
      sample("free_bytes", "/", 50),
      sample("avail_bytes", "/", 45),
      sample("size_bytes", "/srv", 100),
      sample("free_bytes", "/srv", 10),
      sample("avail_bytes", "/srv", 5),
      sample("readonly", "/srv", 1),
      sample("size_bytes", "/proc", 0),
    ]);
    expect(found.map(({ mountpoint, readOnly }) => [mountpoint, readOnly])).toEqual([
      ["/srv", true],
      ["/", false],
    ]);
  });

  test("blocks kept for root count as neither used nor usable, as df has it", () => {
    const [root] = toFilesystems([
      sample("size_bytes", "/", 100),
      sample("free_bytes", "/", 50),
      sample("avail_bytes", "/", 45),
    ]);
    if (!root) throw new Error("no file system");
    expect(usedShare(root)).toBeCloseTo(50 / 95, 12);
  });
});

test.each([
  [0.0004, "within 1 ms"],
  [1.5, "1.50 s ahead"],
  [-0.02, "20.0 ms behind"],
])("a skew of %d s is %s", (seconds, text) => {
  expect(skewText(seconds)).toBe(text);
});
