import type { Change, PolicyChange } from "./settings";
import { settingName, settingValue } from "./states";

/** Settings before and after, a line each. */
export function ChangeTable({ changes, label }: { changes: readonly Change[]; label: string }) {
  return (
    <table className="w-full table-fixed text-left" aria-label={label}>
      <thead className="sr-only">
        <tr>
          <th scope="col">Setting</th>
          <th scope="col">Before and after</th>
        </tr>
      </thead>
      <tbody>
        {changes.map(({ path, before, after }) => (
          <tr key={path} className="border-t border-line align-top first:border-t-0">
            <th scope="row" className="w-2/5 py-1.5 pr-3 font-normal wrap-break-word text-ink-soft">
              {settingName(path)}
            </th>
            <td className="tnum py-1.5 wrap-break-word">
              <Value text={settingValue(path, before)} />
              <span aria-hidden="true" className="mx-1.5 text-ink-faint">
                →
              </span>
              <span className="sr-only"> becomes </span>
              <span className="font-medium">
                <Value text={settingValue(path, after)} />
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Value({ text }: { text: string }) {
  return text === "" ? <span className="font-normal text-ink-faint">not set</span> : text;
}

const kinds = { added: "new", removed: "removed", changed: "changed" } as const;

/** How policies differ. */
export function PolicyChanges({ changes }: { changes: readonly PolicyChange[] }) {
  return (
    <ul className="flex flex-col gap-2">
      {changes.map(({ policy, kind, changes: lines }) => (
        <li key={policy} className="rounded-md border border-line px-3 py-2">
          <h3 className="text-sm">
            {policy} <span className="font-normal text-ink-faint">{kinds[kind]}</span>
          </h3>
          <ChangeTable changes={lines} label={`Changes of policy ${policy}`} />
        </li>
      ))}
    </ul>
  );
}
