"use client";

import { parseAsString, useQueryState } from "nuqs";
import { useMemo } from "react";
import { PageHeader } from "@/components/page-header";
import { TimeRangePicker } from "@/components/time-range-picker";
import { useTimeRange } from "@/lib/use-time-range";
import { parseProbe, printProbe } from "./probe";
import { ProbeDetail } from "./probe-detail";
import { ProbeList } from "./probe-list";

/** Latency of everything that is probed; the query parameter probe chooses one. */
export function LatencyPage() {
  const [range, setRange] = useTimeRange();
  const [chosen, setChosen] = useQueryState("probe", parseAsString.withOptions({ history: "push" }));
  const probe = useMemo(() => (chosen === null ? null : parseProbe(chosen)), [chosen]);
  return (
    <>
      <PageHeader title="Latency" actions={<TimeRangePicker />} />
      {probe ? (
        <ProbeDetail probe={probe} range={range} setRange={setRange} onBack={() => void setChosen(null)} />
      ) : (
        <ProbeList range={range} onChoose={(next) => void setChosen(printProbe(next))} />
      )}
    </>
  );
}
