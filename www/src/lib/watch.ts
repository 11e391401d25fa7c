import {
  type Connection,
  type Source,
  Stream,
  type StreamEvents,
  type Subscription,
  type WatchOptions,
  type WatchStep,
} from "./watch-stream";

/** The server accepts so many expressions a stream. */
export const maxExprs = 64;

const coalesceMs = 20;
/** Leaving a page and entering the next one must not close and open the stream. */
const lingerMs = 1_000;

/**
 * Keeps expressions up to date over as few streams as possible: one for all
 * subscriptions of the same step and agent (a second one only beyond 64
 * expressions). Streams are closed while the tab is hidden, and opened again
 * with growing pauses after an error. Steps that pass in between are not
 * delivered; who needs them reads them by QueryRange.
 */
export class WatchHub {
  readonly #client: Source;
  readonly #groups = new Map<string, Group>();
  readonly #listeners = new Set<() => void>();
  #connection: Connection = { state: "idle" };
  #clockOffsetMs = 0;
  #detach: () => void = () => {};

  constructor(client: Source) {
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

type GroupEvents = StreamEvents & { closed: () => void };

/** The subscriptions of one step and agent, and the streams that serve them. */
class Group {
  readonly #client: Source;
  readonly #options: WatchOptions;
  readonly #events: GroupEvents;
  readonly #subscriptions = new Set<Subscription>();
  #streams: Stream[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #awake = typeof document === "undefined" || !document.hidden;

  constructor(client: Source, options: WatchOptions, events: GroupEvents) {
    this.#client = client;
    this.#options = options;
    this.#events = events;
  }

  add(subscription: Subscription): () => void {
    this.#subscriptions.add(subscription);
    // The first ones come in one go, and wait for nobody.
    this.#schedule(this.#streams.length === 0 ? 0 : coalesceMs);
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
