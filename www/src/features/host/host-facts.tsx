"use client";

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type ReactNode, useState } from "react";
import { LabelChip } from "@/components/badge";
import { Button } from "@/components/button";
import { Notice } from "@/components/notice";
import type { Agent } from "@/gen/sonde/v1/agent_pb";
import { format, formatAgo, formatMoment } from "@/lib/format";

/** A clock that is this far off is worth a warning. Seconds. */
const SKEW_TOLERATED = 0.5;

/** What is known of the machine and of its agent; facts that are not known are left out. */
export function HostFacts({ agent, dropped, nowMs }: { agent: Agent; dropped: number; nowMs: number }) {
  const { host, status, labels } = agent;
  const skew = status?.clockSkewSeconds ?? 0;
  const connected = status?.connectedAt !== undefined;
  const [all, setAll] = useState(false);
  return (
    <div className="flex flex-col gap-3">
      {status?.lastError && (
        <p role="status" className="rounded-md bg-warn-soft px-3 py-1.5 text-warn">
          {status.lastError}
          {status.lastErrorAt && ` (${formatAgo(timestampMs(status.lastErrorAt), nowMs)})`}
        </p>
      )}
      {status?.clone && (
        <Notice tone="bad">
          A second machine comes with the credential of this host: it calls itself {status.clone.hostname || "nothing"},
          from {status.clone.address},{" "}
          {status.clone.seenAt ? formatAgo(timestampMs(status.clone.seenAt), nowMs) : "lately"}. Most likely a disk or
          an image was copied together with the state folder of its agent. Remove that folder on the copy, and let it
          join with a token of its own; it is turned away until then.
        </Notice>
      )}
      {agent.credentialIssuedAt === undefined && (
        <Notice tone="warn">
          Its credential was revoked, so it cannot connect. A join token made for it lets it in again.
        </Notice>
      )}
      <dl
        className={`grid grid-cols-2 gap-x-6 gap-y-2.5 sm:grid-cols-3 lg:grid-cols-4 xl:grid-cols-6 ${all ? "" : "max-sm:[&>:nth-child(n+5)]:hidden"}`}
      >
        <Fact name="System">{host?.osRelease || host?.os}</Fact>
        <Fact name="Kernel">{host?.kernel && `${host.kernel} (${host.arch})`}</Fact>
        <Fact name="CPU">{host?.cpuCount ? `${host.cpuCount} × ${host.cpuModel || host.arch}` : undefined}</Fact>
        <Fact name="Memory">{host?.memoryBytes ? format("bytes", Number(host.memoryBytes)) : undefined}</Fact>
        <Fact name="Up for" title={host?.bootedAt && `since ${formatMoment(timestampMs(host.bootedAt))}`}>
          {host?.bootedAt && format("seconds", (nowMs - timestampMs(host.bootedAt)) / 1000)}
        </Fact>
        <Fact name="Runs in">{host?.container}</Fact>
        <Fact name="Address">{status?.address}</Fact>
        <Fact name="Round trip">{connected ? format("seconds", status?.roundTripSeconds) : undefined}</Fact>
        <Fact name="Clock">
          {connected ? (
            <span className={Math.abs(skew) > SKEW_TOLERATED ? "text-warn" : undefined}>{skewText(skew)}</span>
          ) : undefined}
        </Fact>
        <Fact name="Agent">{host?.agentVersion && `${host.agentVersion}, ${status?.series ?? 0} series`}</Fact>
        <Fact name="Last seen" title={status?.lastSeenAt && formatMoment(timestampMs(status.lastSeenAt))}>
          {status?.lastSeenAt ? formatAgo(timestampMs(status.lastSeenAt), nowMs) : "never"}
        </Fact>
        <Fact name="Credential" title={agent.credentialIssuedAt && formatMoment(timestampMs(agent.credentialIssuedAt))}>
          {agent.credentialIssuedAt && `given ${formatAgo(timestampMs(agent.credentialIssuedAt), nowMs)}`}
        </Fact>
        <Fact name="Refused">
          {status?.samplesRefused ? `${format("count", Number(status.samplesRefused))} samples` : undefined}
        </Fact>
        <Fact name="Dropped" title="by the agent, since it started">
          {dropped > 0 ? `${format("count", dropped)} samples` : undefined}
        </Fact>
      </dl>
      <Button
        look="quiet"
        className="-mt-1 -ml-3 self-start sm:hidden"
        aria-expanded={all}
        onClick={() => setAll(!all)}
      >
        {all ? "Less about this host" : "More about this host"}
      </Button>
      {Object.keys(labels).length > 0 && (
        <ul aria-label="Labels" className="flex flex-wrap gap-1.5">
          {Object.entries(labels).map(([name, value]) => (
            <li key={name}>
              <LabelChip name={name} value={value} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Fact({ name, title, children }: { name: string; title?: string; children: ReactNode }) {
  if (children === undefined || children === "" || children === null) return null;
  return (
    <div className="min-w-0" title={title}>
      <dt className="text-xs text-ink-faint">{name}</dt>
      <dd className="tnum text-sm wrap-break-word">{children}</dd>
    </div>
  );
}

/** How an agent's clock stands to the server's. */
export function skewText(seconds: number): string {
  if (Math.abs(seconds) < 0.001) return "within 1 ms";
  return `${format("seconds", Math.abs(seconds))} ${seconds > 0 ? "ahead" : "behind"}`;
}
