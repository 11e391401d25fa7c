import { describe, expect, it } from "vitest";
import { joinNames, type SeriesData } from "./series";

const _ = null;
const series = (instance: string, values: (number | null)[], more: Record<string, string> = {}): SeriesData => ({
  labels: { instance, ...more },
  values,
});
const range = (...all: SeriesData[]) => ({ times: [], stepMs: 1000, results: [{ series: all }] });
const joined = (...all: SeriesData[]) => joinNames(range(...all)).results[0]?.series;

describe("joinNames", () => {
  it("makes one series of those of a host that was renamed, in whatever order they stand", () => {
    const old = series("z", [1, 2, _, _]);
    const now = series("a", [_, _, _, 4]);
    expect(joined(old, now)).toEqual([series("a", [1, 2, _, 4])]);
    expect(joined(now, old)).toEqual([series("a", [1, 2, _, 4])]);
  });

  it("goes by the newer name where the value under the older one still stands", () => {
    expect(joined(series("a", [1, 1, 1, 1, _]), series("z", [_, _, 5, 6, 7]))).toEqual([series("z", [1, 1, 5, 6, 7])]);
    expect(joined(series("z", [_, _, 5, 6]), series("a", [1, 1, 1, 1])), "until now").toEqual([
      series("z", [1, 1, 5, 6]),
    ]);
    expect(joined(series("z", [5, 6, 7]), series("a", [1, 1, _])), "from the start").toEqual([series("z", [5, 6, 7])]);
  });

  it("takes more than two names", () => {
    expect(joined(series("b", [_, 2, 2, _]), series("c", [_, _, 3, 3]), series("a", [1, 1, _, _]))).toEqual([
      series("c", [1, 2, 3, 3]),
    ]);
  });

  it("leaves apart what is told apart by other labels, and copies nothing of it", () => {
    const lo = series("a", [1, _], { device: "lo" });
    const [first, second] =
      joined(lo, series("a", [2, _], { device: "eth0" }), series("b", [_, 3], { device: "eth0" })) ?? [];
    expect(first).toBe(lo);
    expect(second).toEqual(series("b", [2, 3], { device: "eth0" }));
  });

  it("is the same range where nothing was renamed", () => {
    const data = range(series("a", [1], { cpu: "0" }), series("a", [2], { cpu: "1" }));
    expect(joinNames(data)).toBe(data);
    const aggregated = range({ labels: { cpu: "0" }, values: [1] });
    expect(joinNames(aggregated)).toBe(aggregated);
  });
});
