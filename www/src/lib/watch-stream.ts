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

/** Who wants which expressions. */
export type Subscription = { exprs: string[]; onStep: (step: WatchStep) => void };

export type Source = Pick<Client<typeof QueryService>, "watch">;

/** changed: the connection is another one; clock: how far the server's is ahead of this one's. */
export type StreamEvents = { changed: () => void; clock: (offsetMs: number) => void };

/** Failures in a row after which "reconnecting" has become "offline". */
const offlineAfter = 4;

/** One Watch call, opened again and again until closed. */
export class Stream {
  readonly exprs: string[];
  subscriptions: Subscription[];
  connection: Connection = { state: "connecting" };
  readonly #client: Source;
  readonly #options: WatchOptions;
  readonly #events: StreamEvents;
  readonly #closing = new AbortController();
  readonly #indexOf: Map<string, number>;
  #series: WatchedExpr[] = [];
  #retryNow: () => void = () => {};

  constructor(
    client: Source,
    options: WatchOptions,
    exprs: string[],
    subscriptions: Subscription[],
    events: StreamEvents,
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
      if (result === "silent") continue;
      failures++;
      const away = typeof navigator !== "undefined" && navigator.onLine === false;
      const reason = away ? "This device is offline." : result;
      this.#set({ state: away || failures >= offlineAfter ? "offline" : "reconnecting", reason });
      await this.#pause(retryDelay(failures));
    }
  }

  /** Reads one call to its end; the reason why it ended, for people, or "silent", which is no failure. */
  async #once(onStep: () => void): Promise<string> {
    const call = new AbortController();
    const abort = () => call.abort();
    this.#closing.signal.addEventListener("abort", abort, { once: true });
    const { followAgent, stepMs } = this.#options;
    let heard = false;
    let silent = false;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const listen = () => {
      clearTimeout(silence);
      // The first step comes at once, the others of an agent that is followed with its batches.
      const patienceMs = Math.max(followAgent && heard ? 30_000 : 10_000, 3 * stepMs);
      silence = setTimeout(() => {
        silent = true;
        call.abort();
      }, patienceMs);
    };
    this.#series = this.exprs.map(() => ({ labels: [], keys: [], values: [] }));
    try {
      listen();
      const responses = this.#client.watch(
        { exprs: this.exprs, stepMs: BigInt(stepMs), followAgent: followAgent ?? "" },
        { signal: call.signal },
      );
      for await (const response of responses) {
        heard = true;
        listen();
        onStep();
        this.#set({ state: "live" });
        this.#deliver(response);
      }
      return "The server ended the stream.";
    } catch (error) {
      if (silent) return followAgent && heard ? "silent" : "The server has gone silent.";
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
