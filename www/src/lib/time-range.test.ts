import { describe, expect, it } from "vitest";
import {
  absolute,
  defaultRange,
  describe as describeRange,
  duration,
  isLive,
  maxSteps,
  parseDuration,
  parsePoint,
  presets,
  printDuration,
  printPoint,
  relative,
  resolve,
  shift,
  stepFor,
  zoomOut,
} from "./time-range";

const now = 1_700_000_000_000;

describe("durations", () => {
  it("reads what it prints", () => {
    for (const preset of presets) expect(printDuration(parseDuration(preset) as number)).toBe(preset);
    expect(parseDuration("2w")).toBe(14 * 86_400_000);
    expect(printDuration(90_000)).toBe("90s");
  });
  it.each(["", "5", "m", "-5m", "1.5h", "5y", "0s", "999999999w"])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeNull();
  });
});

describe("points", () => {
  it.each(["now", "now-15m", "1700000000000"])("reads and prints %s", (text) => {
    const point = parsePoint(text);
    expect(point && printPoint(point)).toBe(text);
  });
  it.each(["", "now-", "now+5m", "yesterday", "1e9", "-1"])("refuses %j", (text) => {
    expect(parsePoint(text)).toBeNull();
  });
});

describe("ranges", () => {
  it("is live only at now", () => {
    expect(isLive(defaultRange)).toBe(true);
    expect(isLive(absolute(now - 1000, now))).toBe(false);
  });
  it("resolves against now, with its ends in order", () => {
    expect(resolve(relative("1h"), now)).toEqual({ startMs: now - 3_600_000, endMs: now });
    expect(resolve(absolute(now, now - 5_000), now)).toEqual({ startMs: now - 5_000, endMs: now });
  });
  it("steps back by half and forward until it is live again", () => {
    const back = shift(relative("1h"), -1, now);
    expect(resolve(back, now)).toEqual({ startMs: now - 5_400_000, endMs: now - 1_800_000 });
    expect(isLive(shift(back, 1, now))).toBe(true);
    expect(duration(shift(back, 1, now), now)).toBe(3_600_000);
  });
  it("zooms out around the middle, never beyond now", () => {
    expect(resolve(zoomOut(absolute(now - 10_000_000, now - 9_000_000), now), now)).toEqual({
      startMs: now - 10_500_000,
      endMs: now - 8_500_000,
    });
    expect(zoomOut(relative("15m"), now)).toEqual(relative("30m"));
    expect(isLive(zoomOut(absolute(now - 60_000, now - 1_000), now))).toBe(true);
  });
  it("says itself for people", () => {
    expect(describeRange(defaultRange)).toBe("Last 5m");
  });
});

describe("stepFor", () => {
  it.each([
    ["5m", 1200, 1_000],
    ["15m", 1200, 1_000],
    ["1h", 1200, 5_000],
    ["24h", 1200, 120_000],
    ["30d", 1200, 3_600_000],
    ["365d", 1200, 43_200_000],
    ["15m", 300, 5_000],
  ])("%s over %d px is %d ms", (length, width, step) => {
    expect(stepFor(parseDuration(length) as number, width)).toBe(step);
  });
  it("never asks for more steps than the server answers", () => {
    for (const preset of [...presets, "520w"]) {
      const ms = parseDuration(preset) as number;
      expect(ms / stepFor(ms, 100_000)).toBeLessThan(maxSteps * 1.1);
    }
  });
});
