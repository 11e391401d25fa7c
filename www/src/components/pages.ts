import { Role } from "@/gen/sonde/v1/access_pb";
import type { IconName } from "./icon";

/** What the navigation leads to. */
export const pages: { href: string; name: string; icon: IconName; need: Role }[] = [
  { href: "/", name: "Overview", icon: "overview", need: Role.VIEWER },
  { href: "/host", name: "Hosts", icon: "host", need: Role.VIEWER },
  { href: "/latency", name: "Latency", icon: "latency", need: Role.VIEWER },
  { href: "/config", name: "Configuration", icon: "config", need: Role.VIEWER },
  { href: "/access", name: "Access", icon: "key", need: Role.OPERATOR },
];

/** Those that a role may see; what everybody may while the role is not known. */
export function pagesFor(role: Role | undefined) {
  return pages.filter(({ need }) => need === Role.VIEWER || (role !== undefined && role >= need));
}
