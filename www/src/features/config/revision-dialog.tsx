"use client";

import type { ReactNode } from "react";
import { Dialog } from "@/components/dialog";
import { ErrorState, Skeleton } from "@/components/states";
import type { FleetConfig, Revision } from "@/gen/sonde/v1/config_pb";
import { PolicyChanges } from "./change-table";
import { compareConfigs, flatten, selectorText } from "./settings";
import { settingName } from "./states";
import { useRevisionConfig } from "./use-config";

/** What a revision says, and how the newest one differs from it. */
export function RevisionDialog(props: { revision: Revision; newest: Revision; onClose: () => void }) {
  const { revision, newest, onClose } = props;
  const isNewest = revision.number === newest.number;
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`Revision ${revision.number}`}
      description={revision.message || undefined}
      width="max-w-2xl"
    >
      <div className="flex flex-col gap-4">
        <WithConfigs numbers={[revision.number, newest.number]}>
          {([config, current]) => (
            <>
              {isNewest ? null : (
                <section aria-label="Compared with the newest revision">
                  <h3 className="mb-2 text-sm">From here to revision {String(newest.number)}</h3>
                  <Differences before={config} after={current} />
                </section>
              )}
              <section aria-label="Policies">
                <h3 className="mb-2 text-sm">Policies</h3>
                <Policies config={config} />
              </section>
            </>
          )}
        </WithConfigs>
      </div>
    </Dialog>
  );
}

/** Reads two revisions, then renders what they say. */
export function WithConfigs(props: {
  numbers: [bigint, bigint];
  children: (configs: [FleetConfig, FleetConfig]) => ReactNode;
}) {
  const first = useRevisionConfig(props.numbers[0]);
  const second = useRevisionConfig(props.numbers[1]);
  const failed = first.error ? first : second.error ? second : null;
  if (first.data && second.data) return props.children([first.data, second.data]);
  if (failed) {
    return (
      <ErrorState title="The revision could not be read" error={failed.error} onRetry={() => void failed.refetch()} />
    );
  }
  return (
    <div role="status">
      <span className="sr-only">Reading the revision</span>
      <Skeleton className="h-32" />
    </div>
  );
}

export function Differences({ before, after }: { before: FleetConfig; after: FleetConfig }) {
  const changes = compareConfigs(before, after);
  if (changes.length === 0) return <p className="text-ink-soft">Both say the same.</p>;
  return <PolicyChanges changes={changes} />;
}

function Policies({ config }: { config: FleetConfig }) {
  if (config.policies.length === 0) return <p className="text-ink-soft">No policy.</p>;
  return (
    <ul className="flex flex-col gap-2">
      {config.policies.map((policy) => (
        <li key={policy.name} className="rounded-md border border-line px-3 py-2">
          <h4 className="text-sm font-semibold">
            {policy.name}
            <span className="ml-2 text-xs font-normal text-ink-faint">
              {selectorText(policy.selector)}, priority {policy.priority}
            </span>
          </h4>
          <dl className="mt-1 grid grid-cols-[2fr_3fr] gap-x-3 gap-y-1">
            {[...flatten(policy.settings)].map(([path, value]) => (
              <div key={path} className="contents">
                <dt className="wrap-break-word text-ink-soft">{settingName(path)}</dt>
                <dd className="tnum wrap-break-word">{value}</dd>
              </div>
            ))}
          </dl>
        </li>
      ))}
    </ul>
  );
}
