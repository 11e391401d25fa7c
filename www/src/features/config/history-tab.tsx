"use client";

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useState } from "react";
import { Button } from "@/components/button";
import { EmptyState } from "@/components/states";
import type { Revision } from "@/gen/sonde/v1/config_pb";
import { actorText } from "@/lib/actor";
import { explain } from "@/lib/errors";
import { formatAgo, formatMoment } from "@/lib/format";
import { useCanSteer } from "@/lib/self";
import { planText } from "./plan";
import { RevisionDialog } from "./revision-dialog";
import { RollbackDialog } from "./rollback-dialog";
import { RolloutBadge } from "./rollout";
import { useOlderRevisions } from "./use-config";

/** Every revision, newest first; each can be read, compared and gone back to. */
export function HistoryTab({ revisions, nowMs }: { revisions: readonly Revision[]; nowMs: number }) {
  const [shown, setShown] = useState<{ kind: "view" | "rollback"; revision: Revision } | null>(null);
  const { older, hasOlder, error, isFetching, readMore } = useOlderRevisions(revisions);
  const canSteer = useCanSteer();
  const newest = revisions[0];
  if (!newest) {
    return (
      <EmptyState icon="clock" title="No revision yet">
        Every change of the configuration is kept here with who made it and why.
      </EmptyState>
    );
  }
  const close = () => setShown(null);
  return (
    <>
      <ol className="divide-y divide-line rounded-lg border border-line bg-surface">
        {[...revisions, ...older].map((revision) => (
          <li key={String(revision.number)} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
            <div className="min-w-0 flex-1 basis-72">
              <div className="flex flex-wrap items-center gap-2">
                <span className="tnum font-semibold">Revision {String(revision.number)}</span>
                <RolloutBadge state={revision.rollout?.state} />
                {revision.rollbackOf > 0n ? (
                  <span className="text-ink-faint">back to revision {String(revision.rollbackOf)}</span>
                ) : null}
              </div>
              {revision.message ? <p className="mt-0.5 wrap-break-word">{revision.message}</p> : null}
              <p className="mt-0.5 text-xs wrap-break-word text-ink-faint">
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
                {`, ${planText(revision.plan)}`}
                {revision.rollout?.reason ? (
                  <span className="text-bad"> Stopped: {revision.rollout.reason}</span>
                ) : null}
              </p>
            </div>
            <div className="flex gap-2">
              <Button
                aria-label={`Show revision ${revision.number}`}
                onClick={() => setShown({ kind: "view", revision })}
              >
                Show
              </Button>
              {revision === newest || !canSteer ? null : (
                <Button
                  aria-label={`Roll back to revision ${revision.number}`}
                  onClick={() => setShown({ kind: "rollback", revision })}
                >
                  Roll back…
                </Button>
              )}
            </div>
          </li>
        ))}
      </ol>
      {error ? <p className="mt-3 text-bad">{explain(error)}</p> : null}
      {hasOlder ? (
        <Button className="mt-3" disabled={isFetching} onClick={() => void readMore()}>
          Older revisions
        </Button>
      ) : null}
      {shown?.kind === "view" ? <RevisionDialog revision={shown.revision} newest={newest} onClose={close} /> : null}
      {shown?.kind === "rollback" ? <RollbackDialog revision={shown.revision} newest={newest} onClose={close} /> : null}
    </>
  );
}
