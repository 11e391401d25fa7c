import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Agent, AgentSchema, AgentState } from "@/gen/sonde/v1/agent_pb";
import type { DemoAgent } from "./fleet";

/** What FleetService says of the agent. */
export function toMessage(agent: DemoAgent, nowMs: number): Agent {
  const up = !agent.pending && agent.downSince === undefined;
  const lastSeenMs =
    agent.downSince !== undefined ? Math.round(agent.downSince * 1000) : agent.late ? nowMs - 12_000 : nowMs - 400;
  return create(AgentSchema, {
    id: agent.id,
    name: agent.name,
    labels: agent.labels,
    enrolledAt: timestampFromMs(Math.round(agent.enrolledAt * 1000)),
    ...(agent.credentialIssuedAt === null
      ? {}
      : { credentialIssuedAt: timestampFromMs(Math.round((agent.credentialIssuedAt ?? agent.enrolledAt) * 1000)) }),
    host: {
      hostname: agent.name,
      os: "linux",
      arch: agent.arch,
      kernel: agent.kernel,
      osRelease: agent.osRelease,
      cpuModel: agent.cpuModel,
      cpuCount: agent.cpus,
      memoryBytes: BigInt(agent.memoryBytes),
      container: agent.container,
      bootedAt: timestampFromMs(Math.round(agent.bootedAt * 1000)),
      agentVersion: agent.version,
    },
    status: {
      state: agent.pending
        ? AgentState.PENDING
        : agent.downSince !== undefined
          ? AgentState.DOWN
          : agent.late
            ? AgentState.LATE
            : AgentState.UP,
      ...(agent.pending ? {} : { lastSeenAt: timestampFromMs(Math.round(lastSeenMs)) }),
      ...(up ? { connectedAt: timestampFromMs(Math.round(nowMs - 3_600_000)), address: agent.address } : {}),
      clockSkewSeconds: 0.0004,
      roundTripSeconds: 0.006,
      series: agent.pending ? 0 : 312,
      submissionIntervalMs: 1_000,
      samplesStored: BigInt(agent.pending ? 0 : Math.floor(nowMs / 1000 - agent.enrolledAt) * 312),
      ...(agent.cloned
        ? {
            clone: {
              seenAt: timestampFromMs(Math.round(nowMs - 40_000)),
              hostname: `${agent.name}-restored`,
              address: "192.0.2.251:41022",
            },
          }
        : {}),
      ...(agent.late ? { lastError: "batches arrive 11 s late" } : {}),
    },
  });
}
