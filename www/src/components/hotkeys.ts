"use client";

import { useEffect, useRef } from "react";

/** Keys to actions: "?", "/", "mod+k" (Ctrl, or Command on a Mac), or two keys in a row: "g o". */
export type Hotkeys = Record<string, () => void>;

const sequenceMs = 1_200;

/** Listens while mounted. Without a modifier, keys typed into a field or a dialog are left alone. */
export function useHotkeys(hotkeys: Hotkeys): void {
  const latest = useRef(hotkeys);
  useEffect(() => {
    latest.current = hotkeys;
  });
  useEffect(() => {
    let first = "";
    let firstAt = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || event.altKey) return;
      const mod = event.metaKey || event.ctrlKey;
      const key = event.key.toLowerCase();
      if (!mod && isTyping(event.target)) return;
      const now = event.timeStamp;
      const sequence = first && now - firstAt < sequenceMs ? `${first} ${key}` : "";
      const action = mod ? latest.current[`mod+${key}`] : (latest.current[sequence] ?? latest.current[key]);
      first = mod ? "" : key;
      firstAt = now;
      if (!action) return;
      event.preventDefault();
      first = "";
      action();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.closest("input, textarea, select, [contenteditable], [role=dialog], [role=menu]") !== null;
}

/** What people of this device call the modifier. */
export function modName(): string {
  return typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘" : "Ctrl";
}
