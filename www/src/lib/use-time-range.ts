"use client";

import { createLoader, createSerializer, parseAsString, useQueryStates } from "nuqs";
import { useCallback, useMemo } from "react";
import { defaultRange, parsePoint, printPoint, type TimeRange } from "./time-range";

const keys = {
  from: parseAsString,
  to: parseAsString,
};

const read = createLoader(keys);
const write = createSerializer(keys);

/**
 * The time range of the page, kept in the URL as from and to; what does not
 * parse is read as the default. The object stays the same while the URL does.
 */
export function useTimeRange(): [TimeRange, (range: TimeRange) => void] {
  const [params, setParams] = useQueryStates(keys, { history: "push" });
  const range = useMemo<TimeRange>(() => {
    const from = params.from === null ? null : parsePoint(params.from);
    const to = params.to === null ? null : parsePoint(params.to);
    return {
      from: from ?? defaultRange.from,
      to: from === null ? defaultRange.to : (to ?? defaultRange.to),
    };
  }, [params.from, params.to]);
  const setRange = useCallback(
    (next: TimeRange) => {
      const from = printPoint(next.from);
      const to = printPoint(next.to);
      const isDefault = from === printPoint(defaultRange.from) && to === "now";
      void setParams({ from: isDefault ? null : from, to: to === "now" ? null : to });
    },
    [setParams],
  );
  return [range, setRange];
}

/** The link to a page that shows a time range too, with the one that the query of a URL has. */
export function withRange(href: string, search: string): string {
  return write(href, read(search));
}

/** withRange for links that are drawn: with the range of the page, whenever it changes. */
export function useRangeLink(): (href: string) => string {
  const [params] = useQueryStates(keys);
  return (href) => write(href, params);
}
