/**
 * A function that writes a PromQL expression. Every parameter is text, so that
 * the demo can recognise what a builder wrote; see src/demo/answers.ts.
 */
export type QueryBuilder = (...args: string[]) => string;

/** A PromQL string literal. */
export function quote(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

/**
 * The window of rate() for a step and the interval between samples: wide enough
 * for four samples and one to be late, never narrower than the step, so that no
 * sample falls between two windows.
 */
export function rateWindow(stepMs: number, intervalMs = 1_000): string {
  return `${Math.ceil(Math.max(5_000, 5 * intervalMs, stepMs) / 1000)}s`;
}
