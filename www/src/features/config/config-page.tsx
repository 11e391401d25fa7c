"use client";

import { parseAsStringLiteral, useQueryState } from "nuqs";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Button } from "@/components/button";
import { Notice } from "@/components/notice";
import { PageHeader } from "@/components/page-header";
import { ErrorState, Skeleton, StaleNotice } from "@/components/states";
import { Tabs } from "@/components/tabs";
import type { FleetConfig } from "@/gen/sonde/v1/config_pb";
import { useAgentNames, useAgents } from "@/lib/agents";
import { explain } from "@/lib/errors";
import { useRuntime } from "@/lib/runtime";
import { affectedText } from "./affected";
import { AgentsTab } from "./agents-tab";
import { toConfig } from "./draft";
import { useDraft, useDraftStore } from "./draft-store";
import { HistoryTab } from "./history-tab";
import { PoliciesTab } from "./policies-tab";
import { Overruled, Refused, ReviewDialog } from "./review-dialog";
import { RolloutPanel } from "./rollout";
import { placeErrors } from "./server-errors";
import { useAgentConfigs, usePreview, useRevisionConfig, useRevisions } from "./use-config";
import { type Problems, validate } from "./validate";

const tabs = ["policies", "agents", "history"] as const;

/** What is decided for the whole fleet, what has become of it, and how it came about. */
export function ConfigPage() {
  const { watch } = useRuntime();
  const agents = useAgents();
  const revisions = useRevisions();
  const newest = revisions.data?.[0];
  const number = revisions.data ? (newest?.number ?? 0n) : null;
  const current = useRevisionConfig(number);
  const configs = useAgentConfigs(newest);
  const isLoaded = useFollow(number, current.data);
  const { draft, changed, base, overruled } = useDraft();
  const problems = useMemo(() => validate(draft), [draft]);
  const wanted = useMemo(() => (changed && problems.size === 0 ? toConfig(draft) : null), [changed, problems, draft]);
  const preview = usePreview(wanted);
  const marked = useMemo(() => {
    if (!wanted || preview.isBehind || !preview.data) return problems;
    return placeErrors(draft, preview.data.errors);
  }, [wanted, preview.isBehind, preview.data, problems, draft]);
  const [tab, setTab] = useQueryState("tab", parseAsStringLiteral(tabs).withDefault("policies"));
  const [policyId, setPolicyId] = useState<string | null>(null);
  const [reviewing, setReviewing] = useState(false);
  const names = useAgentNames();
  const nameOf = useCallback((id: string) => names.get(id) ?? id, [names]);

  const failed = revisions.error && !revisions.data ? revisions : current.error && !current.data ? current : null;
  if (failed && !isLoaded) {
    return (
      <>
        <PageHeader title="Configuration" />
        <ErrorState
          title="The configuration could not be read"
          error={failed.error}
          onRetry={() => void failed.refetch()}
        />
      </>
    );
  }
  if (!isLoaded || !revisions.data) {
    return (
      <>
        <PageHeader title="Configuration" />
        <div role="status" className="flex flex-col gap-3 p-4 wide:px-6">
          <span className="sr-only">Reading the configuration</span>
          <Skeleton className="h-16" />
          <Skeleton className="h-64" />
        </div>
      </>
    );
  }

  const nowMs = watch.now();
  return (
    <>
      <PageHeader
        title="Configuration"
        actions={changed ? <DraftActions problems={problems} onReview={() => setReviewing(true)} /> : null}
      />
      <div className="flex flex-col gap-4 p-4 pb-10 wide:px-6">
        {revisions.error ? <StaleNotice error={revisions.error} /> : null}
        {changed && number !== base ? <Overtaken number={number} config={current.data} problems={problems} /> : null}
        {overruled.length > 0 ? <Overruled names={overruled} /> : null}
        {changed ? <Verdict problems={problems} preview={preview} total={agents.data?.length} /> : null}
        {newest ? <RolloutPanel revision={newest} configs={configs.data} nameOf={nameOf} nowMs={nowMs} /> : null}
        <Tabs
          value={tab}
          onValue={(next) => void setTab(next)}
          tabs={[
            {
              value: "policies",
              name: "Policies",
              panel: <PoliciesTab agents={agents.data} problems={marked} chosen={policyId} onChoose={setPolicyId} />,
            },
            { value: "agents", name: "Agents", panel: <AgentsTab configs={configs} nameOf={nameOf} nowMs={nowMs} /> },
            { value: "history", name: "History", panel: <HistoryTab revisions={revisions.data} nowMs={nowMs} /> },
          ]}
        />
      </div>
      <ReviewDialog open={reviewing} onOpenChange={setReviewing} agents={agents.data?.length} />
    </>
  );
}

/** Keeps the draft at the newest revision as long as nothing was edited. */
function useFollow(number: bigint | null, config: FleetConfig | undefined): boolean {
  const store = useDraftStore();
  const { base, changed } = useDraft();
  useEffect(() => {
    if (number === null || !config || changed || base === number) return;
    store.load(number, config);
  }, [store, number, config, changed, base]);
  return base !== null;
}

function DraftActions({ problems, onReview }: { problems: Problems; onReview: () => void }) {
  const store = useDraftStore();
  return (
    <>
      <Button onClick={() => store.discard()}>Discard</Button>
      <Button look="primary" disabled={problems.size > 0} onClick={onReview}>
        Review and apply
      </Button>
    </>
  );
}

/** What is to be said of the edits: by the fields themselves, then by the server. */
function Verdict(props: { problems: Problems; preview: ReturnType<typeof usePreview>; total: number | undefined }) {
  const { problems, preview, total } = props;
  const { draft } = useDraft();
  if (problems.size > 0) {
    return (
      <Notice tone="warn">
        Edited, not applied. {problems.size === 1 ? "One field is" : `${problems.size} fields are`} to be mended first.
        {problems.get("policies") ? ` ${problems.get("policies")}` : ""}
      </Notice>
    );
  }
  if (preview.data && preview.data.errors.length > 0) return <Refused draft={draft} errors={preview.data.errors} />;
  const verdict = preview.error ? explain(preview.error) : preview.data ? affectedText(preview.data, total) : "";
  return <Notice tone="accent">Edited, not applied. {verdict}</Notice>;
}

/** A later revision came while this one was being edited. */
function Overtaken(props: { number: bigint | null; config: FleetConfig | undefined; problems: Problems }) {
  const { number, config, problems } = props;
  const store = useDraftStore();
  if (number === null || !config) return null;
  return (
    <Notice
      tone="warn"
      actions={
        <>
          <Button disabled={problems.size > 0} onClick={() => store.rebase(number, config)}>
            Take my edits over
          </Button>
          <Button onClick={() => store.load(number, config)}>Discard my edits</Button>
        </>
      }
    >
      Meanwhile the configuration is at revision {String(number)}, which is not the one that was edited here.
    </Notice>
  );
}
