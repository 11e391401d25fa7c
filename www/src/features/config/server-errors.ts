import type { FieldError } from "@/gen/sonde/v1/config_pb";
import type { Draft, PolicyDraft } from "./draft";
import type { Problems } from "./validate";

/** Fields of the editor by what the server calls them. */
const probeFields: Record<string, string> = {
  kind: "kind",
  target: "target",
  interval_ms: "interval",
  timeout_ms: "timeout",
  "http.redirects": "redirects",
};

/** What the server finds wrong, at the fields of the editor that it is about. What has no field is left out. */
export function placeErrors(draft: Draft, errors: readonly FieldError[]): Problems {
  const problems = new Map<string, string>();
  for (const { field, message } of errors) {
    const [policy, path] = split(draft, field);
    const place = policy && placeOf(policy, path);
    if (place) problems.set(place, message);
  }
  return problems;
}

/** A path with the policy's name in place of its number: "web: probes.site.target". */
export function fieldText(draft: Draft, field: string): string {
  const [policy, path] = split(draft, field);
  return policy ? `${policy.name.trim()}: ${path}` : field;
}

function split(draft: Draft, field: string): [PolicyDraft | undefined, string] {
  const hit = /^policies\[(\d+)\]\.(?:settings\.)?(.*)$/.exec(field);
  return hit ? [draft[Number(hit[1])], hit[2] ?? ""] : [undefined, field];
}

function placeOf(policy: PolicyDraft, path: string): string | undefined {
  const [part = "", name, ...fields] = path.split(".");
  switch (part) {
    case "name":
    case "priority":
      return `${policy.id}.${part}`;
    case "submission_interval_ms":
      return `${policy.id}.submission`;
    case "selector": {
      const row = policy.selector.find(({ key }) => key.trim() === name) ?? policy.selector[0];
      return row && `${row.id}.key`;
    }
    case "collectors":
      return name ? `${policy.id}.collectors.${name}` : undefined;
    case "probes": {
      const probe = policy.probes.find((p) => p.name.trim() === name);
      const field = probeFields[fields.join(".")];
      return probe && field ? `${probe.id}.${field}` : `${policy.id}.probes`;
    }
    default:
      return undefined;
  }
}
