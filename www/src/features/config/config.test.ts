import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ConfigState, FleetConfigSchema, RolloutPlanSchema } from "@/gen/sonde/v1/config_pb";
import { PreviewConfigResponseSchema } from "@/gen/sonde/v1/config_service_pb";
import { groupChanges } from "./changes";
import {
  addPolicy,
  type Draft,
  duplicatePolicy,
  isSame,
  keepIds,
  newProbe,
  type ProbeDraft,
  rebase,
  removePolicy,
  toConfig,
  toDraft,
  updatePolicy,
} from "./draft";
import { parseDuration, printDuration } from "./duration";
import { labelSuggestions, matches } from "./matching";
import { newPlan, planProblems, planText, toPlan } from "./plan";
import { fieldText, placeErrors } from "./server-errors";
import { compareConfigs, summary } from "./settings";
import { describeState, settingName, settingValue } from "./states";
import { isWrong, validate } from "./validate";

const config = create(FleetConfigSchema, {
  policies: [
    {
      name: "web",
      priority: 10,
      selector: { role: "web", env: "prod" },
      settings: {
        submissionIntervalMs: 1_500,
        collectors: { cpu: { intervalMs: 200 }, disk: { enabled: false }, load: { enabled: true, intervalMs: 60_000 } },
        probes: {
          site: {
            kind: "http",
            target: "https://www.example/",
            intervalMs: 1_000,
            timeoutMs: 500,
            http: { method: "HEAD", status: "3xx", redirects: 2, skipVerify: true },
          },
          names: { kind: "dns", target: "192.0.2.53", intervalMs: 2_000, dns: { name: "www.example", type: "AAAA" } },
          gateway: { disabled: true },
        },
      },
    },
    { name: "all", priority: -3, settings: {} },
  ],
});

const policy = (draft: Draft, name: string) => {
  const found = draft.find((p) => p.name === name);
  if (!found) throw new Error(`no policy ${name}`);
  return found;
};

describe("durations", () => {
  it.each([
    ["200ms", 200],
    ["1s", 1_000],
    ["1.5s", 1_500],
    ["0.2 s", 200],
    ["5m", 300_000],
    ["5min", 300_000],
    ["1h", 3_600_000],
    ["1.001s", 1_001],
  ])("reads %s as %i ms", (text, ms) => expect(parseDuration(text)).toBe(ms));
  it.each(["", "5", "1.5ms", "-1s", "1d", "1s 5ms", "s", "1e3ms"])("refuses %o", (text) =>
    expect(parseDuration(text)).toBeNull(),
  );
  it.each([
    [100, "100ms"],
    [1_000, "1s"],
    [1_500, "1.5s"],
    [1_001, "1001ms"],
    [90_000, "90s"],
    [300_000, "5min"],
    [3_600_000, "1h"],
  ])("writes %i ms as %s, and reads it again", (ms, text) => {
    expect(printDuration(ms)).toBe(text);
    expect(parseDuration(text)).toBe(ms);
  });
});

