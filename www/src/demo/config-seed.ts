import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { FleetConfigSchema, type PolicySchema, RolloutPlanSchema } from "@/gen/sonde/v1/config_pb";
import type { DemoRevision } from "./config";

type Policy = MessageInitShape<typeof PolicySchema>;

const everywhere: Policy = {
  name: "everywhere",
  settings: {
    submissionIntervalMs: 1_000,
    collectors: { filesystem: { intervalMs: 30_000 } },
    probes: { website: { kind: "http", target: "https://www.example/health", intervalMs: 5_000, timeoutMs: 2_000 } },
  },
};

const databases = (diskMs: number): Policy => ({
  name: "databases",
  priority: 10,
  selector: { role: "db" },
  settings: {
    collectors: { disk: { intervalMs: diskMs }, pressure: { enabled: true, intervalMs: diskMs } },
    probes: { "data-disk": { kind: "disk", target: "/var/lib/data", intervalMs: 10_000 } },
  },
});

const staging: Policy = {
  name: "staging",
  priority: 20,
  selector: { env: "staging" },
  settings: { submissionIntervalMs: 5_000, collectors: { processes: { enabled: false } } },
};

const staged = { stepsPercent: [10, 50, 100], watchSeconds: 60 };
const minute = 60_000;

/** A history as a few weeks of use leave it. */
export function seedRevisions(nowMs: number): DemoRevision[] {
  const history: [agoMs: number, author: string, message: string, policies: Policy[], more?: object][] = [
    [21 * 1_440 * minute, "user:ada", "The same probes everywhere", [everywhere]],
    [9 * 1_440 * minute, "user:ada", "Look closer at the databases", [everywhere, databases(500)], { plan: staged }],
    [
      (2 * 1_440 + 12) * minute,
      "token:ci",
      "Disks of databases ten times a second",
      [everywhere, databases(100)],
      { plan: staged, failed: { atMs: nowMs - (2 * 1_440 + 11) * minute, reason: "db-fra-01 refuses it" } },
    ],
    [
      (2 * 1_440 + 11) * minute,
      "sonde",
      "Rolled back by itself: db-fra-01 refuses it",
      [everywhere, databases(500)],
      { rollbackOf: 2 },
    ],
    [47 * minute, "user:ada", "Staging may be coarser", [everywhere, databases(500), staging]],
  ];
  return history.map(([agoMs, author, message, policies, more], i) => ({
    rollbackOf: 0,
    ...more,
    number: i + 1,
    atMs: nowMs - agoMs,
    author,
    message,
    config: create(FleetConfigSchema, { policies }),
    plan: create(RolloutPlanSchema, more && "plan" in more ? (more.plan as typeof staged) : {}),
  }));
}
