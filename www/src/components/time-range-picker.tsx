"use client";

import { Popover } from "@base-ui/react/popover";
import { type FormEvent, useState } from "react";
import { useRuntime } from "@/lib/runtime";
import {
  absolute,
  describe,
  isLive,
  parsePoint,
  presets,
  printPoint,
  relative,
  resolve,
  shift,
  type TimePoint,
  type TimeRange,
  zoomOut,
} from "@/lib/time-range";
import { useTimeRange } from "@/lib/use-time-range";
import { Button, IconButton } from "./button";
import { TextField } from "./field";
import { Icon } from "./icon";
import { Tooltip } from "./tooltip";

/** Chooses the time range of the page: presets, own ends, live or held still, earlier, later, wider. */
export function TimeRangePicker() {
  const { watch } = useRuntime();
  const [range, setRange] = useTimeRange();
  const [open, setOpen] = useState(false);
  const live = isLive(range);

  const choose = (next: TimeRange) => {
    setRange(next);
    setOpen(false);
  };
  const toggleLive = () => {
    const { startMs, endMs } = resolve(range, watch.now());
    if (live) return setRange(absolute(startMs, endMs));
    setRange({
      from: { kind: "ago", ms: Math.max(60_000, Math.round((endMs - startMs) / 1000) * 1000) },
      to: { kind: "ago", ms: 0 },
    });
  };

  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would need a legend that is seen
    <div role="group" aria-label="Time range" className="flex items-center gap-1">
      <Tooltip text={live ? "Hold still" : "Show what comes in"}>
        <Button
          onClick={toggleLive}
          aria-pressed={live}
          className={live ? "text-ok" : "text-ink-soft"}
          icon={live ? "pause" : "play"}
        >
          Live
        </Button>
      </Tooltip>
      <Popover.Root open={open} onOpenChange={setOpen}>
        <Popover.Trigger render={<Button icon="clock" aria-label={`Time range: ${describe(range)}`} />}>
          <span className="tnum">{describe(range)}</span>
          <Icon name="down" className="size-3 text-ink-faint" />
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Positioner side="bottom" align="end" sideOffset={6} className="z-50">
            <Popover.Popup
              aria-label="Time range"
              className="popup-motion w-72 rounded-lg border border-line bg-raised p-3 shadow-raised outline-none"
            >
              <div className="grid grid-cols-6 gap-1">
                {presets.map((preset) => {
                  const current = live && describe(range) === `Last ${preset}`;
                  return (
                    <Button
                      key={preset}
                      look={current ? "primary" : "plain"}
                      aria-pressed={current}
                      aria-label={`Last ${preset}`}
                      className="tnum h-7 px-0"
                      onClick={() => choose(relative(preset))}
                    >
                      {preset}
                    </Button>
                  );
                })}
              </div>
              <CustomRange range={range} onChoose={choose} now={watch.now()} />
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      </Popover.Root>
      <Tooltip text="Earlier">
        <IconButton label="Earlier" icon="left" onClick={() => setRange(shift(range, -1, watch.now()))} />
      </Tooltip>
      <Tooltip text="Later">
        <IconButton label="Later" icon="right" disabled={live} onClick={() => setRange(shift(range, 1, watch.now()))} />
      </Tooltip>
      <Tooltip text="Zoom out">
        <IconButton label="Zoom out" icon="zoomOut" onClick={() => setRange(zoomOut(range, watch.now()))} />
      </Tooltip>
    </div>
  );
}

function CustomRange({
  range,
  onChoose,
  now,
}: {
  range: TimeRange;
  onChoose: (range: TimeRange) => void;
  now: number;
}) {
  const ends = resolve(range, now);
  const [from, setFrom] = useState(() => printLocal(range.from, ends.startMs));
  const [to, setTo] = useState(() => printLocal(range.to, ends.endMs));
  const [errors, setErrors] = useState<{ from?: string; to?: string }>({});

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const start = readLocal(from);
    const end = readLocal(to);
    const problem = "Write now-2h, or 2026-03-01 14:30.";
    if (!start || !end) return setErrors({ ...(start ? {} : { from: problem }), ...(end ? {} : { to: problem }) });
    const next = { from: start, to: end };
    const at = (p: TimePoint) => (p.kind === "at" ? p.ms : now - p.ms);
    if (at(start) >= at(end)) return setErrors({ to: "The end must be after the start." });
    onChoose(start.kind === "at" && end.kind === "at" ? absolute(start.ms, end.ms) : next);
  };

  return (
    <form onSubmit={submit} className="mt-3 border-t border-line pt-3">
      <TextField
        label="From"
        value={from}
        onChange={(e) => setFrom(e.target.value)}
        error={errors.from}
        spellCheck={false}
      />
      <TextField
        label="To"
        value={to}
        onChange={(e) => setTo(e.target.value)}
        error={errors.to}
        spellCheck={false}
        className="mt-2"
      />
      <Button type="submit" look="primary" className="mt-3 w-full">
        Apply
      </Button>
    </form>
  );
}

/** As people type it: now-2h, or date and time of this device's time zone. */
function printLocal(point: TimePoint, ms: number): string {
  if (point.kind === "ago") return printPoint(point);
  const d = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const date = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  return `${date} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

function readLocal(text: string): TimePoint | null {
  const trimmed = text.trim();
  if (trimmed.startsWith("now")) return parsePoint(trimmed);
  const match = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?))?$/.exec(trimmed);
  if (!match) return null;
  const ms = new Date(`${match[1]}T${match[2] ?? "00:00"}`).getTime();
  return Number.isNaN(ms) ? null : { kind: "at", ms };
}
