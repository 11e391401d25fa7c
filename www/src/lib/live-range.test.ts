import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type QueryRangeRequest, QueryRangeResponseSchema } from "@/gen/sonde/v1/query_service_pb";
import { LiveRange } from "./live-range";
import { FakeWatch } from "./testing/fake-watch";
import { absolute, relative, type TimeRange } from "./time-range";
import { WatchHub } from "./watch";

const now = 1_700_000_000_000;
const second = 1_000;

let fake: FakeWatch;
let requests: { startMs: number; endMs: number }[];
let failure: Error | undefined;
let stop: () => void = () => {};

beforeEach(() => {
  vi.useFakeTimers({ now });
  fake = new FakeWatch();
  requests = [];
  failure = undefined;
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

const settle = (ms = 50) => vi.advanceTimersByTimeAsync(ms);

/** The value of the only series at a time is the number of the second, so that each can be told. */
const valueAt = (ms: number) => (ms / second) % 100_000;

function start(range: TimeRange, blank: ReadonlySet<number> = new Set()) {
  const queryRange = async (request: Partial<QueryRangeRequest>) => {
    if (failure) throw failure;
    const startMs = Number(request.startMs);
    const endMs = Number(request.endMs);
    requests.push({ startMs, endMs });
    const steps = (endMs - startMs) / second + 1;
    const values = Array.from({ length: steps }, (_, i) => startMs + i * second).map((ms) =>
      blank.has(ms) ? Number.NaN : valueAt(ms),
    );
    return create(QueryRangeResponseSchema, {
      startMs: BigInt(startMs),
      stepMs: BigInt(second),
      steps,
      results: [{ series: [{ labels: { labels: { series: "x" } }, values }] }],
    });
  };
  const live = new LiveRange(
    { query: { queryRange: queryRange as never }, watch: new WatchHub(fake) },
    { exprs: ["a"], range, stepMs: second },
  );
  stop = live.subscribe(() => {});
  return live;
}
const send = (ms: number) => fake.send(ms, { a: { x: valueAt(ms) } }, { serverMs: Date.now() });
const values = (live: LiveRange) => live.state().data?.results[0]?.series[0]?.values;
const seconds = (from: number, to: number) =>
  Array.from({ length: (to - from) / second + 1 }, (_, i) => valueAt(from + i * second));

describe("LiveRange", () => {
  it("appends live steps to history and forgets what left the window", async () => {
    const live = start(relative("10s"));
    expect(live.state().status).toBe("pending");
    await settle();
    expect(requests).toEqual([{ startMs: now - 10 * second, endMs: now }]);
    expect(values(live)).toEqual(seconds(now - 10 * second, now));
    const before = live.state().data;
    send(now + second);
    await settle();
    expect(values(live)).toEqual(seconds(now - 9 * second, now + second));
    expect(live.state().data).not.toBe(before);
    expect(before?.times).toHaveLength(11);
  });

  it("reads again what it missed", async () => {
    const live = start(relative("10s"));
    await settle();
    send(now + 5 * second);
    await settle();
    expect(requests[1]).toEqual({ startMs: now + second, endMs: now + 4 * second });
    expect(values(live)).toEqual(seconds(now - 5 * second, now + 5 * second));
  });

  it("reads the whole window again when all of it was missed", async () => {
    const live = start(relative("10s"));
    await settle();
    send(now + 60 * second);
    await settle();
    expect(values(live)).toEqual(seconds(now + 50 * second, now + 60 * second));
  });

  it("goes by the server's clock when the device's is an hour ahead", async () => {
    const live = start(relative("10s"));
    await settle();
    const there = now - 3_600 * second;
    send(there);
    await settle();
    expect(values(live)).toEqual(seconds(there - 10 * second, there));
  });

  it("reads again what an agent stores after an outage", async () => {
    const live = start(relative("10s"));
    await settle();
    for (const i of [1, 2, 3]) fake.send(now + i * second, { a: {} });
    await settle();
    expect(values(live)?.slice(-3)).toEqual([null, null, null]);
    expect(requests).toHaveLength(1);
    send(now + 4 * second);
    await settle(3_000);
    expect(requests.slice(1)).toEqual([{ startMs: now + second, endMs: now + 3 * second }]);
    expect(values(live)).toEqual(seconds(now - 6 * second, now + 4 * second));
    fake.send(now + 5 * second, { a: {} });
    send(now + 6 * second);
    await settle(90_000);
    // The second hole is read together with the first, as long as that is read.
    expect(requests.slice(2)).toEqual([
      { startMs: now + second, endMs: now + 5 * second },
      { startMs: now + second, endMs: now + 5 * second },
    ]);
    expect(values(live)).toEqual(seconds(now - 4 * second, now + 6 * second));
  });

  it("reads a range that is not live once, and watches nothing", async () => {
    const live = start(absolute(now - 20 * second, now - 10 * second));
    await settle(5_000);
    expect(requests).toHaveLength(1);
    expect(fake.calls).toBe(0);
    expect(values(live)).toHaveLength(11);
  });

  it("tries again after a passing error, and shows it meanwhile", async () => {
    failure = new ConnectError("stopping", Code.Unavailable);
    const live = start(relative("10s"));
    await settle();
    expect(live.state().status).toBe("error");
    failure = undefined;
    await settle(5_000);
    expect(live.state().status).toBe("ready");
  });

  it("does not try again what cannot succeed", async () => {
    failure = new ConnectError("1:3: parse error", Code.InvalidArgument);
    const live = start(relative("10s"));
    await settle();
    failure = undefined;
    await settle(20_000);
    expect(live.state()).toMatchObject({ status: "error", error: { code: Code.InvalidArgument } });
  });

  it("asks seldom for what was too much for the server", async () => {
    failure = new ConnectError("too many samples", Code.ResourceExhausted);
    const live = start(relative("10s"));
    await settle(5_000);
    failure = undefined;
    await settle(20_000);
    expect(live.state()).toMatchObject({ status: "error", error: { code: Code.ResourceExhausted } });
    await settle(50_000);
    expect(live.state().status).toBe("ready");
  });

  it("does not take steps without values for an outage for long", async () => {
    const blank = new Set<number>();
    const live = start(relative("10s"), blank);
    await settle();
    for (let i = 1; i <= 300; i++) {
      if (i % 3 === 0) send(now + i * second);
      else {
        blank.add(now + i * second);
        fake.send(now + i * second, { a: {} });
      }
      await settle(second);
    }
    expect(requests.length).toBeLessThanOrEqual(4);
    expect(values(live)?.slice(-3)).toEqual([null, null, valueAt(now + 300 * second)]);
  });

  it("says so when the window cannot be read anew", async () => {
    const live = start(relative("10s"));
    await settle();
    failure = new ConnectError("you may not", Code.PermissionDenied);
    send(now + 60 * second);
    await settle();
    expect(live.state()).toMatchObject({ status: "error", error: { code: Code.PermissionDenied } });
  });

  it("stops with its last subscriber", async () => {
    start(relative("10s"));
    await settle();
    stop();
    await settle(3_000);
    expect(fake.open).toHaveLength(0);
  });
});
