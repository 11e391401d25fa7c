import { describe, expect, test } from "vitest";
import { coarserBucket, type HistogramColumn, rowAt, rowBounds, toGrid } from "./histogram";
import { RAMP_SIZE, ramp, rampIndex } from "./ramp";
import { mirror, stack } from "./stack";
import { describe as describeChart, latest, summarize, toCsv } from "./summary";
import { linearTicks, logTicks, niceRange, niceStep } from "./ticks";
import { logRange } from "./value-axis";

describe("stack", () => {
  test("sums upwards", () => {
    expect(
      stack([
        [1, 2],
        [10, 20],
        [100, 200],
      ]),
    ).toEqual([
      [1, 2],
      [11, 22],
      [111, 222],
    ]);
  });

  test("keeps a step a gap only where every column has one", () => {
    expect(
      stack([
        [1, null, null],
        [10, 20, null],
      ]),
    ).toEqual([
      [1, 0, null],
      [11, 20, null],
    ]);
  });

  test("of nothing is nothing", () => {
    expect(stack([])).toEqual([]);
  });

  test("mirror keeps gaps", () => {
    expect(mirror([1, null, 2])).toEqual([-1, null, -2]);
  });
});

describe("ticks", () => {
  test.each([
    [0.7, "decimal", 1],
    [1, "decimal", 1],
    [1.1, "decimal", 2],
    [0.023, "decimal", 0.05],
    [300, "binary", 512],
    [600, "binary", 1024],
    [3 * 1024 ** 2, "binary", 4 * 1024 ** 2],
    [7, "time", 10],
    [25, "time", 30],
    [4000, "time", 7200],
    [0.0003, "time", 0.0005],
  ] as const)("niceStep(%d, %s) is %d", (least, counting, want) => {
    expect(niceStep(least, counting)).toBeCloseTo(want, 12);
  });

  test("are free of binary dust", () => {
    expect(linearTicks(0, 0.5, 5, "decimal")).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5]);
  });

  test("never exceed what there is room for", () => {
    for (let max = 1e-6; max < 1e12; max *= 3.7) {
      for (const counting of ["decimal", "binary", "time"] as const) {
        const ticks = linearTicks(0, max, 5, counting);
        expect(ticks.length).toBeLessThanOrEqual(6);
        expect(ticks.length).toBeGreaterThanOrEqual(2);
      }
    }
  });

  test("a range starts at zero and ends at a whole step", () => {
    expect(niceRange(3, 87, { most: 5, counting: "decimal" })).toEqual([0, 100]);
    expect(niceRange(-37, 87, { most: 5, counting: "decimal" })).toEqual([-50, 100]);
  });

  test("an axis ends at the most a value can be", () => {
    const options = { most: 4, counting: "decimal", cap: 1 } as const;
    expect(niceRange(0, 0.97, options)).toEqual([0, 1]);
    expect(niceRange(0, 1.0000001, options)).toEqual([0, 1]);
    expect(niceRange(0, 1.7, options)).toEqual([0, 1]);
    expect(niceRange(0, 0.07, options)).toEqual([0, 0.08]);
  });

  test("no data has an axis too", () => {
    expect(niceRange(null, null, { most: 5, counting: "decimal" })).toEqual([0, 1]);
    expect(niceRange(0, 0, { most: 5, counting: "decimal" })).toEqual([0, 1]);
  });

  test("logarithmic lines thin out as decades grow", () => {
    expect(logTicks(0.001, 0.1, 8)).toEqual([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]);
    expect(logTicks(0.0001, 10, 5)).toEqual([0.0001, 0.001, 0.01, 0.1, 1, 10]);
    expect(logTicks(0, 1, 5)).toEqual([]);
  });
});

function column(resolution: number, firstBucket: number, counts: number[]): HistogramColumn {
  return { resolution, firstBucket, counts, zeroCount: 0, totalCount: counts.reduce((a, b) => a + b, 0) };
}

describe("logRange", () => {
  test.each([
    [0.0012, 0.043, 0.001, 0.05],
    [0.001, 0.1, 0.001, 0.1],
    [0.003, 0.0031, 0.002, 0.02],
    [0.7, 9.5, 0.5, 10],
  ])("%d to %d is drawn from %d to %d", (min, max, bottom, top) => {
    const [low, high] = logRange(min, max);
    expect(low).toBeCloseTo(bottom, 12);
    expect(high).toBeCloseTo(top, 12);
  });

  test("no data has a range too", () => {
    const [low, high] = logRange(null, null);
    expect(low).toBeGreaterThan(0);
    expect(high).toBeGreaterThanOrEqual(low * 10);
  });
});

