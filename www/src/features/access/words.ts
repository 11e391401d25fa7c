import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { AuditEntry, JoinToken } from "@/gen/sonde/v1/access_pb";
import { actorText, targetText } from "@/lib/actor";
import { format } from "@/lib/format";

/** The token of the file admin-token, and that of join-token: the server looks after both itself. */
export const fileTokenName = "bootstrap";

const actions: Record<string, string> = {
  "sign-in": "Signed in",
  "sign-in-link": "Signed in by a link",
  "sign-in-oidc": "Signed in by the identity provider",
  authorize: "Let in the application of",
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

/** What was done, and to what, in words; an action that is not known here by its name. */
export function deedText(entry: AuditEntry): string {
  const action = actions[entry.action] ?? entry.action;
  if (!entry.action.startsWith("sign-")) return `${action} ${targetText(entry.target)}`.trim();
  if (entry.errorCode === "") return action;
  return `Tried to sign in${entry.target ? ` as ${actorText(entry.target)}` : ""}`;
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
