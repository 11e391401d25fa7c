import { SelectField } from "@/components/field";
import { collectors } from "./catalog";
import type { CollectorDraft, PolicyDraft } from "./draft";
import { printDuration } from "./duration";
import { CellField } from "./fields";
import type { Problems } from "./validate";

const runs = [
  { value: "", text: "Not set" },
  { value: "on", text: "On" },
  { value: "off", text: "Off" },
] as const;

const unset: CollectorDraft = { run: "", interval: "" };

/** A line a collector: whether it runs, and how often. Unknown ones, of newer agents, keep their line. */
export function CollectorFields({
  policy,
  problems,
  onCollectors,
}: {
  policy: PolicyDraft;
  problems: Problems;
  onCollectors: (collectors: PolicyDraft["collectors"]) => void;
}) {
  const known = new Set(collectors.map(({ name }) => name));
  const others = Object.keys(policy.collectors)
    .filter((name) => !known.has(name))
    .map((name) => ({ name, measures: "", defaultMs: 1_000 }));
  return (
    <ul className="grid grid-cols-1 gap-x-8 gap-y-2 xl:grid-cols-2">
      {[...collectors, ...others].map(({ name, measures, defaultMs }) => {
        const value = policy.collectors[name] ?? unset;
        const isSet = value.run !== "" || value.interval.trim() !== "";
        const change = (part: Partial<CollectorDraft>) =>
          onCollectors({ ...policy.collectors, [name]: { ...value, ...part } });
        return (
          <li key={name} className="grid grid-cols-[minmax(0,1fr)_6rem_6.5rem] items-start gap-2">
            <div className="min-w-0 pt-1">
              <div className={`truncate ${isSet ? "font-semibold" : ""}`}>{name}</div>
              <div className="truncate text-2xs text-ink-faint" title={measures}>
                {measures}
              </div>
            </div>
            <SelectField
              label={`Collector ${name}`}
              hideLabel
              value={value.run}
              choices={runs}
              onValue={(run) => change({ run: run as CollectorDraft["run"] })}
            />
            <CellField
              name={`Interval of ${name}`}
              placeholder={`default ${printDuration(defaultMs)}`}
              value={value.interval}
              error={problems.get(`${policy.id}.collectors.${name}`)}
              onText={(interval) => change({ interval })}
            />
          </li>
        );
      })}
    </ul>
  );
}
