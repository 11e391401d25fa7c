import { describe, expect, it } from "vitest";
import { alignRange, appendStep, mergeRange } from "./range";
import type { RangeData } from "./series";
import { seriesKey } from "./series";
import type { WatchStep } from "./watch-stream";

const data = (start: number, series: Record<string, (number | null)[]>): RangeData => {
  const length = Object.values(series)[0]?.length ?? 0;
  return {
    times: Array.from({ length }, (_, i) => start + i),
    stepMs: 1000,
    results: [{ series: Object.entries(series).map(([a, values]) => ({ labels: { a }, values })) }],
  };
};
const step = (seconds: number, values: Record<string, number | null>): WatchStep => {
  const labels = Object.keys(values).map((a) => ({ a }));
  return {
    timeMs: seconds * 1000,
    results: [{ labels, keys: labels.map(seriesKey), values: Object.values(values) }],
  };
};

describe("alignRange", () => {
  it("puts both ends on the grid of the step", () => {
    expect(alignRange(1_234, 9_876, 1_000)).toEqual({ startMs: 1_000, endMs: 9_000 });
    expect(alignRange(1_234, 1_300, 5_000)).toEqual({ startMs: 0, endMs: 0 });
  });
});

describe("appendStep", () => {
  const before = data(10, { x: [1, 2, 3] });
  it.each<[string, RangeData, number, RangeData]>([
    ["grows up to the capacity", appendStep(before, step(13, { x: 4 }), 4), 4, data(10, { x: [1, 2, 3, 4] })],
    ["drops the oldest", appendStep(before, step(13, { x: 4 }), 3), 3, data(11, { x: [2, 3, 4] })],
    ["leaves gaps for missed steps", appendStep(before, step(15, { x: 6 }), 4), 4, data(12, { x: [3, null, null, 6] })],
    ["replaces the newest step", appendStep(before, step(12, { x: 9 }), 3), 3, data(10, { x: [1, 2, 9] })],
    ["gives a gap to a series that is missing", appendStep(before, step(13, {}), 3), 3, data(11, { x: [2, 3, null] })],
    [
      "takes in a new series",
      appendStep(before, step(13, { x: 4, y: 7 }), 3),
      3,
      data(11, { x: [2, 3, 4], y: [null, null, 7] }),
    ],
    [
      "forgets a series that left",
      appendStep(data(10, { x: [1, null, null] }), step(13, {}), 3),
      3,
      {
        times: [11, 12, 13],
        stepMs: 1000,
        results: [{ series: [] }],
      },
    ],
    [
      "survives a leap beyond the window",
      appendStep(before, step(99, { x: 5 }), 3),
      3,
      data(97, { x: [null, null, 5] }),
    ],
  ])("%s", (_, got, length, want) => {
    expect(got).toEqual(want);
    expect(got.times).toHaveLength(length);
  });
  it("ignores what is older than the newest", () => {
    expect(appendStep(before, step(11, { x: 0 }), 3)).toBe(before);
  });
  it("never changes what was handed out", () => {
    const copy = structuredClone(before);
    appendStep(before, step(13, { x: 4, y: 1 }), 3);
    expect(before).toEqual(copy);
  });
  it("keeps the values of others beside an error", () => {
    const failed = step(13, { x: null });
    (failed.results[0] as { error?: string }).error = "too many samples";
    expect(appendStep(before, failed, 3).results[0]?.error).toBe("too many samples");
  });
});

describe("mergeRange", () => {
  it("fills a hole, and only it", () => {
    const holed = data(10, { x: [1, null, null, 4] });
    expect(mergeRange(holed, data(11, { x: [2, 3], y: [7, 8] }))).toEqual(
      data(10, { x: [1, 2, 3, 4], y: [null, 7, 8, null] }),
    );
  });
  it("leaves out what lies outside", () => {
    expect(mergeRange(data(10, { x: [1, 2] }), data(9, { x: [8, 8, 9, 9] }))).toEqual(data(10, { x: [8, 9] }));
  });
});
