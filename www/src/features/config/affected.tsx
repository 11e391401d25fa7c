import type { PreviewConfigResponse } from "@/gen/sonde/v1/config_service_pb";
import { ChangeTable } from "./change-table";
import { type ChangeGroup, groupChanges } from "./changes";

/** More than these are only counted. */
const maxGroups = 20;
const maxNames = 12;

/** Which agents would change and how; those that change alike stand together. */
export function Affected({ preview, total }: { preview: PreviewConfigResponse; total: number | undefined }) {
  const groups = groupChanges(preview.changes);
  const hidden = groups.slice(maxGroups).reduce((sum, { agents }) => sum + agents.length, 0);
  return (
    <div className="flex flex-col gap-2">
      <p className="text-ink-soft">{affectedText(preview, total)}</p>
      <ul aria-label="Agents that change" className="flex flex-col gap-2">
        {groups.slice(0, maxGroups).map((group) => (
          <li key={group.key} className="rounded-md border border-line px-3 py-2">
            <h3 className="text-sm wrap-break-word">
              {agentCount(group.agents.length)}
              <span className="ml-2 text-xs font-normal text-ink-faint">{names(group)}</span>
            </h3>
            <ChangeTable changes={group.settings} label={`Changes of ${names(group)}`} />
          </li>
        ))}
      </ul>
      {hidden > 0 ? <p className="text-ink-faint">{agentCount(hidden)} more change in other ways.</p> : null}
    </div>
  );
}

export function affectedText(preview: PreviewConfigResponse, total: number | undefined): string {
  const count = preview.changes.length;
  if (count === 0) return "No agent that is known now would change.";
  const of = total === undefined ? "" : ` of ${total}`;
  return count === 1 ? `1 agent${of} would change.` : `${count}${of} agents would change.`;
}

const agentCount = (count: number) => (count === 1 ? "1 agent" : `${count} agents`);

function names({ agents }: ChangeGroup): string {
  const shown = agents.slice(0, maxNames).map(({ name }) => name);
  return agents.length > maxNames ? `${shown.join(", ")} and ${agents.length - maxNames} more` : shown.join(", ");
}
