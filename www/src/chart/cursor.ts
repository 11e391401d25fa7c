import { useSyncExternalStore } from "react";

/** Where the cursor of one chart stands. */
export interface CursorState {
  /** Step under the cursor; null when there is none. */
  index: number | null;
  /** CSS pixels within the plotting area. */
  left: number;
  top: number;
  /** Whether the pointer is over this very chart, not over another of its group. */
  own: boolean;
}

const away: CursorState = { index: null, left: -10, top: -10, own: false };

/** A cursor as a store, so that only the legend and the tooltip follow it. */
export class CursorStore {
  private state = away;
  private readonly listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): CursorState => this.state;

  set(next: CursorState): void {
    const { index, left, top, own } = this.state;
    if (next.index === index && next.left === left && next.top === top && next.own === own) return;
    this.state = next;
    for (const listener of this.listeners) listener();
  }

  clear(): void {
    this.set(away);
  }
}

export function useCursor(store: CursorStore): CursorState {
  return useSyncExternalStore(store.subscribe, store.snapshot, () => away);
}
