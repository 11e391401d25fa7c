import type { ReactNode } from "react";
import { type Parts, parts, type Unit } from "@/lib/format";

/** A named value, its unit set smaller. */
export function Stat({
  label,
  value,
  unit,
  children,
}: {
  label: string;
  value: number | null | undefined;
  unit: Unit;
  children?: ReactNode;
}) {
  return (
    <div className="min-w-0">
      <div className="truncate text-xs text-ink-faint">{label}</div>
      <div className="tnum text-lg leading-7 font-semibold tracking-tight">
        <Quantity parts={parts(unit, value)} />
      </div>
      {children}
    </div>
  );
}

export function Quantity({ parts: { number, unit } }: { parts: Parts }) {
  return (
    <>
      {number}
      {unit ? <span className="ml-0.5 text-[0.75em] font-normal text-ink-faint">{unit}</span> : null}
    </>
  );
}
