"use client";

import { explain } from "@/lib/errors";
import { format } from "@/lib/format";
import type { TimeRange } from "@/lib/time-range";
import { type Filesystem, usedShare, useFilesystems } from "./use-host";

/** From here on a bar is a warning, and an alarm. */
const NEARLY_FULL = 0.8;
const FULL = 0.92;

/** Every file system as a bar of what is used, the fullest first. */
export function FilesystemBars({ agent, range }: { agent: string; range: TimeRange }) {
  const { data, error } = useFilesystems(agent, range);
  return (
    <section aria-label="File systems by use" className="h-full min-w-0 rounded-lg border border-line bg-surface">
      <h3 className="px-3 py-2 text-sm font-medium">Space</h3>
      {error && !data && (
        <p role="alert" className="px-3 pb-3 text-bad">
          {explain(error)}
        </p>
      )}
      {!data && !error && <div aria-hidden className="mx-3 mb-3 h-24 animate-pulse rounded bg-sunken" />}
      {data?.length === 0 && <p className="px-3 pb-3 text-ink-faint">No file system was measured then.</p>}
      {data && (
        <ul className="flex flex-col gap-3 px-3 pb-3">
          {data.map((filesystem) => (
            <Bar key={`${filesystem.device} ${filesystem.mountpoint}`} {...filesystem} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Bar(filesystem: Filesystem) {
  const { device, mountpoint, fstype, size, free, available, inodes, inodesFree, readOnly } = filesystem;
  const used = usedShare(filesystem);
  const color = readOnly ? "bg-series-8" : used >= FULL ? "bg-bad" : used >= NEARLY_FULL ? "bg-warn" : "bg-series-1";
  const inodesUsed = inodes && inodesFree !== null ? 1 - inodesFree / inodes : null;
  return (
    <li>
      <div className="flex items-baseline gap-2">
        <span className="truncate font-medium" title={mountpoint}>
          {mountpoint}
        </span>
        <span className="truncate text-xs text-ink-faint">
          {device} · {fstype}
          {readOnly && " · read only"}
        </span>
        <span className="tnum ml-auto shrink-0 text-xs text-ink-soft">
          <span className="font-medium text-ink">{format("ratio", used)}</span>
        </span>
      </div>
      <div aria-hidden className="mt-1 h-1.5 overflow-hidden rounded-full bg-sunken">
        <div className={`h-full rounded-full ${color}`} style={{ width: `${Math.min(100, used * 100)}%` }} />
      </div>
      <div className="tnum mt-1 flex gap-3 text-xs text-ink-faint">
        <span>
          {format("bytes", size - free)} of {format("bytes", size)}
        </span>
        <span>{format("bytes", available)} free</span>
        {inodesUsed !== null && <span className="ml-auto">inodes {format("ratio", inodesUsed)}</span>}
      </div>
    </li>
  );
}
