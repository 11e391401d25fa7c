"use client";

import { HostPage } from "@/features/host/host-page";
import { ProbeCards } from "@/features/latency/probe-cards";

/** The page of one host, with what the latency feature knows of it. */
export function Host() {
  return <HostPage latency={(agent) => <ProbeCards agent={agent} />} />;
}
