"use client";

import { create } from "@bufbuild/protobuf";
import { useSyncExternalStore } from "react";
import { type FleetConfig, FleetConfigSchema } from "@/gen/sonde/v1/config_pb";
import { type Runtime, useRuntime } from "@/lib/runtime";
import { type Draft, isSame, keepIds, rebase, toDraft } from "./draft";

export type DraftState = {
  /** The revision that was edited; 0n while there is none, null before one was read. */
  base: bigint | null;
  original: Draft;
  draft: Draft;
  changed: boolean;
  /** Policies that somebody else changed too, when edits were taken over to a later revision. */
  overruled: string[];
};

const nothing: DraftState = { base: null, original: [], draft: [], changed: false, overruled: [] };

/**
 * The edits of one tab that are not applied yet. They outlive the page, so
 * that a look at another page loses nothing; while there are any, the browser
 * asks before the tab is closed or loaded anew.
 */
export class DraftStore {
  #state = nothing;
  readonly #listeners = new Set<() => void>();

  read = (): DraftState => this.#state;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Begins with what a revision says, without any edits. */
  load(base: bigint, config: FleetConfig | undefined): void {
    const original = this.#toDraft(config);
    this.#set({ ...nothing, base, original, draft: original });
  }

  edit(draft: Draft): void {
    const { original } = this.#state;
    this.#set({ ...this.#state, draft, changed: !isSame(original, draft) });
  }

  discard(): void {
    const { original, base } = this.#state;
    this.#set({ ...nothing, base, original, draft: original });
  }

  /** Takes the edits over to a later revision. */
  rebase(base: bigint, config: FleetConfig | undefined): void {
    const next = this.#toDraft(config);
    const { draft, overruled } = rebase(this.#state.original, this.#state.draft, next);
    this.#set({ base, original: next, draft, changed: !isSame(next, draft), overruled });
  }

  #toDraft(config: FleetConfig | undefined): Draft {
    return keepIds(toDraft(config ?? create(FleetConfigSchema)), this.#state.draft);
  }

  #set(state: DraftState): void {
    if (typeof window !== "undefined" && state.changed !== this.#state.changed) {
      if (state.changed) window.addEventListener("beforeunload", askBeforeUnload);
      else window.removeEventListener("beforeunload", askBeforeUnload);
    }
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

function askBeforeUnload(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

const stores = new WeakMap<Runtime, DraftStore>();

export function useDraftStore(): DraftStore {
  const runtime = useRuntime();
  const store = stores.get(runtime) ?? new DraftStore();
  stores.set(runtime, store);
  return store;
}

export function useDraft(): DraftState {
  const store = useDraftStore();
  return useSyncExternalStore(store.subscribe, store.read, () => nothing);
}
