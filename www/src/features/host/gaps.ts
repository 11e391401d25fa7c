import type { Gap } from "@/chart/gap";
import type { ExprResult, RangeData } from "@/lib/series";

/** Why an agent gives up samples, by the label reason of its counters. */
const reasons: Record<string, string> = {
  full: "spool full",
  aged: "older than the spool keeps",
  corrupt: "damaged on disk",
  unwritable: "disk takes no writes",
  unencodable: "could not be encoded",
  unkept: "more than the spool could take",
};

/** What an agent says that it dropped: stretches of time, and how many samples since it started. */
export type Losses = { gaps: Gap[]; dropped: number };

const whole = new Intl.NumberFormat("en-GB");

type Stretch = { from: number; to: number; samples: number | null };

/** From the answers to lossFirst, lossLast and lossTotal, over the time from the range's start until now. */
export function lossesOf({ results }: RangeData): Losses {
  const [first, last, total] = results;
  const gaps: Gap[] = [];
  let dropped = 0;
  for (const { labels, values } of total?.series ?? []) {
    const reason = labels.reason ?? "";
    dropped += values.findLast((value) => value !== null) ?? 0;
    const stretches = stretchesOf(column(first, reason), column(last, reason), values);
    for (const { from, to, samples } of stretches) {
      gaps.push({ from, to, ...describe(samples, reasons[reason] ?? reason) });
    }
  }
  return { gaps: gaps.sort((a, b) => a.from - b.from), dropped };
}

function column(result: ExprResult | undefined, reason: string): readonly (number | null)[] {
  return result?.series.find(({ labels }) => labels.reason === reason)?.values ?? [];
}

function describe(samples: number | null, reason: string): Pick<Gap, "label" | "short"> {
  const count = samples === null ? "" : `${whole.format(samples)} `;
  const noun = samples === 1 ? "sample" : "samples";
  return { label: `${count}${noun} dropped by the agent: ${reason}`, short: `${count}dropped` };
}

/**
 * An agent tells of the latest stretch only, which grows while it drops. How
 * many samples one that was there from the first step has cost is not known.
 */
function stretchesOf(
  first: readonly (number | null)[],
  last: readonly (number | null)[],
  total: readonly (number | null)[],
): Stretch[] {
  const found: Stretch[] = [];
  let before = 0;
  for (let i = 0; i < total.length; i++) {
    const from = first[i] ?? null;
    const to = last[i] ?? null;
    const count = total[i] ?? null;
    if (count === null) continue;
    const more = count >= before ? count - before : count; // an agent that restarted counts anew
    before = count;
    if (from === null || to === null) continue;
    const current = found.at(-1);
    if (current && from <= current.to) {
      current.from = Math.min(current.from, from);
      current.to = Math.max(current.to, to);
      if (current.samples !== null) current.samples += more;
    } else {
      found.push({ from, to, samples: i === 0 ? null : more });
    }
  }
  return found;
}
