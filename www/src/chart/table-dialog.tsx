"use client";

import { Dialog } from "@base-ui/react/dialog";
import { useState } from "react";
import { Button, IconButton } from "@/components/button";
import { copyText } from "@/lib/clipboard";
import { PanelButton } from "./panel";
import type { Column } from "./stack";
import { summarize, toCsv } from "./summary";
import { timeInFull } from "./time-axis";

/** Steps that the dialog lists; the copy has all of them. */
const MOST_STEPS = 500;

export interface TableSeries {
  key: string;
  label: string;
  column: Column;
  /** Of these values, where they are of another unit than the rest. */
  format?: (value: number | null) => string;
}

/** A button that opens a chart's data as a table, to read, to hear and to copy. */
export function TableDialog({
  title,
  times,
  series,
  format,
}: {
  title: string;
  times: readonly number[];
  series: readonly TableSeries[];
  format: (value: number | null) => string;
}) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <PanelButton label={`View ${title} as a table`} onClick={() => setOpen(true)}>
        <svg aria-hidden viewBox="0 0 16 16" className="size-3.5" fill="none" stroke="currentColor" strokeWidth="1.3">
          <rect x="2" y="3" width="12" height="10" rx="1.5" />
          <path d="M2 6.5h12M6.5 6.5V13" />
        </svg>
      </PanelButton>
      <Dialog.Root open={open} onOpenChange={setOpen}>
        <Dialog.Portal>
          <Dialog.Backdrop className="fixed inset-0 z-40 bg-scrim" />
          <Dialog.Popup className="popup-motion fixed inset-x-2 top-[6vh] z-50 mx-auto flex max-h-[88vh] max-w-4xl flex-col rounded-lg border border-line bg-raised shadow-raised">
            {open && <Contents title={title} times={times} series={series} format={format} />}
          </Dialog.Popup>
        </Dialog.Portal>
      </Dialog.Root>
    </>
  );
}

const cell = "px-3 py-1 tnum whitespace-nowrap";
const head = "bg-raised px-3 py-1.5 font-medium text-ink-soft whitespace-nowrap";

function Contents({ title, times, series, format }: Parameters<typeof TableDialog>[0]) {
  // What is read stays as it was when the dialog opened.
  const [kept] = useState({ times, series });
  const [outcome, setOutcome] = useState("");
  const steps = Array.from({ length: Math.min(MOST_STEPS, kept.times.length) }, (_, i) => kept.times.length - 1 - i);
  return (
    <>
      <div className="flex items-center gap-2 border-b border-line px-4 py-2.5">
        <Dialog.Title className="text-base">{title}</Dialog.Title>
        <span role="status" className="ml-auto text-xs text-ink-faint">
          {outcome}
        </span>
        <Button
          onClick={() =>
            void copyText(toCsv(kept.times, kept.series)).then((copied) =>
              setOutcome(copied ? "Copied" : "The browser did not copy it"),
            )
          }
        >
          Copy as CSV
        </Button>
        <Dialog.Close render={<IconButton label="Close" icon="close" />} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <section aria-label={`Values of ${title}`} tabIndex={0} className="overflow-auto text-xs">
        <table className="w-full border-collapse">
          <thead className="sticky top-0">
            <tr>
              <th scope="col" className={`${head} text-left`}>
                Series
              </th>
              {["lowest", "average", "highest", "latest"].map((name) => (
                <th key={name} scope="col" className={`${head} text-right`}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {kept.series.map(({ key, label, column, format: own = format }) => {
              const summary = summarize(column);
              return (
                <tr key={key} className="border-t border-line">
                  <th scope="row" className={`${cell} text-left font-normal`}>
                    {label}
                  </th>
                  {[summary?.min, summary?.avg, summary?.max, summary?.last].map((value, i) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: four columns that never change
                    <td key={i} className={`${cell} text-right`}>
                      {own(value ?? null)}
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
        <table className="mt-3 w-full border-collapse">
          <thead className="sticky top-0">
            <tr>
              <th scope="col" className={`${head} text-left`}>
                Time
              </th>
              {kept.series.map(({ key, label }) => (
                <th key={key} scope="col" className={`${head} text-right`}>
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {steps.map((step) => (
              <tr key={step} className="border-t border-line">
                <th scope="row" className={`${cell} text-left font-normal text-ink-soft`}>
                  {timeInFull(kept.times[step] as number)}
                </th>
                {kept.series.map(({ key, column, format: own = format }) => (
                  <td key={key} className={`${cell} text-right`}>
                    {own(column[step] ?? null)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {kept.times.length > MOST_STEPS && (
          <p className="px-3 py-2 text-ink-faint">
            The newest {MOST_STEPS} of {kept.times.length} steps; the CSV has all of them.
          </p>
        )}
      </section>
    </>
  );
}
