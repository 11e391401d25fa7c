import { Role } from "@/gen/sonde/v1/access_pb";
import type { IconName } from "./icon";

/** What the navigation leads to. ranged: shows a time range, which goes along from one such page to another. */
export const pages: { href: string; name: string; icon: IconName; need: Role; ranged?: boolean }[] = [
  { href: "/", name: "Overview", icon: "overview", need: Role.VIEWER },
  { href: "/host", name: "Hosts", icon: "host", need: Role.VIEWER, ranged: true },
  { href: "/latency", name: "Latency", icon: "latency", need: Role.VIEWER, ranged: true },
  { href: "/config", name: "Configuration", icon: "config", need: Role.VIEWER },
  { href: "/access", name: "Access", icon: "key", need: Role.OPERATOR },
];

/** Those that a role may see; what everybody may while the role is not known. */
export function pagesFor(role: Role | undefined) {
  return pages.filter(({ need }) => need === Role.VIEWER || (role !== undefined && role >= need));
}
