import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { Role } from "@/gen/sonde/v1/access_pb";
import { AccessService } from "@/gen/sonde/v1/access_service_pb";
import { ConfigService } from "@/gen/sonde/v1/config_service_pb";
import { FleetService } from "@/gen/sonde/v1/fleet_service_pb";
import { QueryService } from "@/gen/sonde/v1/query_service_pb";
import { seriesKey } from "@/lib/series";
import { DemoAccess } from "./access";
import { Answers } from "./answers";
import { DemoConfig } from "./config";
import { makeFleet } from "./fleet";
import { addHostAnswers } from "./host-answers";
import { addLatencyAnswers } from "./latency-answers";
import { toMessage } from "./message";
import { addOverviewAnswers } from "./overview-answers";

export type DemoOptions = {
  agents?: number;
  /** Milliseconds; the clock of tests. */
  now?: () => number;
  answers?: Answers;
  role?: Role;
};

/** An in-memory server: a fleet that lives as long as the page, and samples that are functions of time. */
export function createDemoTransport(options: DemoOptions = {}): Transport {
  const now = options.now ?? Date.now;
  const answers = options.answers ?? demoAnswers();
  let agents = makeFleet(options.agents ?? agentsOfPage(), now() / 1000);

  const access = new DemoAccess({ agents: () => agents, now, role: options.role ?? roleOfPage() });
  const config = new DemoConfig({ agents: () => agents, now }).service;

  const find = (id: string) => {
    const agent = agents.find((a) => a.id === id);
    if (!agent) throw new ConnectError("there is no agent of this id", Code.NotFound);
    return agent;
  };
  const answer = (expr: string) => {
    const series = answers.find(expr, agents);
    if (!series) throw new ConnectError(`the demo has no answer to ${expr}`, Code.InvalidArgument);
    return series;
  };

  return createRouterTransport(({ service }) => {
    service(FleetService, {
      listAgents: ({ pageSize, pageToken }) => {
        const sorted = agents.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
        const from = Number(pageToken || 0);
        const size = Math.min(10_000, pageSize || 1_000);
        const next = from + size < sorted.length ? String(from + size) : "";
        return {
          agents: sorted.slice(from, from + size).map((agent) => toMessage(agent, now())),
          nextPageToken: next,
        };
      },
      getAgent: ({ id }) => ({ agent: toMessage(find(id), now()) }),
      updateAgent: ({ id, name, labels }) => {
        access.require(Role.OPERATOR, "FleetService.UpdateAgent");
        const agent = find(id);
        if (name !== undefined) {
          if (name === "" || name.length > 128) {
            throw new ConnectError("name: must have 1 to 128 characters", Code.InvalidArgument);
          }
          if (agents.some((a) => a.name === name && a.id !== id)) {
            throw new ConnectError(`name: ${name} is taken by another agent`, Code.AlreadyExists);
          }
          agent.name = name;
        }
        if (labels) {
          for (const label of Object.keys(labels.labels)) {
            if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label)) {
              throw new ConnectError(`labels: ${label} is no label name`, Code.InvalidArgument);
            }
          }
          agent.labels = labels.labels;
        }
        access.record("FleetService.UpdateAgent", `agent:${agent.name}`);
        return { agent: toMessage(agent, now()) };
      },
      removeAgent: ({ id }) => {
        access.require(Role.OPERATOR, "FleetService.RemoveAgent");
        access.record("FleetService.RemoveAgent", `agent:${find(id).name}`);
        agents = agents.filter((agent) => agent.id !== id);
        return {};
      },
      rotateCredential: ({ id }) => {
        access.require(Role.OPERATOR, "FleetService.RotateCredential");
        const agent = find(id);
        if (agent.pending || agent.downSince !== undefined) {
          throw new ConnectError("the agent is not connected", Code.FailedPrecondition);
        }
        agent.credentialIssuedAt = now() / 1000;
        access.record("FleetService.RotateCredential", `agent:${agent.name}`);
        return {};
      },
      revokeCredential: ({ id }) => {
        access.require(Role.OPERATOR, "FleetService.RevokeCredential");
        const agent = find(id);
        agent.credentialIssuedAt = null;
        agent.downSince ??= now() / 1000;
        access.record("FleetService.RevokeCredential", `agent:${agent.name}`);
        return { agent: toMessage(agent, now()) };
      },
    });

    service(AccessService, access.service);
    service(ConfigService, {
      ...config,
      applyConfig: (request, context) => {
        access.require(Role.OPERATOR, "ConfigService.ApplyConfig");
        access.record("ConfigService.ApplyConfig", "config", request.message);
        return config.applyConfig(request, context);
      },
      rollBack: (request, context) => {
        access.require(Role.OPERATOR, "ConfigService.RollBack");
        access.record("ConfigService.RollBack", "config", request.message);
        return config.rollBack(request, context);
      },
    });

    service(QueryService, {
      query: ({ expr, timeMs }) => {
        const at = Number(timeMs) || now();
        const present = answer(expr)
          .map(({ labels, at: value }) => ({ labels, value: value(at / 1000) }))
          .filter(({ value }) => !Number.isNaN(value));
        return {
          timeMs: BigInt(Math.round(at)),
          series: present.map(({ labels }) => ({ labels })),
          values: present.map(({ value }) => value),
        };
      },
      queryRange: ({ exprs, startMs, endMs, stepMs }) => {
        const steps = stepsOf(startMs, endMs, stepMs);
        return {
          startMs,
          stepMs,
          steps: steps.length,
          results: exprs.map((expr) => ({
            series: answer(expr)
              .map(({ labels, at }) => ({
                labels: { labels },
                values: steps.map((ms) => (ms > now() ? Number.NaN : at(ms / 1000))),
              }))
              .filter(({ values }) => values.some((value) => !Number.isNaN(value))),
          })),
        };
      },
      queryHeatmap: ({ expr, startMs, endMs, stepMs }) => {
        const histogram = answers.findHeatmap(expr, agents);
        if (!histogram) throw new ConnectError(`the demo has no answer to ${expr}`, Code.InvalidArgument);
        return {
          startMs,
          stepMs,
          columns: stepsOf(startMs, endMs, stepMs).map((ms) => {
            const column = ms > now() ? null : histogram(ms / 1000, Number(stepMs) / 1000);
            if (!column) return {};
            return {
              resolution: 4,
              firstBucket: column.first,
              counts: column.counts,
              totalCount: column.counts.reduce((sum, count) => sum + count, 0),
            };
          }),
        };
      },
      listSeries: ({ selectors }) => ({
        series: selectors.flatMap(answer).map(({ labels }) => ({ labels })),
      }),
      async *watch({ exprs, stepMs }, { signal }) {
        const step = Number(stepMs);
        let time = Math.floor(now() / step) * step;
        let before: string[] = [];
        while (!signal.aborted) {
          const results = exprs.map((expr) => {
            const present = answer(expr)
              .map(({ labels, at }) => ({ labels, value: at(time / 1000) }))
              .filter(({ value }) => !Number.isNaN(value));
            return present;
          });
          const keys = results.map((series) => series.map(({ labels }) => seriesKey(labels)).join("\n"));
          yield {
            timeMs: BigInt(time),
            serverTime: timestampFromMs(Math.round(now())),
            results: results.map((series, i) => {
              const seriesChanged = keys[i] !== before[i];
              return {
                seriesChanged,
                series: seriesChanged ? series.map(({ labels }) => ({ labels })) : [],
                values: series.map(({ value }) => value),
              };
            }),
          };
          before = keys;
          time = Math.max(time + step, Math.floor(now() / step) * step);
          await until(time - now(), signal);
        }
      },
    });
  });
}

