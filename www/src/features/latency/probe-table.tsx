"use client";

import { useMemo, useState } from "react";
import { Sparkline } from "@/chart/sparkline";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Icon } from "@/components/icon";
import { format } from "@/lib/format";
import { kindNames, type NamedStats, type ProbeId, printProbe, type SortKey } from "./probe";

/** wide: left out on a phone. */
const columns: { key: SortKey; name: string; numeric?: boolean; wide?: boolean; hint?: string }[] = [
  { key: "target", name: "Target" },
  { key: "instance", name: "From", wide: true },
  { key: "p50", name: "p50", numeric: true, hint: "Half of the answers were quicker" },
  { key: "p90", name: "p90", numeric: true, wide: true },
  { key: "p99", name: "p99", numeric: true },
  { key: "max", name: "Max", numeric: true, wide: true, hint: "The slowest answer" },
  { key: "loss", name: "Loss", numeric: true, hint: "Share of the attempts that failed" },
  { key: "attempts", name: "Attempts", numeric: true, wide: true },
];

/** So many rows are rendered at first, and more on request. */
const PAGE = 100;

/** Loss from here on stands out. */
const NOTABLE_LOSS = 0.001;

/** Probes as a table: choose one, or sort by a column. */
export function ProbeTable({
  rows,
  history,
  sort,
  onSort,
  onChoose,
}: {
  rows: readonly NamedStats[];
  /** p99 over time by printProbe. */
  history: ReadonlyMap<string, (number | null)[]>;
  sort: { key: SortKey; descending: boolean };
  onSort: (key: SortKey) => void;
  onChoose: (probe: ProbeId) => void;
}) {
  const [most, setMost] = useState(PAGE);
  const shown = useMemo(() => rows.slice(0, most), [rows, most]);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <section aria-label="Probes" tabIndex={0} className="overflow-x-auto rounded-lg border border-line bg-surface">
        <table className="w-full border-collapse">
          <thead>
            <tr className="border-b border-line text-xs text-ink-faint">
              {columns.map(({ key, name, numeric, wide, hint }) => (
                <th
                  key={key}
                  scope="col"
                  title={hint}
                  aria-sort={sort.key === key ? (sort.descending ? "descending" : "ascending") : "none"}
                  className={`px-1 font-medium ${numeric ? "text-right" : "text-left"} ${wide ? "max-sm:hidden" : ""}`}
                >
                  <button
                    type="button"
                    onClick={() => onSort(key)}
                    className={`inline-flex h-8 items-center gap-1 rounded px-2 hover:text-ink ${sort.key === key ? "text-ink" : ""}`}
                  >
                    {name}
                    {sort.key === key && <Icon name={sort.descending ? "down" : "up"} className="size-3" />}
                  </button>
                </th>
              ))}
              <th scope="col" className="px-3 text-left font-medium max-lg:hidden">
                p99 over time
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr
                key={printProbe(row)}
                className="group cursor-pointer border-b border-line last:border-0 hover:bg-hover"
                onClick={() => onChoose(row)}
              >
                <th scope="row" className="max-w-72 px-3 max-sm:max-w-40 py-1.5 text-left font-normal">
                  <button
                    type="button"
                    className="flex w-full min-w-0 items-center gap-2 text-left"
                    onClick={(event) => {
                      event.stopPropagation();
                      onChoose(row);
                    }}
                  >
                    <span className="w-18 shrink-0 max-sm:hidden">
                      <Badge tone="idle">{kindNames[row.kind] ?? row.kind}</Badge>
                    </span>
                    <span className="min-w-0">
                      <span className="block truncate font-medium text-ink">{row.target}</span>
                      <span className="block truncate text-xs text-ink-faint">
                        {row.probe}
                        <span className="sm:hidden"> · {row.instance}</span>
                      </span>
                    </span>
                  </button>
                </th>
                <td className="max-w-48 truncate px-3 text-ink-soft max-sm:hidden">{row.instance}</td>
                <Cell text={format("seconds", row.p50)} />
                <Cell text={format("seconds", row.p90)} wide />
                <Cell text={format("seconds", row.p99)} strong />
                <Cell text={format("seconds", row.max)} wide />
                <td className="tnum px-3 text-right">
                  <span className={(row.loss ?? 0) >= NOTABLE_LOSS ? "font-medium text-bad" : "text-ink-soft"}>
                    {format("ratio", row.loss)}
                  </span>
                </td>
                <Cell text={format("count/s", row.attempts)} wide />
                <td className="px-3 max-lg:hidden">
                  <Sparkline values={history.get(printProbe(row)) ?? []} color="series-3" width={140} height={26} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {rows.length > most && (
        <div className="mt-3 text-center">
          <Button onClick={() => setMost(most + PAGE)}>Show more of {rows.length} probes</Button>
        </div>
      )}
    </>
  );
}

function Cell({ text, strong = false, wide = false }: { text: string; strong?: boolean; wide?: boolean }) {
  return (
    <td
      className={`tnum px-3 text-right whitespace-nowrap ${wide ? "max-sm:hidden" : ""} ${strong ? "font-medium text-ink" : "text-ink-soft"}`}
    >
      {text}
    </td>
  );
}
