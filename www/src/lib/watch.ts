import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { QueryService, WatchResponse } from "@/gen/sonde/v1/query_service_pb";
import { explain, reloadWhenSignedOut, retryDelay } from "./errors";
import { seriesKey } from "./series";

/** The answer to one expression at one step. */
export type WatchedExpr = {
  /** Both keep their identity until the set of series changes. keys[i] is seriesKey(labels[i]). */
  labels: Record<string, string>[];
  keys: string[];
  /** As many as labels; null where there is no sample. */
  values: (number | null)[];
  error?: string;
};

/** All expressions of one subscription at one step, in the order they were given. */
export type WatchStep = { timeMs: number; results: WatchedExpr[] };

export type WatchOptions = { stepMs: number; followAgent?: string };

/** What the indicator in the shell shows. */
export type Connection =
  | { state: "idle" | "connecting" | "live" }
  | { state: "reconnecting" | "offline"; reason: string };

/** The server accepts so many expressions a stream. */
export const maxExprs = 64;

type Subscription = { exprs: string[]; onStep: (step: WatchStep) => void };

const coalesceMs = 20;
/** Leaving a page and entering the next one must not close and open the stream. */
const lingerMs = 1_000;
/** Failures in a row after which "reconnecting" has become "offline". */
const offlineAfter = 4;

/**
 * Keeps expressions up to date over as few streams as possible: one for all
 * subscriptions of the same step and agent (a second one only beyond 64
 * expressions). Streams are closed while the tab is hidden, and opened again
 * with growing pauses after an error. Steps that pass in between are not
 * delivered; who needs them reads them by QueryRange.
 */
export class WatchHub {
  readonly #client: Pick<Client<typeof QueryService>, "watch">;
  readonly #groups = new Map<string, Group>();
  readonly #listeners = new Set<() => void>();
  #connection: Connection = { state: "idle" };
  #clockOffsetMs = 0;
  #detach: () => void = () => {};

  constructor(client: Pick<Client<typeof QueryService>, "watch">) {
    this.#client = client;
  }

  /** Follows the visibility of the tab and the network until the returned function is called. */
  attach(): () => void {
    const wake = () => {
      for (const group of this.#groups.values()) group.wake(!document.hidden);
    };
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("online", wake);
    this.#detach = () => {
      document.removeEventListener("visibilitychange", wake);
      window.removeEventListener("online", wake);
    };
    return () => {
      this.#detach();
      for (const group of this.#groups.values()) group.wake(false);
    };
  }

  /**
   * Calls onStep for every step until the returned function is called. At most
   * 64 different expressions.
   */
  subscribe(exprs: string[], options: WatchOptions, onStep: (step: WatchStep) => void): () => void {
    if (new Set(exprs).size > maxExprs) throw new RangeError(`more than ${maxExprs} expressions in one subscription`);
    const key = `${options.stepMs}|${options.followAgent ?? ""}`;
    let group = this.#groups.get(key);
    if (!group) {
      group = new Group(this.#client, options, {
        changed: () => this.#update(),
        clock: (offsetMs) => {
          this.#clockOffsetMs = offsetMs;
        },
        closed: () => this.#groups.delete(key),
      });
      this.#groups.set(key, group);
    }
    return group.add({ exprs, onStep });
  }

