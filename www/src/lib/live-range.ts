import type { Client } from "@connectrpc/connect";
import type { QueryService } from "@/gen/sonde/v1/query_service_pb";
import { isPassing, reloadWhenSignedOut, retryDelay } from "./errors";
import { alignRange, appendStep, blankSince, countValues, fromResponse, isBlank, lastMs, mergeRange } from "./range";
import type { RangeData } from "./series";
import { duration, isLive, resolve, type TimeRange } from "./time-range";
import type { WatchHub } from "./watch";
import type { WatchStep } from "./watch-stream";

export type LiveRangeState =
  | { status: "pending"; data: undefined; error: undefined }
  | { status: "error"; data: undefined; error: unknown }
  /** error: the newest attempt to read went wrong; what is shown is older. */
  | { status: "ready"; data: RangeData; error: unknown };

export type LiveRangeOptions = {
  exprs: string[];
  range: TimeRange;
  stepMs: number;
  followAgent?: string;
};

type Source = { query: Pick<Client<typeof QueryService>, "queryRange">; watch: WatchHub };

/** Waits before a hole is read again: the agent has its newest batches stored first, then what had waited for a server. */
const backlogMs = [2_000, 15_000, 60_000];
/** After a hole that nothing came for, which was no outage: some charts have nothing to say at most steps. */
const vainMs = 600_000;

/** Steps that came while history was being read; more are found again by filling. */
const maxEarly = 120;

/**
 * A range of history that goes on live: reads it by QueryRange, appends what
 * Watch sends, forgets what has left the window, and reads again what was
 * missed (after a reconnect, a hidden tab, a slow reader) and what was stored
 * late (after an outage). A range that is not live is read once.
 */
export class LiveRange {
  readonly #source: Source;
  readonly #options: LiveRangeOptions;
  readonly #live: boolean;
  readonly #capacity: number;
  readonly #listeners = new Set<() => void>();
  #state: LiveRangeState = { status: "pending", data: undefined, error: undefined };
  #early: WatchStep[] = [];
  #stopped = new AbortController();
  #unsubscribe: () => void = () => {};
  #reading = false;
  /** What may still be stored, while it is read again and again. */
  #hole: { startMs: number; endMs: number } | undefined;
  #noHoleBefore = 0;

  constructor(source: Source, options: LiveRangeOptions) {
    this.#source = source;
    this.#options = options;
    this.#live = isLive(options.range);
    this.#capacity = Math.floor(duration(options.range, Date.now()) / options.stepMs) + 1;
  }

  state = (): LiveRangeState => this.#state;

  /** The first subscriber starts the reading, the last one to leave stops it. */
  subscribe = (listener: () => void): (() => void) => {
    if (this.#listeners.size === 0) this.#start();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  };

  #start(): void {
    this.#stopped = new AbortController();
    if (this.#options.exprs.length === 0) {
      this.#set({ status: "ready", data: { times: [], stepMs: this.#options.stepMs, results: [] }, error: undefined });
      return;
    }
    if (this.#live) {
      this.#unsubscribe = this.#source.watch.subscribe(this.#options.exprs, this.#options, this.#onStep);
    }
    if (this.#state.status !== "ready" || this.#live) void this.#load(this.#source.watch.now());
  }

  #stop(): void {
    this.#stopped.abort();
    this.#unsubscribe();
    this.#early = [];
    this.#reading = false;
    this.#hole = undefined;
  }

  #onStep = (step: WatchStep): void => {
    const { stepMs } = this.#options;
    const last = this.#state.data && lastMs(this.#state.data);
    if (this.#reading || last === undefined || last === null) {
      this.#early.push(step);
      if (this.#early.length > maxEarly) this.#early.shift();
      return;
    }
    const steps = (step.timeMs - last) / stepMs;
    if (steps < -2 || steps > this.#capacity) {
      // The window was read by a clock that is far from the server's, or all of it was missed.
      this.#early = [step];
      void this.#load(step.timeMs);
      return;
    }
    this.#append(step);
    if (steps > 1) void this.#fill(last + stepMs, step.timeMs - stepMs);
  };

  #append(step: WatchStep): void {
    if (this.#state.status !== "ready") return;
    const before = this.#state.data;
    const data = appendStep(before, step, this.#capacity);
    if (data === before) return;
    this.#set({ status: "ready", data, error: undefined });
    const startMs = isBlank(step) ? undefined : blankSince(before);
    const endMs = step.timeMs - this.#options.stepMs;
    if (startMs !== undefined && startMs <= endMs) void this.#refill(startMs, endMs);
  }

  /** Reads a hole again until what was stored late is likely to be there. One that opens meanwhile is part of it. */
  async #refill(startMs: number, endMs: number): Promise<void> {
    if (this.#hole) {
      this.#hole.endMs = Math.max(this.#hole.endMs, endMs);
      return;
    }
    if (Date.now() < this.#noHoleBefore) return;
    const { signal } = this.#stopped;
    const hole = { startMs, endMs };
    this.#hole = hole;
    let found = 0;
    for (const ms of backlogMs) {
      await pause(ms, signal);
      if (signal.aborted) return;
      found += await this.#fill(hole.startMs, hole.endMs);
    }
    if (signal.aborted) return;
    this.#hole = undefined;
    if (found === 0) this.#noHoleBefore = Date.now() + vainMs;
  }

  /** Reads the whole window that ends at now. */
  async #load(now: number): Promise<void> {
    const { range, stepMs } = this.#options;
    const { startMs, endMs } = resolve(range, now);
    this.#reading = true;
    const { signal } = this.#stopped;
    const data = await this.#read(alignRange(startMs, endMs, stepMs));
    if (!data) {
      // What is shown would stand still for ever.
      const { error } = this.#state;
      if (!signal.aborted) this.#set({ status: "error", data: undefined, error });
      return;
    }
    this.#reading = false;
    this.#set({ status: "ready", data, error: undefined });
    const early = this.#early;
    this.#early = [];
    for (const step of early) this.#onStep(step);
  }

  /** Reads a part of the window again, and says how many more values there are. */
  async #fill(startMs: number, endMs: number): Promise<number> {
    const read = await this.#read({ startMs, endMs });
    if (!read || this.#state.status !== "ready") return 0;
    const before = this.#state.data;
    const data = mergeRange(before, read);
    this.#set({ status: "ready", data, error: undefined });
    return countValues(data) - countValues(before);
  }

  /** One QueryRange, tried until it succeeds; undefined when stopped or when trying again is of no use. */
  async #read({ startMs, endMs }: { startMs: number; endMs: number }): Promise<RangeData | undefined> {
    const { signal } = this.#stopped;
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        const response = await this.#source.query.queryRange(
          {
            exprs: this.#options.exprs,
            startMs: BigInt(startMs),
            endMs: BigInt(endMs),
            stepMs: BigInt(this.#options.stepMs),
          },
          { signal },
        );
        return signal.aborted ? undefined : fromResponse(response);
      } catch (error) {
        if (signal.aborted) return undefined;
        reloadWhenSignedOut(error);
        const shown = this.#state;
        this.#set(shown.status === "ready" ? { ...shown, error } : { status: "error", data: undefined, error });
        if (!isPassing(error)) return undefined;
        await pause(retryDelay(failures, error), signal);
      }
    }
    return undefined;
  }

  #set(state: LiveRangeState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(finish, ms);
    function finish() {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      done();
    }
    signal.addEventListener("abort", finish);
  });
}