describe("the draft", () => {
  it("becomes the configuration again that it was made from", () => {
    expect(toConfig(toDraft(config))).toEqual(config);
  });

  it("is the same however a duration is written, and whatever the order", () => {
    const draft = toDraft(config);
    const web = policy(draft, "web");
    expect(isSame(draft, updatePolicy(draft, web.id, { submission: "1500ms" }).toReversed())).toBe(true);
    expect(isSame(draft, updatePolicy(draft, web.id, { submission: "1501ms" }))).toBe(false);
    expect(
      isSame(draft, updatePolicy(draft, web.id, { collectors: { ...web.collectors, cpu: { run: "", interval: "" } } })),
    ).toBe(false);
    expect(
      isSame(
        draft,
        updatePolicy(draft, web.id, { collectors: { ...web.collectors, vmstat: { run: "", interval: " " } } }),
      ),
    ).toBe(true);
  });

  it("gives new policies and copies names that are free, and ids of their own", () => {
    const first = addPolicy(toDraft(config));
    const second = addPolicy(first.draft);
    expect([first.added.name, second.added.name]).toEqual(["policy", "policy-2"]);
    const web = policy(second.draft, "web");
    const copy = duplicatePolicy(second.draft, web.id);
    expect(copy?.draft.map(({ name }) => name)).toEqual(["web", "web-copy", "all", "policy", "policy-2"]);
    const ids = copy?.draft.flatMap((p) => [p.id, ...p.selector.map(({ id }) => id), ...p.probes.map(({ id }) => id)]);
    expect(new Set(ids).size).toBe(ids?.length);
    expect(removePolicy(second.draft, web.id).map(({ name }) => name)).toEqual(["all", "policy", "policy-2"]);
  });

  it("keeps the ids of policies by their names", () => {
    const known = addPolicy(toDraft(config)).draft;
    const read = toDraft(config).toReversed();
    const kept = keepIds(read, removePolicy(known, policy(known, "all").id));
    expect(policy(kept, "web").id).toBe(policy(known, "web").id);
    expect(policy(kept, "all").id).toBe(policy(read, "all").id);
  });

  describe("taken over to a later revision", () => {
    const base = toDraft(config);
    const edited = (name: string, priority: string) => updatePolicy(base, policy(base, name).id, { priority });
    const names = (draft: Draft) => draft.map((p) => `${p.name} ${p.priority}`).sort();
    it("keeps what only one side changed", () => {
      const result = rebase(base, edited("web", "11"), addPolicy(edited("all", "4")).draft);
      expect(names(result.draft)).toEqual(["all 4", "policy 0", "web 11"]);
      expect(result.overruled).toEqual([]);
    });
    it("lets the edit hold where both changed, and says so", () => {
      const result = rebase(base, edited("web", "11"), edited("web", "12"));
      expect(names(result.draft)).toEqual(["all -3", "web 11"]);
      expect(result.overruled).toEqual(["web"]);
      expect(rebase(base, edited("web", "12"), edited("web", "12")).overruled).toEqual([]);
    });
    it("keeps removals of either side", () => {
      const result = rebase(
        base,
        removePolicy(base, policy(base, "web").id),
        removePolicy(base, policy(base, "all").id),
      );
      expect(names(result.draft)).toEqual([]);
    });
  });
});

