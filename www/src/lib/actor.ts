const kinds: Record<string, string> = {
  agent: "host",
  user: "user",
  token: "API token",
  "join-token": "join token",
  origin: "origin",
};

/** What something was done to: "agent:web-1" as "host web-1". */
export function targetText(target: string): string {
  const at = target.indexOf(":");
  if (at < 0) return target === "config" ? "the configuration" : target;
  const kind = kinds[target.slice(0, at)];
  return kind ? `${kind} ${target.slice(at + 1)}` : target;
}

/** Who did it: "user:ada" as "ada". */
export function actorText(actor: string): string {
  if (actor === "") return "a stranger";
  if (actor === "link") return "start link";
  return actor.startsWith("user:") ? actor.slice(5) : targetText(actor);
}
