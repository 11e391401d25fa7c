"use client";

import { timestampMs } from "@bufbuild/protobuf/wkt";
import Link from "next/link";
import { Badge } from "@/components/badge";
import { ErrorState, Skeleton, StaleNotice } from "@/components/states";
import { formatMoment } from "@/lib/format";
import { Effective } from "./effective";
import { describeState } from "./states";
import { useAgentConfig } from "./use-config";

/** What is decided for one host, and what has become of it. */
export function HostConfig({ agent }: { agent: string }) {
  const { data, error, refetch } = useAgentConfig(agent);
  if (error && !data) {
    return <ErrorState title="The configuration could not be read" error={error} onRetry={() => void refetch()} />;
  }
  if (!data) return <Skeleton className="h-24 w-full" />;
  const config = data[0];
  const link = (
    <Link href="/config" prefetch={false} className="ml-auto text-accent underline">
      Configuration of the fleet
    </Link>
  );
  if (!config) {
    return <p className="flex flex-wrap gap-x-4 text-ink-soft">Nothing is decided for this host. {link}</p>;
  }
  const { name, tone } = describeState(config.state);
  return (
    <div className="rounded-lg border border-line bg-surface px-4 py-3">
      {error ? <StaleNotice error={error} /> : null}
      <div className="mb-2 flex flex-wrap items-center gap-x-3 gap-y-1">
        <Badge tone={tone}>{name}</Badge>
        {config.revision > 0n ? <span className="tnum">Revision {String(config.revision)}</span> : null}
        {config.changedAt ? (
          <span className="text-ink-faint">since {formatMoment(timestampMs(config.changedAt))}</span>
        ) : null}
        {link}
      </div>
      <Effective config={config} />
    </div>
  );
}
