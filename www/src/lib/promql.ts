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
 * The window of rate() for a step: wide enough for four samples at the default
 * interval of a second and one to be late, never narrower than the step, so
 * that no sample falls between two windows.
 */
export function rateWindow(stepMs: number): string {
  return `${Math.max(5, Math.ceil(stepMs / 1000))}s`;
}
