import type { QueryBuilder } from "@/lib/promql";
import type { DemoAgent } from "./fleet";

/** A series as a function of time in unix seconds; NaN where it has no sample. */
export type DemoSeries = { labels: Record<string, string>; at: (seconds: number) => number };

/** Answers one kind of expression; args are what the builder was called with. */
export type Answer = (args: string[], agents: DemoAgent[]) => DemoSeries[];

/** Counts of bucket first, first+1, … at resolution 4: bucket i ends at 2^(i/16) seconds. */
export type DemoHistogram = { first: number; counts: number[] };

/** Answers one kind of heatmap: the histogram of what happened in the step that ends at seconds, or null. */
export type HeatmapAnswer = (
  args: string[],
  agents: DemoAgent[],
) => (seconds: number, stepSeconds: number) => DemoHistogram | null;

type Entry<A> = { name: string; pattern: RegExp; answer: A };

/**
 * The demo's query engine: a table from query builders to generators. It does
 * not parse PromQL; an expression is recognised by the builder that wrote it.
 * To that end the builder is called once with marks for arguments, and what it
 * writes becomes a pattern in which the marks match anything.
 */
export class Answers {
  readonly #answers: Entry<Answer>[] = [];
  readonly #heatmaps: Entry<HeatmapAnswer>[] = [];

  /** The builder must take a fixed number of strings (no default or rest parameters). */
  add(builder: QueryBuilder, answer: Answer): this {
    this.#answers.push({ name: builder.name, pattern: patternOf(builder), answer });
    return this;
  }

  addHeatmap(builder: QueryBuilder, answer: HeatmapAnswer): this {
    this.#heatmaps.push({ name: builder.name, pattern: patternOf(builder), answer });
    return this;
  }

  /** undefined when no builder writes this expression. */
  find(expr: string, agents: DemoAgent[]): DemoSeries[] | undefined {
    const hit = match(this.#answers, expr);
    return hit?.answer(hit.args, agents);
  }

  findHeatmap(expr: string, agents: DemoAgent[]): ReturnType<HeatmapAnswer> | undefined {
    const hit = match(this.#heatmaps, expr);
    return hit?.answer(hit.args, agents);
  }
}

const mark = (i: number) => `\uE000${i}\uE000`;

function patternOf(builder: QueryBuilder): RegExp {
  const text = builder(...Array.from({ length: builder.length }, (_, i) => mark(i)));
  const seen = new Set<string>();
  const source = text
    .split(/(\uE000\d+\uE000)/)
    .map((part) => {
      if (!part.startsWith("\uE000")) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      const group = `a${part.slice(1, -1)}`;
      if (seen.has(group)) return `\\k<${group}>`;
      seen.add(group);
      return `(?<${group}>[^]*?)`;
    })
    .join("");
  return new RegExp(`^${source}$`);
}

function match<A>(entries: Entry<A>[], expr: string): { answer: A; args: string[] } | undefined {
  for (const { pattern, answer } of entries) {
    const hit = pattern.exec(expr);
    if (!hit) continue;
    const groups = hit.groups ?? {};
    // An argument inside a string literal was quoted by the builder.
    const args = Object.keys(groups)
      .sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
      .map((name) => (groups[name] as string).replace(/\\(.)/g, "$1"));
    return { answer, args };
  }
  return undefined;
}
