import { timestampMs } from "@bufbuild/protobuf/wkt";
import Link from "next/link";
import { Badge } from "@/components/badge";
import { type AgentConfig, ConfigState, type Revision, RolloutState } from "@/gen/sonde/v1/config_pb";
import { actorText } from "@/lib/actor";
import { formatAgo, formatMoment } from "@/lib/format";
import { planText } from "./plan";
import { describeRollout } from "./states";

/** More than these are only counted. */
const maxRejected = 20;

export function RolloutBadge({ state }: { state: RolloutState | undefined }) {
  const { name, tone } = describeRollout(state);
  return <Badge tone={tone}>{name}</Badge>;
}

/** The newest revision, how far it has come, and the agents that refuse it. */
export function RolloutPanel({
  revision,
  configs,
  nameOf,
  nowMs,
}: {
  revision: Revision;
  configs: readonly AgentConfig[] | undefined;
  nameOf: (agentId: string) => string;
  nowMs: number;
}) {
  const { rollout, plan } = revision;
  const rejected = (configs ?? []).filter(({ state }) => state === ConfigState.REJECTED);
  const steps = plan?.stepsPercent.length ?? 0;
  const isRunning = rollout?.state === RolloutState.RUNNING;
  return (
    <section aria-label="Rollout" className="rounded-lg border border-line bg-surface px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <h2 className="text-sm">Revision {String(revision.number)}</h2>
        <span role="status">
          <RolloutBadge state={rollout?.state} />
        </span>
        <span className="text-ink-faint">
          {actorText(revision.author)}
          {revision.createdAt ? (
            <>
              {", "}
              <time
                dateTime={new Date(timestampMs(revision.createdAt)).toISOString()}
                title={formatMoment(timestampMs(revision.createdAt))}
              >
                {formatAgo(timestampMs(revision.createdAt), nowMs)}
              </time>
            </>
          ) : null}
          {isRunning && steps > 0 ? `, step ${rollout.step + 1} of ${steps} (${planText(plan)})` : ""}
        </span>
        <span className="min-w-0 basis-full wrap-break-word text-ink-soft empty:hidden wide:basis-auto">
          {revision.message}
        </span>
      </div>
      {rollout ? <Progress {...rollout} /> : null}
      {rollout?.reason ? <p className="mt-2 text-bad">{rollout.reason}</p> : null}
      {rejected.length > 0 ? (
        <div className="mt-3">
          <h3 className="text-xs text-ink-soft">
            {rejected.length === 1
              ? "One agent refuses what is decided for it"
              : `${rejected.length} agents refuse what is decided for them`}
          </h3>
          <ul className="mt-1 flex flex-col gap-1">
            {rejected.slice(0, maxRejected).map(({ agentId, errors }) => (
              <li key={agentId} className="wrap-break-word">
                <Link href={`/host?id=${agentId}`} prefetch={false} className="font-medium text-accent underline">
                  {nameOf(agentId)}
                </Link>
                {errors.map(({ field, message }) => (
                  <span key={`${field} ${message}`} className="ml-2 text-ink-soft">
                    <code className="font-mono text-xs text-bad">{field}</code> {message}
                  </span>
                ))}
              </li>
            ))}
          </ul>
          {rejected.length > maxRejected ? <p>and {rejected.length - maxRejected} more</p> : null}
        </div>
      ) : null}
    </section>
  );
}

function Progress({ pending, applied, rejected }: { pending: number; applied: number; rejected: number }) {
  const total = pending + applied + rejected;
  if (total === 0) return <p className="mt-2 text-ink-faint">It concerns no agent.</p>;
  const part = (count: number) => ({ width: `${(count / total) * 100}%` });
  return (
    <div className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-1.5">
      <div
        role="progressbar"
        aria-label="Agents that have answered"
        aria-valuemin={0}
        aria-valuemax={total}
        aria-valuenow={applied + rejected}
        aria-valuetext={`${applied} applied, ${pending} pending, ${rejected} rejected`}
        className="flex h-1.5 min-w-40 flex-1 overflow-hidden rounded-full bg-idle-soft"
      >
        <div className="bg-ok transition-[width] duration-300" style={part(applied)} />
        <div className="bg-bad transition-[width] duration-300" style={part(rejected)} />
      </div>
      <dl className="tnum flex gap-4 text-xs">
        <Count name="applied" value={applied} look="text-ok" />
        <Count name="pending" value={pending} look="text-ink-soft" />
        <Count name="rejected" value={rejected} look={rejected > 0 ? "text-bad" : "text-ink-soft"} />
      </dl>
    </div>
  );
}

function Count({ name, value, look }: { name: string; value: number; look: string }) {
  return (
    <div className={`flex flex-row-reverse gap-1 ${look}`}>
      <dt>{name}</dt>
      <dd className="font-semibold">{value}</dd>
    </div>
  );
}
