import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { AuditEntry, JoinToken } from "@/gen/sonde/v1/access_pb";
import { format } from "@/lib/format";

const actions: Record<string, string> = {
  "sign-in": "Signed in",
  "sign-in-link": "Signed in by a link",
  "sign-in-oidc": "Signed in by the identity provider",
  "sign-out": "Signed out",
  "AgentService.Enroll": "Enrolled",
  "FleetService.UpdateAgent": "Changed",
  "FleetService.RemoveAgent": "Removed",
  "FleetService.RotateCredential": "Gave a new credential to",
  "FleetService.RevokeCredential": "Revoked the credential of",
  "ConfigService.ApplyConfig": "Applied",
  "ConfigService.RollBack": "Rolled back",
  "AccessService.ChangePassword": "Changed the password of",
  "AccessService.CreateLoginLink": "Made a sign-in link for",
  "AccessService.CreateUser": "Invited",
  "AccessService.UpdateUser": "Changed",
  "AccessService.RemoveUser": "Removed",
  "AccessService.CreateApiToken": "Made",
  "AccessService.RevokeApiToken": "Revoked",
  "AccessService.CreateJoinToken": "Made",
  "AccessService.RevokeJoinToken": "Revoked",
};

/** What was done, in words; one that is not known here by its name. */
export function actionText(entry: AuditEntry): string {
  return actions[entry.action] ?? entry.action;
}

const kinds: Record<string, string> = {
  agent: "host",
  user: "user",
  token: "API token",
  "join-token": "join token",
};

/** "agent:web-1" as "host web-1". */
export function targetText(target: string): string {
  const at = target.indexOf(":");
  if (at < 0) return target === "config" ? "the configuration" : target;
  const kind = kinds[target.slice(0, at)];
  return kind ? `${kind} ${target.slice(at + 1)}` : target;
}

/** Who did it. */
export function actorText(actor: string): string {
  if (actor === "") return "a stranger";
  if (actor === "link") return "start link";
  return actor.startsWith("user:") ? actor.slice(5) : targetText(actor);
}

export type TokenState = "works" | "expired" | "used up";

export function joinTokenState(token: JoinToken, nowMs: number): TokenState {
  if (token.usesLeft === 0) return "used up";
  if (token.expiresAt && timestampMs(token.expiresAt) <= nowMs) return "expired";
  return "works";
}

/** "3 of 10 hosts", "2 hosts, any number may follow". */
export function usesText(token: JoinToken): string {
  const hosts = (n: number) => `${n} ${n === 1 ? "host" : "hosts"}`;
  if (token.usesLeft === undefined) return `${hosts(token.uses)}, any number may follow`;
  return `${token.uses} of ${hosts(token.uses + token.usesLeft)}`;
}

/** When something ends: "in 3 d", "2 h ago", "never". */
export function endText(at: Parameters<typeof timestampMs>[0] | undefined, nowMs: number): string {
  if (!at) return "never";
  const seconds = (timestampMs(at) - nowMs) / 1000;
  const text = format("seconds", Math.abs(Math.round(seconds)), true);
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}
