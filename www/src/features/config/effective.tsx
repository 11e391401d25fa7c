import type { AgentConfig } from "@/gen/sonde/v1/config_pb";
import { describeState, effectiveRows } from "./states";

/** What is decided for an agent, where each value comes from, and what the agent refuses. */
export function Effective({ config }: { config: AgentConfig }) {
  const rows = effectiveRows(config);
  return (
    <div className="flex flex-col gap-2">
      <p className="text-ink-soft">{describeState(config.state).meaning}</p>
      {config.errors.length > 0 ? (
        <ul aria-label="Refused because" className="rounded-md bg-bad-soft px-3 py-2 text-bad">
          {config.errors.map(({ field, message }) => (
            <li key={`${field} ${message}`} className="wrap-break-word">
              <code className="font-mono text-xs">{field}</code>: {message}
            </li>
          ))}
        </ul>
      ) : null}
      {rows.length > 0 ? (
        <table className="w-full max-w-3xl text-left">
          <caption className="sr-only">Effective settings and where they come from</caption>
          <thead>
            <tr className="text-xs text-ink-faint">
              <th scope="col" className="w-2/5 py-1 pr-3 font-normal">
                Setting
              </th>
              <th scope="col" className="py-1 pr-3 font-normal">
                Value
              </th>
              <th scope="col" className="py-1 font-normal">
                From policy
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ path, what, value, policy }) => (
              <tr key={path} className="border-t border-line align-top">
                <th scope="row" className="py-1.5 pr-3 font-normal wrap-break-word text-ink-soft">
                  {what}
                </th>
                <td className="tnum py-1.5 pr-3 wrap-anywhere">{value}</td>
                <td className="py-1.5 wrap-anywhere text-ink-soft">{policy || "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
      <p className="text-xs text-ink-faint">
        {rows.length > 0 ? "Everything else is as the agent was started." : "Everything is as the agent was started."}
      </p>
    </div>
  );
}
