"use client";

import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createContext, type ReactNode, useContext, useEffect } from "react";
import { AccessService } from "@/gen/sonde/v1/access_service_pb";
import { ConfigService } from "@/gen/sonde/v1/config_service_pb";
import { FleetService } from "@/gen/sonde/v1/fleet_service_pb";
import { QueryService } from "@/gen/sonde/v1/query_service_pb";
import { WatchHub } from "./watch";

/** The clients of one server, made once a tab. */
export type Runtime = {
  transport: Transport;
  fleet: Client<typeof FleetService>;
  query: Client<typeof QueryService>;
  config: Client<typeof ConfigService>;
  access: Client<typeof AccessService>;
  watch: WatchHub;
};

export function createRuntime(transport: Transport): Runtime {
  const query = createClient(QueryService, transport);
  const config = createClient(ConfigService, transport);
  const access = createClient(AccessService, transport);
  return { transport, fleet: createClient(FleetService, transport), query, config, access, watch: new WatchHub(query) };
}

const RuntimeContext = createContext<Runtime | null>(null);

export function RuntimeProvider({ runtime, children }: { runtime: Runtime; children: ReactNode }) {
  useEffect(() => runtime.watch.attach(), [runtime]);
  return <RuntimeContext value={runtime}>{children}</RuntimeContext>;
}

export function useRuntime(): Runtime {
  const runtime = useContext(RuntimeContext);
  if (!runtime) throw new Error("useRuntime outside RuntimeProvider");
  return runtime;
}