  /** The server's clock, as well as it is known: this one's until a first step has come. */
  now(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  connection = (): Connection => this.#connection;

  onConnection = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #update(): void {
    const states = [...this.#groups.values()].flatMap((group) => group.connections());
    // The worst of them is what people must know.
    const next =
      states.find((s) => s.state === "offline") ??
      states.find((s) => s.state === "reconnecting") ??
      states.find((s) => s.state === "connecting") ??
      states.find((s) => s.state === "live") ??
      ({ state: "idle" } as const);
    const before = this.#connection;
    if (before.state === next.state && reasonOf(before) === reasonOf(next)) return;
    this.#connection = next;
    for (const listener of this.#listeners) listener();
  }
}

function reasonOf(connection: Connection): string {
  return "reason" in connection ? connection.reason : "";
}

type GroupEvents = { changed: () => void; clock: (offsetMs: number) => void; closed: () => void };

/** The subscriptions of one step and agent, and the streams that serve them. */
class Group {
  readonly #client: Pick<Client<typeof QueryService>, "watch">;
  readonly #options: WatchOptions;
  readonly #events: GroupEvents;
  readonly #subscriptions = new Set<Subscription>();
  #streams: Stream[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #awake = typeof document === "undefined" || !document.hidden;

  constructor(client: Pick<Client<typeof QueryService>, "watch">, options: WatchOptions, events: GroupEvents) {
    this.#client = client;
    this.#options = options;
    this.#events = events;
  }

  add(subscription: Subscription): () => void {
    this.#subscriptions.add(subscription);
    this.#schedule(coalesceMs);
    return () => {
      if (this.#subscriptions.delete(subscription)) this.#schedule(lingerMs);
    };
  }

  wake(awake: boolean): void {
    this.#awake = awake;
    if (awake) for (const stream of this.#streams) stream.retryNow();
    this.#schedule(0);
  }

  connections(): Connection[] {
    return this.#streams.map((stream) => stream.connection);
  }

  #schedule(ms: number): void {
    const at = Date.now() + ms;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#reconcile();
    }, ms);
  }

  /** Makes the streams those that the subscriptions need; a stream that already fits goes on. */
  #reconcile(): void {
    const wanted = this.#awake ? pack([...this.#subscriptions]) : [];
    const kept: Stream[] = [];
    for (const { exprs, subscriptions } of wanted) {
      const same = this.#streams.find((stream) => sameSet(stream.exprs, exprs));
      if (same) {
        same.subscriptions = subscriptions;
        kept.push(same);
      } else {
        kept.push(new Stream(this.#client, this.#options, exprs, subscriptions, this.#events));
      }
    }
    for (const stream of this.#streams) if (!kept.includes(stream)) stream.close();
    this.#streams = kept;
    if (this.#subscriptions.size === 0) this.#events.closed();
    this.#events.changed();
  }
}

/** Puts subscriptions together into as few sets of at most 64 expressions as their order allows. */
function pack(subscriptions: Subscription[]): { exprs: string[]; subscriptions: Subscription[] }[] {
  const bins: { exprs: Set<string>; subscriptions: Subscription[] }[] = [];
  for (const subscription of subscriptions) {
    const bin = bins.find((b) => new Set([...b.exprs, ...subscription.exprs]).size <= maxExprs);
    if (bin) {
      for (const expr of subscription.exprs) bin.exprs.add(expr);
      bin.subscriptions.push(subscription);
    } else {
      bins.push({ exprs: new Set(subscription.exprs), subscriptions: [subscription] });
    }
  }
  return bins.map((bin) => ({ exprs: [...bin.exprs], subscriptions: bin.subscriptions }));
}

function sameSet(a: string[], b: string[]): boolean {
  if (a.length !== b.length) return false;
  const set = new Set(a);
  return b.every((expr) => set.has(expr));
}

/** One Watch call, opened again and again until closed. */
class Stream {
  readonly exprs: string[];
  subscriptions: Subscription[];
  connection: Connection = { state: "connecting" };
  readonly #client: Pick<Client<typeof QueryService>, "watch">;
  readonly #options: WatchOptions;
  readonly #events: GroupEvents;
  readonly #closing = new AbortController();
  readonly #indexOf: Map<string, number>;
  #series: WatchedExpr[] = [];
  #retryNow: () => void = () => {};

  constructor(
    client: Pick<Client<typeof QueryService>, "watch">,
    options: WatchOptions,
    exprs: string[],
    subscriptions: Subscription[],
    events: GroupEvents,
  ) {
    this.#client = client;
    this.#options = options;
    this.#events = events;
    this.exprs = exprs;
    this.subscriptions = subscriptions;
    this.#indexOf = new Map(exprs.map((expr, i) => [expr, i]));
    void this.#run();
  }

  close(): void {
    this.#closing.abort();
    this.#retryNow();
  }

  retryNow(): void {
    this.#retryNow();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      const result = await this.#once(() => {
        failures = 0;
      });
      if (this.#closing.signal.aborted) return;
      // Silence is no failure: a followed agent that is down sends nothing.
      if (result === "silent") continue;
      failures++;
      const away = typeof navigator !== "undefined" && navigator.onLine === false;
      const reason = away ? "This device is offline." : result;
      this.#set({ state: away || failures >= offlineAfter ? "offline" : "reconnecting", reason });
      await this.#pause(retryDelay(failures));
    }
  }

  /** Reads one call to its end; the reason why it ended, for people, or "silent". */
  async #once(onStep: () => void): Promise<string> {
    const call = new AbortController();
    const abort = () => call.abort();
    this.#closing.signal.addEventListener("abort", abort, { once: true });
    const silenceMs = Math.max(this.#options.followAgent ? 30_000 : 10_000, 3 * this.#options.stepMs);
    let silent = false;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const hear = () => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        silent = true;
        call.abort();
      }, silenceMs);
    };
    this.#series = this.exprs.map(() => ({ labels: [], keys: [], values: [] }));
    try {
      hear();
      const responses = this.#client.watch(
        { exprs: this.exprs, stepMs: BigInt(this.#options.stepMs), followAgent: this.#options.followAgent ?? "" },
        { signal: call.signal },
      );
      for await (const response of responses) {
        hear();
        onStep();
        this.#set({ state: "live" });
        this.#deliver(response);
      }
      return "The server ended the stream.";
    } catch (error) {
      if (silent) {
        // Without an agent to follow the server speaks at every step.
        return this.#options.followAgent ? "silent" : "The server has gone silent.";
      }
      if (ConnectError.from(error).code !== Code.Canceled) reloadWhenSignedOut(error);
      return explain(error);
    } finally {
      clearTimeout(silence);
      this.#closing.signal.removeEventListener("abort", abort);
      call.abort();
    }
  }

  #deliver(response: WatchResponse): void {
    if (response.serverTime) {
      const serverMs = Number(response.serverTime.seconds) * 1000 + response.serverTime.nanos / 1e6;
      this.#events.clock(serverMs - Date.now());
    }
    this.#series = response.results.map((result, i) => {
      const before = this.#series[i];
      const changed = result.seriesChanged || !before;
      const labels = changed ? result.series.map((s) => s.labels) : before.labels;
      const keys = changed ? labels.map(seriesKey) : before.keys;
      const values = result.error ? labels.map(() => null) : result.values.map(finite);
      return { labels, keys, values, ...(result.error ? { error: result.error } : {}) };
    });
    const timeMs = Number(response.timeMs);
    for (const { exprs, onStep } of this.subscriptions) {
      const results = exprs.map((expr) => this.#series[this.#indexOf.get(expr) as number] as WatchedExpr);
      onStep({ timeMs, results });
    }
  }

  #set(connection: Connection): void {
    this.connection = connection;
    this.#events.changed();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.#retryNow = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}

/** null for what cannot be drawn. */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
