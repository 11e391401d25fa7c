import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { toDraft } from "@/features/config/draft";
import { validate } from "@/features/config/validate";
import {
  ConfigState,
  type FleetConfig,
  FleetConfigSchema,
  type RolloutPlan,
  RolloutPlanSchema,
  RolloutState,
  type RolloutStatusSchema,
} from "@/gen/sonde/v1/config_pb";
import type { ConfigService } from "@/gen/sonde/v1/config_service_pb";
import { changesOf, decide, refusals } from "./config-model";
import { seedRevisions } from "./config-seed";
import { type DemoAgent, unit } from "./fleet";

/** A revision of the demo; its rollout is a function of time. */
export type DemoRevision = {
  number: number;
  atMs: number;
  author: string;
  message: string;
  rollbackOf: number;
  plan: RolloutPlan;
  config: FleetConfig;
  /** When it stopped by itself, and why. */
  failed?: { atMs: number; reason: string };
};

type Options = { agents: () => readonly DemoAgent[]; now: () => number; seeded?: boolean };

/** An in-memory ConfigService. Agents answer within two seconds of being told; those that are away stay pending. */
export class DemoConfig {
  readonly #agents: Options["agents"];
  readonly #now: Options["now"];
  #revisions: DemoRevision[];
  /** Rollouts in which nothing happens any more. */
  readonly #settled = new WeakMap<DemoRevision, MessageInitShape<typeof RolloutStatusSchema>>();

  constructor({ agents, now, seeded = true }: Options) {
    this.#agents = agents;
    this.#now = now;
    this.#revisions = seeded ? seedRevisions(now()) : [];
  }

  readonly service: ServiceImpl<typeof ConfigService> = {
    getConfig: ({ revision }) => {
      const found = revision === 0n ? this.#newest : this.#find(revision);
      return found ? { revision: this.#message(found), config: found.config } : {};
    },
    previewConfig: ({ config = create(FleetConfigSchema) }) => {
      const errors = problemsOf(config);
      return errors.length > 0 ? { errors } : { changes: changesOf(this.#current, config, this.#agents()) };
    },
    applyConfig: ({ config = create(FleetConfigSchema), baseRevision, message, plan }) => {
      this.#expectBase(baseRevision);
      const [wrong] = problemsOf(config);
      if (wrong) throw new ConnectError(`${wrong.field}: ${wrong.message}`, Code.InvalidArgument);
      const revision = this.#add({ author: "user:ada", message, plan, config });
      return { revision: this.#message(revision) };
    },
    rollBack: ({ toRevision, baseRevision, message, plan }) => {
      this.#expectBase(baseRevision);
      const old = this.#find(toRevision);
      const revision = this.#add({ author: "user:ada", message, plan, config: old.config, rollbackOf: old.number });
      return { revision: this.#message(revision) };
    },
    listRevisions: ({ pageSize, before }) => {
      this.#watch();
      const older = this.#revisions.filter(({ number }) => before === 0n || number < Number(before));
      return {
        revisions: older
          .toReversed()
          .slice(0, pageSize || 100)
          .map((r) => this.#message(r)),
      };
    },
    listAgentConfigs: ({ agentId }) => {
      this.#watch();
      const answers = this.#newest ? this.#answers(this.#newest) : new Map<string, ConfigState>();
      const agents = this.#agents().filter(({ id }) => agentId === "" || id === agentId);
      return {
        configs: agents
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
          .map((agent) => this.#agentConfig(agent, answers)),
      };
    },
  };

  get #newest(): DemoRevision | undefined {
    return this.#revisions.at(-1);
  }

  get #current(): FleetConfig {
    return this.#newest?.config ?? create(FleetConfigSchema);
  }

  #find(number: bigint): DemoRevision {
    const found = this.#revisions[Number(number) - 1];
    if (!found) throw new ConnectError(`there is no revision ${number}`, Code.NotFound);
    return found;
  }

  #expectBase(base: bigint): void {
    const newest = this.#newest?.number ?? 0;
    if (Number(base) !== newest) {
      throw new ConnectError(`revision ${newest} came after revision ${base}`, Code.Aborted);
    }
  }

  #add(parts: Pick<DemoRevision, "author" | "message" | "config"> & { plan?: RolloutPlan; rollbackOf?: number }) {
    const revision = {
      ...parts,
      plan: parts.plan ?? create(RolloutPlanSchema),
      rollbackOf: parts.rollbackOf ?? 0,
      number: this.#revisions.length + 1,
      atMs: this.#now(),
    };
    this.#revisions.push(revision);
    return revision;
  }

  /** A staged rollout stops at the first refusal, and the revision before it comes back. */
  #watch(): void {
    const newest = this.#newest;
    if (!newest || newest.failed || newest.plan.stepsPercent.length === 0) return;
    const [refusing] = [...this.#answers(newest)].find(([, state]) => state === ConfigState.REJECTED) ?? [];
    if (refusing === undefined) return;
    const reason = `${this.#agents().find(({ id }) => id === refusing)?.name} refuses it`;
    newest.failed = { atMs: this.#now(), reason };
    const before = this.#revisions[newest.number - 2];
    this.#add({
      author: "sonde",
      message: `Rolled back by itself: ${reason}`,
      config: before?.config ?? create(FleetConfigSchema),
      rollbackOf: before?.number ?? 0,
    });
  }

  /** The agents that it concerns, in the order in which they are told. */
  #selected({ config }: DemoRevision): DemoAgent[] {
    return this.#agents().filter((agent) => decide(config, agent));
  }

