import { describe, expect, test } from "vitest";
import { CLEAR, columnAt, fillPixels, GAP, histogramPlace, pixelOf, rampTop, sharePlace } from "./cells";
import { toGrid } from "./histogram";
import { isolated, toggled } from "./legend";
import { type Clock, type Drawable, PASS_INTERVAL, Redraws } from "./redraw";
import { sparkPoints } from "./sparkline";
import { longHex, mix } from "./theme";
import { timeLabels } from "./time-axis";
import { placeBeside } from "./tooltip";

/** A clock that moves when told to. */
class FakeClock implements Clock {
  private at = 0;
  private timers: { at: number; callback: () => void }[] = [];
  private frames: (() => void)[] = [];

  now = () => this.at;
  frame = (callback: () => void) => void this.frames.push(callback);
  after = (ms: number, callback: () => void) => void this.timers.push({ at: this.at + ms, callback });

  pass(ms: number): void {
    const end = this.at + ms;
    while (this.at < end) {
      this.at += 10;
      const due = this.timers.filter(({ at }) => at <= this.at);
      this.timers = this.timers.filter(({ at }) => at > this.at);
      for (const { callback } of due) callback();
      for (const callback of this.frames.splice(0)) callback();
    }
  }
}

class Counted implements Drawable {
  drawn = 0;
  constructor(
    private readonly ages = false,
    private readonly goesOn = false,
  ) {}
  draw = () => void this.drawn++;
  stale = () => this.ages;
  live = () => this.goesOn;
}

describe("Redraws", () => {
  function start(...drawables: Counted[]): { redraws: Redraws; clock: FakeClock } {
    const clock = new FakeClock();
    const redraws = new Redraws(clock);
    for (const drawable of drawables) redraws.add(drawable);
    return { redraws, clock };
  }

  test("puts many requests into one drawing, and draws at most four times a second", () => {
    const chart = new Counted();
    const { redraws, clock } = start(chart);
    for (let i = 0; i < 100; i++) {
      redraws.request(chart);
      clock.pass(20);
    }
    expect(chart.drawn).toBeGreaterThan(6);
    expect(chart.drawn).toBeLessThanOrEqual(2000 / PASS_INTERVAL + 1);
  });

  test("draws what a person did in the next frame", () => {
    const chart = new Counted();
    const { redraws, clock } = start(chart);
    redraws.request(chart, true);
    clock.pass(10);
    redraws.request(chart, true);
    clock.pass(10);
    expect(chart.drawn).toBe(2);
  });

  test("draws only what was asked for or has become old", () => {
    const [asked, old, fresh] = [new Counted(), new Counted(true, true), new Counted(false, true)];
    const { redraws, clock } = start(asked, old, fresh);
    redraws.request(asked);
    clock.pass(1000);
    expect(asked.drawn).toBe(1);
    expect(old.drawn).toBeGreaterThanOrEqual(3);
    expect(fresh.drawn).toBe(0);
  });

  test("rests when nothing is live, and forgets what was removed", () => {
    const chart = new Counted(true, false);
    const { redraws, clock } = start(chart);
    redraws.request(chart);
    clock.pass(1000);
    expect(chart.drawn).toBe(1);
    redraws.remove(chart);
    redraws.request(chart);
    clock.pass(1000);
    expect(chart.drawn).toBe(1);
  });
});

describe("legend", () => {
  const items = [{ key: "a" }, { key: "b" }, { key: "c" }];

  test("shows one alone, and all again", () => {
    const alone = isolated(new Set(), "b", items);
    expect([...alone]).toEqual(["a", "c"]);
    expect(isolated(alone, "b", items).size).toBe(0);
    expect([...isolated(alone, "c", items)]).toEqual(["a", "b"]);
  });

  test("takes one away and brings it back", () => {
    const without = toggled(new Set(), "a");
    expect([...without]).toEqual(["a"]);
    expect(toggled(without, "a").size).toBe(0);
  });
});

describe("cells", () => {
  test("the lowest row is the last line of the image", () => {
    const pixels = new Uint32Array(4);
    const colors = Uint32Array.from([10, 11, 12]);
    const place = (x: number, y: number) => (x === 1 ? GAP : y === 0 ? 2 : CLEAR);
    fillPixels(pixels, 2, 2, place, colors, 99);
    expect([...pixels]).toEqual([0, 99, 12, 99]);
  });

  test("a histogram without samples is a gap, one without this bucket is clear", () => {
    const column = (counts: number[]) => ({
      resolution: 0,
      firstBucket: 1,
      counts,
      zeroCount: 0,
      totalCount: counts.reduce((a, b) => a + b, 0),
    });
    const grid = toGrid([column([9, 0, 9]), column([])], 100);
    if (!grid) throw new Error("no grid");
    const place = histogramPlace(grid);
    expect(place(0, 0)).toBeGreaterThan(0);
    expect(place(0, 1)).toBe(CLEAR);
    expect(place(1, 0)).toBe(GAP);
    expect(rampTop(grid)).toBe(9);
  });

  test("a share beyond its ends stays on the ramp", () => {
    const place = sharePlace([[0, 1, 1.2, null]]);
    expect([0, 1, 2, 3].map((x) => place(x, 0))).toEqual([0, 255, 255, GAP]);
  });

  test("a moment belongs to the step that ends at or after it", () => {
    const times = [100, 110, 120];
    expect([90.1, 100, 100.1, 120, 120.1, 89].map((at) => columnAt(times, 10, at))).toEqual([0, 0, 1, 2, null, null]);
    expect(columnAt([], 10, 5)).toBeNull();
  });

  test("a colour becomes a pixel with its bytes in order", () => {
    const bytes = new Uint8Array(Uint32Array.of(pixelOf("#123456")).buffer);
    expect([...bytes]).toEqual([0x12, 0x34, 0x56, 0xff]);
  });
});

describe("sparkline", () => {
  test("a gap parts the line", () => {
    const stretches = sparkPoints([0, 2, null, 1], 30, 12);
    expect(stretches).toEqual([
      [
        [0, 11],
        [10, 1],
      ],
      [[30, 6]],
    ]);
  });

  test("zeros lie on the ground, and nothing is nothing", () => {
    expect(sparkPoints([0, 0], 10, 12)).toEqual([
      [
        [0, 11],
        [10, 11],
      ],
    ]);
    expect(sparkPoints([null], 10, 12)).toEqual([]);
  });
});

describe("tooltip", () => {
  test.each([
    [100, 80, 400, 114],
    [350, 80, 400, 256],
    [60, 200, 220, 20],
  ])("beside %d, %d wide within %d, begins at %d", (x, width, room, want) => {
    expect(placeBeside(x, width, room)).toBe(want);
  });
});

describe("theme", () => {
  test("colours that the build shortened can be mixed", () => {
    expect(longHex("#fff")).toBe("#ffffff");
    expect(longHex("#3451d1")).toBe("#3451d1");
    expect(mix("#000000", longHex("#fff"), 0.5)).toBe("#808080");
  });
});

describe("time axis", () => {
  test("shows the date where a day begins, seconds only where they matter", () => {
    const midnight = new Date(2026, 2, 1).getTime() / 1000;
    expect(timeLabels([midnight, midnight + 1800], 1800)).toEqual(["1 Mar", "00:30"]);
    expect(timeLabels([midnight + 15], 15)).toEqual(["00:00:15"]);
    expect(timeLabels([midnight + 86_400], 86_400)).toEqual(["2 Mar"]);
  });
});
