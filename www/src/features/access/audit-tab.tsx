"use client";

import { parseAsString, useQueryState } from "nuqs";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { inputLook } from "@/components/field";
import { Icon } from "@/components/icon";
import { EmptyState } from "@/components/states";
import type { AuditEntry } from "@/gen/sonde/v1/access_pb";
import { actorText } from "@/lib/actor";
import { useRuntime } from "@/lib/runtime";
import { Ago, Cell, Missing, Row, Table } from "./list";
import { useAudit } from "./use-access";
import { deedText } from "./words";

/** Who changed what, the newest first. */
export function AuditTab() {
  const { watch } = useRuntime();
  const nowMs = watch.now();
  const [search, setSearch] = useQueryState(
    "find",
    parseAsString.withDefault("").withOptions({ throttleMs: 300, shallow: true }),
  );
  const audit = useAudit(search.trim());
  const entries = audit.data?.pages.flatMap((page) => page.entries);
  return (
    <div className="flex flex-col items-start gap-3">
      <div className="flex w-full flex-wrap gap-2">
        <search className="relative w-full wide:w-80">
          <Icon name="search" className="pointer-events-none absolute top-2 left-2.5 text-ink-faint" />
          <input
            aria-label="Find in the audit log"
            placeholder="Find: a person, a host, a token"
            value={search}
            spellCheck={false}
            onChange={(event) => void setSearch(event.target.value || null)}
            className={`${inputLook} w-full border-control pl-8`}
          />
        </search>
        <Button onClick={() => void audit.refetch()} disabled={audit.isFetching}>
          Read anew
        </Button>
      </div>
      <div className="w-full">
        {!entries ? (
          <Missing query={audit} what="The audit log" />
        ) : entries.length === 0 ? (
          <EmptyState icon="clock" title={search ? "Nothing of the kind" : "Nothing was changed yet"}>
            {search ? "No entry has this text in it." : "Every change and every sign-in is kept here."}
          </EmptyState>
        ) : (
          <Table label="Audit log" columns={["When", "Who", "What", "From"]}>
            {entries.map((entry) => (
              <Entry key={String(entry.id)} entry={entry} nowMs={nowMs} />
            ))}
          </Table>
        )}
      </div>
      {audit.hasNextPage ? (
        <Button disabled={audit.isFetching} onClick={() => void audit.fetchNextPage()}>
          Older entries
        </Button>
      ) : null}
    </div>
  );
}

function Entry({ entry, nowMs }: { entry: AuditEntry; nowMs: number }) {
  return (
    <Row>
      <Cell className="wide:w-28">
        <Ago at={entry.time} nowMs={nowMs} />
      </Cell>
      <Cell className="font-medium wide:w-48">
        <span className={entry.actor ? "wrap-anywhere" : "font-normal text-ink-faint"}>{actorText(entry.actor)}</span>
      </Cell>
      <Cell className="max-wide:basis-full">
        <span className="wrap-anywhere">{deedText(entry)}</span>
        {entry.errorCode ? (
          <span className="ml-2">
            <Badge tone="bad">Refused: {entry.errorCode.replaceAll("_", " ")}</Badge>
          </span>
        ) : null}
        {entry.detail ? <span className="block text-xs wrap-anywhere text-ink-faint">{entry.detail}</span> : null}
      </Cell>
      <Cell className="tnum text-xs text-ink-faint wide:w-36">
        <span title={`Request ${entry.requestId}`}>{entry.address}</span>
      </Cell>
    </Row>
  );
}