describe("validation", () => {
  const draft = toDraft(config);
  const web = policy(draft, "web");
  const problemsOf = (part: Partial<typeof web>) => [...validate(updatePolicy(draft, web.id, part)).values()];
  it("finds nothing wrong with what the server took", () => expect(validate(draft).size).toBe(0));

  it.each([
    ["a name with capitals", { name: "Web" }],
    ["no name", { name: "" }],
    ["a name of 65 characters", { name: "a".repeat(65) }],
    ["a name that is taken", { name: "all" }],
    ["a priority beyond 1,000", { priority: "1001" }],
    ["a priority that is no number", { priority: "high" }],
    ["no priority", { priority: "" }],
    ["a submission interval below 100ms", { submission: "99ms" }],
    ["a submission interval above 10min", { submission: "11min" }],
    ["a collector below 100ms", { collectors: { cpu: { run: "" as const, interval: "50ms" } } }],
    ["a collector above 1h", { collectors: { cpu: { run: "" as const, interval: "2h" } } }],
    ["a value without a label", { selector: [{ id: "a", key: "", value: "web" }] }],
    ["a label that cannot be one", { selector: [{ id: "a", key: "1st", value: "web" }] }],
  ])("finds %s", (_, part) => expect(problemsOf(part).length).toBeGreaterThan(0));

  it("takes an empty row of labels as none", () => {
    expect(problemsOf({ selector: [{ id: "a", key: "", value: "" }] })).toEqual([]);
  });

  const probe = (part: Partial<ProbeDraft>) =>
    problemsOf({ probes: [{ ...newProbe("p"), target: "192.0.2.1", ...part }] });
  it.each<Partial<ProbeDraft>>([
    {},
    { kind: "icmp", target: "2001:db8::1" },
    { kind: "tcp", target: "db.example:5432" },
    { kind: "tcp", target: "[2001:db8::1]:443" },
    { kind: "http", target: "http://192.0.2.1:8080/health?x=1" },
    { kind: "dns", target: "192.0.2.53" },
    { kind: "dns", target: "[2001:db8::1]:53" },
    { kind: "disk", target: "/var/lib/data" },
    { kind: "disk", target: "/" },
    { kind: "sched", target: "" },
    { kind: "rtt", target: "server" },
    { timeout: "60s" },
    { disabled: true, target: "", interval: "" },
  ])("takes the probe %o", (part) => expect(probe(part)).toEqual([]));
  it.each<Partial<ProbeDraft>>([
    { name: "a.b" },
    { kind: "ftp" },
    { target: "" },
    { kind: "icmp", target: "a b" },
    { kind: "icmp", target: "host:80" },
    { kind: "tcp", target: "db.example" },
    { kind: "tcp", target: "db.example:70000" },
    { kind: "http", target: "ftp://www.example" },
    { kind: "http", target: "https://me:secret@www.example" },
    { kind: "http", target: "https://www.example", redirects: "11" },
    { kind: "disk", target: "data" },
    { kind: "disk", target: "/var/../etc" },
    { kind: "disk", target: "/var/" },
    { interval: "" },
    { interval: "99ms" },
    { timeout: "61s" },
    { target: "a".repeat(1_025) },
  ])("refuses the probe %o", (part) => expect(probe(part).length).toBeGreaterThan(0));

  it("tells which policy is to be mended", () => {
    const wrong = updatePolicy(draft, web.id, { probes: [{ ...newProbe("p"), target: "" }] });
    const problems = validate(wrong);
    expect(wrong.filter((p) => isWrong(problems, p)).map(({ name }) => name)).toEqual(["web"]);
  });
});

describe("what the server finds wrong", () => {
  const draft = toDraft(config);
  const web = policy(draft, "web");
  const site = web.probes.find(({ name }) => name === "site");
  const env = web.selector.find(({ key }) => key === "env");
  const error = (field: string) => ({ field, message: "no" }) as never;
  it.each([
    ["policies[0].name", `${web.id}.name`],
    ["policies[0].settings.submission_interval_ms", `${web.id}.submission`],
    ["policies[0].settings.collectors.cpu.interval_ms", `${web.id}.collectors.cpu`],
    ["policies[0].settings.probes.site.target", `${site?.id}.target`],
    ["policies[0].settings.probes.site.interval_ms", `${site?.id}.interval`],
    ["policies[0].settings.probes", `${web.id}.probes`],
    ["policies[0].selector.env", `${env?.id}.key`],
  ])("stands for %s at its field", (field, place) => {
    expect([...placeErrors(draft, [error(field)]).keys()]).toEqual([place]);
  });
  it("names the policy, and keeps what it does not know", () => {
    expect(fieldText(draft, "policies[1].settings.probes.a.target")).toBe("all: probes.a.target");
    expect(fieldText(draft, "policies")).toBe("policies");
    expect(placeErrors(draft, [error("policies[9].name"), error("else")]).size).toBe(0);
  });
});

describe("texts", () => {
  it("sums a policy up", () => {
    expect(summary(config.policies[0]?.settings)).toBe(
      "submission 1.5s · cpu 200ms · disk off · load on 1min · 3 probes",
    );
    expect(summary(config.policies[1]?.settings)).toBe("sets nothing");
  });
  it("says settings in words", () => {
    expect(settingName("collectors.cpu.interval_ms")).toBe("Collector cpu, interval");
    expect(settingName("collectors.cpu.enabled")).toBe("Collector cpu");
    expect(settingName("probes.web.http.skip_verify")).toBe("Probe web, http skip verify");
    expect(settingName("probes.web")).toBe("Probe web");
    expect(settingValue("collectors.cpu.interval_ms", "200")).toBe("200ms");
    expect(settingValue("collectors.cpu.enabled", "false")).toBe("off");
    expect(settingValue("probes.web.target", "true")).toBe("true");
  });
  it("knows every state", () => {
    for (const state of Object.values(ConfigState).filter((s) => typeof s === "number" && s > 0)) {
      expect(describeState(state as ConfigState).name).not.toBe("Unknown");
    }
  });
});

