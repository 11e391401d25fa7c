import { Button, IconButton } from "@/components/button";
import { CheckField, SelectField } from "@/components/field";
import { kindTexts, probeKinds, targets } from "./catalog";
import { newProbe, type ProbeDraft } from "./draft";
import { Field } from "./fields";
import { isKind, type Problems } from "./validate";

const kinds = probeKinds.map((kind) => ({ value: kind, text: kindTexts[kind] }));
const methods = [
  { value: "", text: "GET (default)" },
  { value: "GET", text: "GET" },
  { value: "HEAD", text: "HEAD" },
];
const statuses = [
  { value: "", text: "2xx (default)" },
  ...["1xx", "2xx", "3xx", "4xx", "5xx"].map((status) => ({ value: status, text: status })),
];

/** The probes of a policy, each as a card of fields. */
export function ProbeFields({
  probes,
  problems,
  onProbes,
}: {
  probes: ProbeDraft[];
  problems: Problems;
  onProbes: (probes: ProbeDraft[]) => void;
}) {
  return (
    <div className="flex flex-col items-start gap-3">
      {probes.map((probe, i) => (
        <fieldset key={probe.id} className="w-full min-w-0 rounded-md border border-line p-3">
          <legend className="sr-only">Probe {probe.name || i + 1}</legend>
          <ProbeCard
            probe={probe}
            problems={problems}
            onProbe={(part) => onProbes(probes.map((p) => (p.id === probe.id ? { ...p, ...part } : p)))}
            onRemove={() => onProbes(probes.filter(({ id }) => id !== probe.id))}
          />
        </fieldset>
      ))}
      <Button icon="plus" look="quiet" className="-ml-1" onClick={() => onProbes([...probes, newProbe()])}>
        Add a probe
      </Button>
    </div>
  );
}

type CardProps = {
  probe: ProbeDraft;
  problems: Problems;
  onProbe: (part: Partial<ProbeDraft>) => void;
  onRemove: () => void;
};

function ProbeCard({ probe, problems, onProbe, onRemove }: CardProps) {
  const problem = (field: string) => problems.get(`${probe.id}.${field}`);
  const target = isKind(probe.kind) ? targets[probe.kind] : { label: "Target", example: "" };
  return (
    <div className="flex flex-col gap-3">
      <div className="flex items-start gap-2">
        <Field
          label="Name of the probe"
          placeholder="website"
          value={probe.name}
          error={problem("name")}
          onText={(name) => onProbe({ name })}
          className="min-w-0 flex-1"
        />
        <IconButton label={`Remove probe ${probe.name}`} icon="trash" onClick={onRemove} className="mt-5" />
      </div>
      <CheckField checked={probe.disabled} onChecked={(disabled) => onProbe({ disabled })}>
        Take the probe of this name away
      </CheckField>
      {probe.disabled ? null : (
        <>
          <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
            <SelectField
              label="Kind"
              value={probe.kind}
              choices={isKind(probe.kind) ? kinds : [...kinds, { value: probe.kind, text: probe.kind }]}
              error={problem("kind")}
              onValue={(kind) => onProbe({ kind, ...(isKind(kind) && !targets[kind] ? { target: "" } : {}) })}
              className={target ? "" : "col-span-2"}
            />
            {target ? (
              <Field
                label={target.label}
                placeholder={target.example}
                value={probe.target}
                error={problem("target")}
                onText={(text) => onProbe({ target: text })}
              />
            ) : null}
            <Field
              label="Every"
              placeholder="1s"
              value={probe.interval}
              error={problem("interval")}
              onText={(interval) => onProbe({ interval })}
            />
            <Field
              label="Time limit"
              placeholder="ten intervals"
              value={probe.timeout}
              error={problem("timeout")}
              onText={(timeout) => onProbe({ timeout })}
            />
          </div>
          {probe.kind === "http" ? (
            <div className="grid grid-cols-2 items-start gap-3 lg:grid-cols-4">
              <SelectField
                label="Method"
                value={probe.method}
                choices={methods}
                onValue={(method) => onProbe({ method })}
              />
              <SelectField
                label="Expected status"
                value={probe.status}
                choices={statuses}
                onValue={(status) => onProbe({ status })}
              />
              <Field
                label="Redirects followed"
                placeholder="0"
                inputMode="numeric"
                value={probe.redirects}
                error={problem("redirects")}
                onText={(redirects) => onProbe({ redirects })}
              />
              <div className="lg:pt-5">
                <CheckField checked={probe.skipVerify} onChecked={(skipVerify) => onProbe({ skipVerify })}>
                  Take any certificate
                </CheckField>
              </div>
            </div>
          ) : null}
          {probe.kind === "dns" ? (
            <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
              <Field
                label="Name asked for"
                placeholder="the root"
                value={probe.query}
                onText={(query) => onProbe({ query })}
              />
              <Field
                label="Type"
                placeholder="A, or NS of the root"
                value={probe.type}
                onText={(type) => onProbe({ type })}
              />
              <Field
                label="Expected code"
                placeholder="NOERROR or NXDOMAIN"
                value={probe.rcode}
                onText={(rcode) => onProbe({ rcode })}
              />
            </div>
          ) : null}
        </>
      )}
    </div>
  );
}
