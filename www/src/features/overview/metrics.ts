"use client";

import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { useRuntime } from "@/lib/runtime";
import type { WatchStep } from "@/lib/watch-stream";
import { type MetricName, metricNames, overviewQueries } from "./queries";

/** The newest values of one agent; null where there is none. */
export type Metrics = Record<MetricName, number | null>;

/** What there is of them before the first step. */
export const nothingYet: ReadonlyMap<string, Metrics> = new Map();

/**
 * The newest values of every agent. Outside of React's state, so that a step
 * draws the rows that are on the screen and not the table.
 */
export class MetricsStore {
  #metrics = nothingYet;
  readonly #listeners = new Set<() => void>();

  update(step: WatchStep): void {
    const next = new Map<string, Metrics>();
    step.results.forEach((result, i) => {
      const name = metricNames[i] as MetricName;
      result.labels.forEach(({ agent }, j) => {
        if (agent === undefined) return;
        let metrics = next.get(agent);
        if (!metrics) {
          metrics = emptyMetrics();
          next.set(agent, metrics);
        }
        metrics[name] = result.values[j] ?? null;
      });
    });
    this.#metrics = next;
    for (const listener of this.#listeners) listener();
  }

  of(agentId: string): Metrics | undefined {
    return this.#metrics.get(agentId);
  }

  all = (): ReadonlyMap<string, Metrics> => this.#metrics;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

function emptyMetrics(): Metrics {
  return Object.fromEntries(metricNames.map((name) => [name, null])) as Metrics;
}

/** The larger the fleet, the longer the step: what one person can look at does not change faster. */
export function overviewStep(agents: number): number {
  return agents <= 100 ? 1_000 : agents <= 1_000 ? 2_000 : 5_000;
}

/** A store that follows the fleet; agents is how many there are, undefined until that is known. */
export function useMetricsStore(agents: number | undefined): MetricsStore {
  const { watch } = useRuntime();
  const [store] = useState(() => new MetricsStore());
  const stepMs = agents === undefined ? undefined : overviewStep(agents);
  useEffect(() => {
    if (stepMs === undefined) return;
    return watch.subscribe(overviewQueries(), { stepMs }, (step) => store.update(step));
  }, [watch, store, stepMs]);
  return store;
}

export const MetricsContext = createContext<MetricsStore | null>(null);

export function useMetrics(agentId: string): Metrics | undefined {
  const store = useContext(MetricsContext);
  if (!store) throw new Error("useMetrics outside MetricsContext");
  return useSyncExternalStore(
    store.subscribe,
    () => store.of(agentId),
    () => undefined,
  );
}

/** Values as they were a little ago: for orders and rankings, which must not jump under the pointer. */
export function useCalmMetrics(store: MetricsStore, everyMs = 4_000): ReadonlyMap<string, Metrics> {
  const [metrics, setMetrics] = useState(store.all);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last = 0;
    const unsubscribe = store.subscribe(() => {
      const wait = last + everyMs - performance.now();
      if (last === 0 || wait <= 0) {
        last = performance.now();
        setMetrics(store.all());
      } else if (timer === undefined) {
        timer = setTimeout(() => {
          timer = undefined;
          last = performance.now();
          setMetrics(store.all());
        }, wait);
      }
    });
    return () => {
      unsubscribe();
      clearTimeout(timer);
    };
  }, [store, everyMs]);
  return metrics;
}
