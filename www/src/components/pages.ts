import type { IconName } from "./icon";

/** What the navigation leads to. */
export const pages: { href: string; name: string; icon: IconName }[] = [
  { href: "/", name: "Overview", icon: "overview" },
  { href: "/host", name: "Hosts", icon: "host" },
  { href: "/latency", name: "Latency", icon: "latency" },
  { href: "/config", name: "Configuration", icon: "config" },
];
