"use client";

import { useSyncExternalStore } from "react";

/** The same width as the "wide" breakpoint of globals.css. */
const query = "(min-width: 60rem)";

function subscribe(listener: () => void): () => void {
  const media = window.matchMedia(query);
  media.addEventListener("change", listener);
  return () => media.removeEventListener("change", listener);
}

/** Whether there is room for tables and the side navigation. Only for what CSS alone cannot switch. */
export function useWide(): boolean {
  return useSyncExternalStore(
    subscribe,
    () => window.matchMedia(query).matches,
    () => true,
  );
}
