"use client";

import { HostConfig } from "@/features/config/host-config";
import { useIntervals } from "@/features/config/use-config";
import { HostPage } from "@/features/host/host-page";
import { ProbeCards } from "@/features/latency/probe-cards";

/** The page of one host, with what other features know of it. */
export function Host() {
  return (
    <HostPage
      latency={(agent) => <ProbeCards agent={agent} />}
      config={(agent) => <HostConfig agent={agent} />}
      useIntervals={useIntervals}
    />
  );
}
