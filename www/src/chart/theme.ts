"use client";

import { useSyncExternalStore } from "react";

/** Names of design tokens (globals.css) that a canvas may paint with. */
export type ColorToken =
  | `series-${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8}`
  | "ok"
  | "warn"
  | "bad"
  | "idle"
  | "accent"
  | "ink"
  | "ink-soft"
  | "ink-faint"
  | "grid"
  | "line"
  | "line-strong"
  | "surface";

/** The tokens of the theme in force, resolved: a canvas does not know var(). */
export interface Theme {
  name: "light" | "dark";
  font: string;
  color(token: ColorToken): string;
}

/** The tokens series take in turn. */
export function seriesColor(index: number): ColorToken {
  return `series-${((index % 8) + 1) as 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8}`;
}

/** The colour of a token over the page's surface, as a share of it; opaque. Both are #rrggbb. */
export function mix(color: string, over: string, share: number): string {
  const channel = (text: string, at: number) => Number.parseInt(text.slice(1 + at * 2, 3 + at * 2), 16);
  const mixed = [0, 1, 2].map((i) => Math.round(channel(color, i) * share + channel(over, i) * (1 - share)));
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** #abc as #aabbcc: the build shortens colours where it can. */
export function longHex(color: string): string {
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(color);
  return short
    ? `#${short
        .slice(1)
        .map((digit) => digit + digit)
        .join("")}`
    : color;
}

function read(): Theme {
  const root = document.documentElement;
  const style = getComputedStyle(root);
  const colors = new Map<ColorToken, string>();
  return {
    name: style.colorScheme === "dark" ? "dark" : "light",
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    color(token) {
      let color = colors.get(token);
      if (color === undefined) {
        color = longHex(style.getPropertyValue(`--${token}`).trim());
        colors.set(token, color);
      }
      return color;
    },
  };
}

let current: Theme | null = null;

function subscribe(onChange: () => void): () => void {
  const observer = new MutationObserver(() => {
    current = null;
    onChange();
  });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["class", "style"] });
  return () => observer.disconnect();
}

function snapshot(): Theme {
  current ??= read();
  return current;
}

/** The theme in force; null while the page is rendered without a browser. */
export function useChartTheme(): Theme | null {
  return useSyncExternalStore(subscribe, snapshot, () => null);
}