  #stepOf({ plan, atMs }: DemoRevision): number {
    const last = Math.max(0, plan.stepsPercent.length - 1);
    return Math.min(last, Math.floor((this.#now() - atMs) / Math.max(1, plan.watchSeconds * 1_000)));
  }

  /** What each agent that it concerns has made of the revision by now, by the agent's id. */
  #answers(revision: DemoRevision): Map<string, ConfigState> {
    const selected = this.#selected(revision);
    return new Map(selected.map((agent, at) => [agent.id, this.#answer(revision, agent, (at + 1) / selected.length)]));
  }

  /** share is how many of the agents, from 0 to 1, were told when it was. */
  #answer(revision: DemoRevision, agent: DemoAgent, share: number): ConfigState {
    const { stepsPercent, watchSeconds } = revision.plan;
    const step = Math.max(
      0,
      stepsPercent.findIndex((upTo) => share * 100 <= upTo),
    );
    const answersMs = revision.atMs + step * watchSeconds * 1_000 + 300 + unit(agent.seed, revision.number) * 1_700;
    const isAway = agent.pending || agent.downSince !== undefined;
    if (isAway || this.#now() < answersMs) return ConfigState.PENDING;
    const decided = decide(revision.config, agent);
    return decided && refusals(agent, decided.settings).length > 0 ? ConfigState.REJECTED : ConfigState.APPLIED;
  }

  #rollout(revision: DemoRevision): MessageInitShape<typeof RolloutStatusSchema> {
    const known = this.#settled.get(revision);
    if (known) return known;
    const last = Math.max(0, revision.plan.stepsPercent.length - 1);
    const doneMs = revision.atMs + last * revision.plan.watchSeconds * 1_000 + 2_000;
    const next = this.#revisions[revision.number];
    const isDone = this.#now() >= doneMs;
    const state = revision.failed
      ? RolloutState.FAILED
      : next && next.atMs < doneMs
        ? RolloutState.SUPERSEDED
        : isDone
          ? RolloutState.DONE
          : RolloutState.RUNNING;
    const answers = [...this.#answers(revision).values()];
    const count = (wanted: ConfigState) => answers.filter((answer) => answer === wanted).length;
    const rollout = {
      state,
      step: this.#stepOf(revision),
      reason: revision.failed?.reason ?? "",
      pending: count(ConfigState.PENDING),
      applied: count(ConfigState.APPLIED),
      rejected: count(ConfigState.REJECTED),
    };
    if (isDone) this.#settled.set(revision, rollout);
    return rollout;
  }

  #message(revision: DemoRevision) {
    return {
      number: BigInt(revision.number),
      createdAt: timestampFromMs(Math.round(revision.atMs)),
      author: revision.author,
      message: revision.message,
      rollbackOf: BigInt(revision.rollbackOf),
      plan: revision.plan,
      rollout: this.#rollout(revision),
    };
  }

  #agentConfig(agent: DemoAgent, answers: Map<string, ConfigState>) {
    const newest = this.#newest;
    const decided = newest && decide(newest.config, agent);
    if (!decided) return { agentId: agent.id, state: ConfigState.LOCAL };
    const answer = answers.get(agent.id) ?? ConfigState.PENDING;
    const hasDrifted = answer === ConfigState.APPLIED && agent.seed % 40 === 9;
    return {
      agentId: agent.id,
      state: hasDrifted ? ConfigState.DRIFTED : answer,
      revision: BigInt(newest.number),
      ...decided,
      errors: answer === ConfigState.REJECTED ? refusals(agent, decided.settings) : [],
      changedAt: timestampFromMs(Math.round(newest.atMs)),
    };
  }
}

/** What the form finds wrong, by policy. */
function problemsOf(config: FleetConfig): { field: string; message: string }[] {
  return config.policies.flatMap((policy, i) =>
    [...validate(toDraft(create(FleetConfigSchema, { policies: [policy] })))].map(([field, message]) => ({
      field: `policies[${i}].${field.slice(field.indexOf(".") + 1)}`,
      message,
    })),
  );
}