describe("histogram", () => {
  test("a coarser bucket holds all of the finer ones below its bound", () => {
    // Resolution 1: bucket i ends at 2^(i/2). Resolution 0: at 2^i.
    expect([-3, -2, -1, 0, 1, 2, 3].map((i) => coarserBucket(i, 1, 0))).toEqual([-1, -1, -0, 0, 1, 1, 2]);
  });

  test("columns of several resolutions meet at the coarsest", () => {
    const grid = toGrid([column(1, 1, [1, 2, 4]), column(0, 1, [8, 16])], 100);
    expect(grid).toMatchObject({ columns: 2, rows: 2, low: 0, height: 1, max: 16 });
    expect(Array.from(grid?.counts ?? [])).toEqual([3, 4, 8, 16]);
  });

  test("merging loses no sample", () => {
    const columns = [
      column(
        4,
        -200,
        Array.from({ length: 150 }, (_, i) => i % 7),
      ),
      column(4, -90, [5, 0, 9]),
    ];
    for (const pixels of [1, 3, 17, 40, 1000]) {
      const grid = toGrid(columns, pixels);
      expect(grid?.counts.reduce((a, b) => a + b, 0)).toBe(columns.reduce((a, c) => a + c.totalCount, 0));
    }
  });

  test("no row is thinner than a pixel", () => {
    const grid = toGrid([column(4, -160, new Array(320).fill(1))], 60);
    expect(grid?.rows).toBeLessThanOrEqual(61);
    expect(grid?.rows).toBeGreaterThan(30);
  });

  test("a column without samples keeps its place", () => {
    const grid = toGrid([column(0, 1, [1]), column(0, 0, []), column(0, 1, [3])], 10);
    expect(Array.from(grid?.totals ?? [])).toEqual([1, 0, 3]);
    expect(Array.from(grid?.counts ?? [])).toEqual([1, 0, 3]);
  });

  test("nothing to draw is null", () => {
    expect(toGrid([], 10)).toBeNull();
    expect(toGrid([column(3, 0, [])], 10)).toBeNull();
  });

  test("a value finds the row whose bounds hold it", () => {
    const grid = toGrid([column(3, -50, new Array(40).fill(1))], 500);
    if (grid === null) throw new Error("no grid");
    for (const value of [2 ** -6, 0.02, 0.03, 0.031]) {
      const row = rowAt(grid, Math.log2(value)) as number;
      const [low, high] = rowBounds(grid, row);
      expect(low).toBeLessThan(value);
      expect(high).toBeGreaterThanOrEqual(value * (1 - 1e-12));
    }
    expect(rowAt(grid, 10)).toBeNull();
    expect(rowAt(grid, -10)).toBeNull();
  });
});

describe("ramp", () => {
  test.each(["light", "dark"] as const)("lightness of the %s ramp goes one way", (theme) => {
    const luminance = Array.from(ramp(theme), (pixel) => {
      const linear = (byte: number) => (byte / 255) ** 2.2;
      return 0.2126 * linear(pixel & 255) + 0.7152 * linear((pixel >> 8) & 255) + 0.0722 * linear((pixel >> 16) & 255);
    });
    const sign = theme === "dark" ? 1 : -1;
    for (let i = 8; i < RAMP_SIZE; i++) {
      expect((luminance[i] as number) * sign).toBeGreaterThan((luminance[i - 8] as number) * sign);
    }
  });

  test("one sample among thousands is apart from none", () => {
    expect(rampIndex(0, 5000)).toBe(0);
    expect(rampIndex(1, 5000)).toBeGreaterThan(15);
    expect(rampIndex(5000, 5000)).toBe(RAMP_SIZE - 1);
    expect(rampIndex(Number.NaN, 5000)).toBe(0);
  });
});

describe("summary", () => {
  test("leaves gaps out of the mean", () => {
    expect(summarize([1, null, 3, null])).toEqual({ min: 1, avg: 2, max: 3, last: 3, samples: 2 });
    expect(summarize([null])).toBeNull();
  });

  test("the latest value is not an old one", () => {
    expect(latest([1, null, null])).toBe(1);
    expect(latest([1, null, null, null, null])).toBeNull();
  });

  test("says every series in words, and how many it left out", () => {
    const text = describeChart(
      "Load",
      [
        { label: "1 min", column: [1, 3] },
        { label: "gone", column: [null] },
      ],
      (v) => v.toFixed(1),
    );
    expect(text).toBe("Load. 1 min: lowest 1.0, average 2.0, highest 3.0, latest 3.0; gone: no samples.");
    expect(describeChart("Load", [], String)).toBe("Load. No samples in this range.");
    const many = Array.from({ length: 20 }, (_, i) => ({ label: `core ${i}`, column: [i] }));
    expect(describeChart("Cores", many, String)).toContain("and 12 more series");
  });

  test("CSV quotes what needs it and leaves gaps empty", () => {
    expect(toCsv([0, 1], [{ label: 'a,"b"', column: [1.5, null] }])).toBe(
      'time,"a,""b"""\r\n1970-01-01T00:00:00.000Z,1.5\r\n1970-01-01T00:00:01.000Z,\r\n',
    );
  });
});