/** What every feature asks. */
export function demoAnswers(): Answers {
  const answers = new Answers();
  addOverviewAnswers(answers);
  addHostAnswers(answers);
  addLatencyAnswers(answers);
  return answers;
}

function stepsOf(startMs: bigint, endMs: bigint, stepMs: bigint): number[] {
  const [start, end, step] = [Number(startMs), Number(endMs), Number(stepMs)];
  if (step < 1 || end < start) throw new ConnectError("the range is out of bounds", Code.InvalidArgument);
  const length = Math.floor((end - start) / step) + 1;
  if (length > 11_000) throw new ConnectError("more than 11,000 steps", Code.InvalidArgument);
  return Array.from({ length }, (_, i) => start + i * step);
}

/** ?agents=1000 shows a larger fleet. */
function agentsOfPage(): number {
  const wanted = typeof location === "undefined" ? 0 : Number(new URLSearchParams(location.search).get("agents"));
  return Number.isInteger(wanted) && wanted > 0 && wanted <= 10_000 ? wanted : 24;
}

/** ?role=viewer and ?role=operator show what those see. */
function roleOfPage(): Role {
  const wanted = typeof location === "undefined" ? null : new URLSearchParams(location.search).get("role");
  return wanted === "viewer" ? Role.VIEWER : wanted === "operator" ? Role.OPERATOR : Role.ADMIN;
}

function until(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      done();
    };
    const timer = setTimeout(finish, Math.max(0, ms));
    signal.addEventListener("abort", finish);
  });
}