describe("differences", () => {
  it("are told by policy", () => {
    const later = toDraft(config);
    const next = toConfig(
      removePolicy(updatePolicy(later, policy(later, "web").id, { submission: "" }), policy(later, "all").id),
    );
    expect(compareConfigs(config, next)).toEqual([
      {
        policy: "all",
        kind: "removed",
        changes: [
          { path: "priority", before: "-3", after: "" },
          { path: "selector", before: "every agent", after: "" },
        ],
      },
      { policy: "web", kind: "changed", changes: [{ path: "submission_interval_ms", before: "1.5s", after: "" }] },
    ]);
    expect(compareConfigs(config, config)).toEqual([]);
  });

  it("of agents that change alike stand together, the most first", () => {
    const cpu = { path: "collectors.cpu.interval_ms", before: "1000", after: "200" };
    const disk = { path: "collectors.disk.interval_ms", before: "", after: "500" };
    const { changes } = create(PreviewConfigResponseSchema, {
      changes: [
        { agentId: "1", agentName: "a", settings: [cpu] },
        { agentId: "2", agentName: "b", settings: [disk, cpu] },
        { agentId: "3", agentName: "c", settings: [cpu, disk] },
      ],
    });
    expect(groupChanges(changes).map(({ agents }) => agents.map(({ name }) => name))).toEqual([["b", "c"], ["a"]]);
  });
});

describe("selectors", () => {
  const agent = { id: "1", name: "web-1", labels: { role: "web", env: "prod" } };
  it.each([
    [{}, true],
    [{ role: "web" }, true],
    [{ role: "web", env: "staging" }, false],
    [{ site: "" }, false],
    [{ name: "web-1" }, true],
    [{ id: "2" }, false],
  ])("%o", (selector, wanted) => expect(matches(selector as Record<string, string>, agent)).toBe(wanted));
  it("are suggested from what agents have", () => {
    const other = { id: "2", name: "db-1", labels: { role: "db" } };
    expect([...labelSuggestions([agent, other] as never)]).toEqual([
      ["env", ["prod"]],
      ["name", ["db-1", "web-1"]],
      ["role", ["db", "web"]],
    ]);
  });
});

describe("rollout plans", () => {
  const staged = { ...newPlan, staged: true };
  it("are read and told", () => {
    expect(planProblems(staged)).toEqual({});
    expect(toPlan(staged)).toEqual(create(RolloutPlanSchema, { stepsPercent: [10, 50, 100], watchSeconds: 60 }));
    expect(planText(toPlan(staged))).toBe("10%, 50%, 100%, each watched for 1min");
    expect(planText(toPlan(newPlan))).toBe("all at once");
    const heedless = toPlan({ ...staged, heedsFailures: false });
    expect(heedless.ignoreFailures).toBe(true);
    expect(planText(heedless)).toBe("10%, 50%, 100%, each watched for 1min, whatever fails");
    expect(planText({ ...toPlan(staged), maxFailures: 1_000 })).toContain("with up to 1,000 new failures an agent");
  });
  it.each(["", "10, 50", "50, 10, 100", "0, 100", "10.5, 100", "10, 10, 100", "ten, 100", "10, 200"])(
    "refuses the steps %o",
    (steps) => expect(planProblems({ ...staged, steps }).steps).toBeDefined(),
  );
  it.each(["", "0s", "500ms", "1.5s", "25h", "60"])("refuses to watch for %o", (watch) =>
    expect(planProblems({ ...staged, watch }).watch).toBeDefined(),
  );
});
