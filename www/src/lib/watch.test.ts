// @vitest-environment jsdom

import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeWatch } from "./testing/fake-watch";
import { WatchHub } from "./watch";
import type { WatchStep } from "./watch-stream";

let fake: FakeWatch;
let hub: WatchHub;
let detach: () => void;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
  fake = new FakeWatch();
  hub = new WatchHub(fake);
  detach = hub.attach();
});
afterEach(() => {
  detach();
  setHidden(false);
  vi.useRealTimers();
});

const settle = (ms = 50) => vi.advanceTimersByTimeAsync(ms);
function setHidden(hidden: boolean) {
  Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}
function collect(exprs: string[], stepMs = 1_000, followAgent?: string) {
  const steps: WatchStep[] = [];
  const stop = hub.subscribe(exprs, { stepMs, followAgent }, (step) => steps.push(step));
  return { steps, stop };
}

describe("WatchHub", () => {
  it("asks once for what several want, and gives each its own, in its order", async () => {
    const first = collect(["a", "b"]);
    const second = collect(["c", "a"]);
    await settle();
    expect(fake.open.map((call) => call.exprs)).toEqual([["a", "b", "c"]]);
    fake.send(1_000, { a: { x: 1 }, b: { x: 2 }, c: { x: 3 } });
    await settle();
    expect(first.steps[0]?.results.map((r) => r.values)).toEqual([[1], [2]]);
    expect(second.steps[0]?.results.map((r) => r.values)).toEqual([[3], [1]]);
  });

  it("opens one stream for each step and agent", async () => {
    collect(["a"]);
    collect(["a"], 5_000);
    collect(["a"], 1_000, "agent");
    await settle();
    expect(fake.open).toHaveLength(3);
    expect(fake.open[2]?.followAgent).toBe("agent");
  });

  it("opens a second stream beyond 64 expressions, and refuses more in one subscription", async () => {
    const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
    collect(names("a", 40));
    collect(names("b", 40));
    await settle();
    expect(fake.open.map((call) => call.exprs.length)).toEqual([40, 40]);
    expect(() => collect(names("c", 65))).toThrow(RangeError);
  });

  it("keeps labels by identity until the series change", async () => {
    const { steps } = collect(["a"]);
    await settle();
    fake.send(1_000, { a: { x: 1 } });
    fake.send(2_000, { a: { x: Number.NaN } }, { unchanged: true });
    fake.send(3_000, { a: { y: 1 } });
    await settle();
    expect(steps[1]?.results[0]?.labels).toBe(steps[0]?.results[0]?.labels);
    expect(steps[1]?.results[0]?.values).toEqual([null]);
    expect(steps[2]?.results[0]?.labels).toEqual([{ series: "y" }]);
  });

  it("closes the stream a while after the last has left, and not in between", async () => {
    const { stop } = collect(["a"]);
    await settle();
    stop();
    const again = collect(["a"]);
    await settle(2_000);
    expect(fake.calls).toBe(1);
    again.stop();
    await settle(2_000);
    expect(fake.open).toHaveLength(0);
    expect(hub.connection()).toEqual({ state: "idle" });
  });

  it("closes while the tab is hidden and opens again after", async () => {
    collect(["a"]);
    await settle();
    setHidden(true);
    await settle();
    expect(fake.open).toHaveLength(0);
    setHidden(false);
    await settle();
    expect(fake.open).toHaveLength(1);
  });

  it("reconnects with growing pauses and says so", async () => {
    collect(["a"]);
    await settle();
    expect(hub.connection()).toEqual({ state: "connecting" });
    fake.send(1_000, { a: { x: 1 } });
    await settle();
    expect(hub.connection()).toEqual({ state: "live" });
    fake.refuse = new ConnectError("stopping", Code.Unavailable);
    fake.fail(fake.refuse);
    await settle(1);
    expect(hub.connection()).toEqual({ state: "reconnecting", reason: "The server cannot be reached." });
    await settle(10_000);
    expect(hub.connection().state).toBe("offline");
    const calls = fake.calls;
    await settle(10_000);
    expect(fake.calls - calls).toBeLessThanOrEqual(3);
    fake.refuse = undefined;
    await settle(11_000);
    fake.send(40_000, { a: { x: 1 } });
    await settle();
    expect(hub.connection()).toEqual({ state: "live" });
  });

  it("takes silence for a failure, but not of an agent that is followed", async () => {
    collect(["a"]);
    collect(["a"], 1_000, "agent");
    await settle();
    fake.send(1_000, { a: { x: 1 } });
    await settle(10_000);
    expect(hub.connection()).toEqual({ state: "reconnecting", reason: "The server has gone silent." });
    await settle(1_000);
    fake.send(12_000, { a: { x: 1 } }, { followAgent: "" });
    const before = fake.calls;
    for (let i = 13; i < 55; i += 5) {
      await settle(5_000);
      fake.send(i * 1_000, { a: { x: 1 } }, { followAgent: "" });
      // The server answers a new call at once.
      if (fake.calls > before) fake.send(i * 1_000, { a: { x: 1 } }, { followAgent: "agent" });
    }
    await settle();
    expect(fake.calls).toBe(before + 1);
    expect(hub.connection()).toEqual({ state: "live" });
  });

  it("takes it for a failure when a call is not answered at all, whoever is followed", async () => {
    collect(["a"], 1_000, "agent");
    await settle();
    fake.send(1_000, { a: { x: 1 } });
    await settle(29_000);
    expect(hub.connection()).toEqual({ state: "live" });
    await settle(12_000);
    expect(hub.connection()).toEqual({ state: "reconnecting", reason: "The server has gone silent." });
  });

  it("learns the clock of the server", async () => {
    collect(["a"]);
    await settle();
    fake.send(1_000, { a: { x: 1 } }, { serverMs: Date.now() + 60_000 });
    await settle();
    expect(Math.abs(hub.now() - Date.now() - 60_000)).toBeLessThan(100);
  });

  it("hands on the error of one expression", async () => {
    const { steps } = collect(["a", "b"]);
    await settle();
    fake.send(1_000, { a: "too many samples", b: { x: 1 } });
    await settle();
    expect(steps[0]?.results[0]?.error).toBe("too many samples");
    expect(steps[0]?.results[1]?.values).toEqual([1]);
  });
});
