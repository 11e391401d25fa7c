"use client";

import { parseAsStringLiteral, useQueryState } from "nuqs";
import { PageHeader } from "@/components/page-header";
import { EmptyState, ErrorState, Skeleton } from "@/components/states";
import { Tabs } from "@/components/tabs";
import { Role } from "@/gen/sonde/v1/access_pb";
import { useSelf } from "@/lib/self";
import { ApiTokensTab } from "./api-tokens-tab";
import { AuditTab } from "./audit-tab";
import { JoinTokensTab } from "./join-tokens-tab";
import { UsersTab } from "./users-tab";

const names = ["users", "tokens", "join", "audit"] as const;

/** Who may come in, people, programs and agents, and what was done. */
export function AccessPage() {
  const self = useSelf();
  return (
    <>
      <PageHeader title="Access" />
      <div className="p-4 pb-10 wide:px-6">
        {self.data ? (
          <AccessTabs role={self.data.role} />
        ) : self.error ? (
          <ErrorState title="It is not known who you are" error={self.error} onRetry={() => void self.refetch()} />
        ) : (
          <Skeleton className="h-64" />
        )}
      </div>
    </>
  );
}

function AccessTabs({ role }: { role: Role }) {
  const [chosen, setChosen] = useQueryState("tab", parseAsStringLiteral(names));
  const tabs = [
    { value: "users", name: "Users", need: Role.ADMIN, panel: <UsersTab /> },
    { value: "tokens", name: "API tokens", need: Role.ADMIN, panel: <ApiTokensTab /> },
    { value: "join", name: "Join tokens", need: Role.OPERATOR, panel: <JoinTokensTab /> },
    { value: "audit", name: "Audit log", need: Role.OPERATOR, panel: <AuditTab /> },
  ] as const;
  const allowed = tabs.filter(({ need }) => role >= need);
  const first = allowed[0];
  if (!first) {
    return (
      <EmptyState icon="key" title="This is for operators and admins">
        A viewer sees what is measured, and not who has access.
      </EmptyState>
    );
  }
  const shown = allowed.find(({ value }) => value === chosen) ?? first;
  return <Tabs value={shown.value} onValue={(value) => void setChosen(value)} tabs={allowed} />;
}
