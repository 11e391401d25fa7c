"use client";

import { useConnection } from "@/lib/use-live-range";
import { Dot, type Tone } from "./badge";
import { Tooltip } from "./tooltip";

const texts: Record<string, { text: string; tone: Tone; more: string }> = {
  connecting: { text: "Connecting", tone: "idle", more: "Waiting for the first values." },
  live: { text: "Live", tone: "ok", more: "Values arrive as they are stored." },
  reconnecting: { text: "Reconnecting", tone: "warn", more: "" },
  offline: { text: "Offline", tone: "bad", more: "" },
};

/** Whether live values are coming in, and if not, why. Changes are announced. */
export function ConnectionIndicator({ compact = false }: { compact?: boolean }) {
  const connection = useConnection();
  // A page that watches nothing reads its values now and then, and shows itself when that fails.
  if (connection.state === "idle") return <div className="h-8" />;
  const { text, tone, more } = texts[connection.state] as (typeof texts)[string];
  const reason = "reason" in connection ? `${connection.reason} Trying again.` : more;
  return (
    <>
      <Tooltip text={reason} side={compact ? "bottom" : "right"}>
        <button
          type="button"
          className="flex h-8 cursor-default items-center gap-2 rounded-md px-2 text-xs text-ink-soft"
        >
          <Dot tone={tone} className={connection.state === "live" ? "live-dot" : ""} />
          {text}
        </button>
      </Tooltip>
      <span role="status" className="sr-only">
        {"reason" in connection ? `${text}. ${reason}` : ""}
      </span>
    </>
  );
}
