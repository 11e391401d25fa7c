import type { Agent } from "@/gen/sonde/v1/agent_pb";
import { type StateName, stateName } from "@/lib/agents";

type Term =
  | { kind: "state"; state: StateName }
  | { kind: "label"; name: string; value: string; not: boolean }
  | { kind: "text"; text: string };

const states = new Set<string>(["up", "late", "down", "pending"]);

/**
 * Reads a filter: words apart by spaces, all of which must hold. "state=down"
 * or just "down" is a state; "env=prod" and "env!=prod" are labels, where an
 * empty value stands for a label that is not set and * at the end for anything
 * that begins so; everything else is searched for in name, host name and labels.
 */
export function parseFilter(filter: string): Term[] {
  return filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word): Term => {
      const state = stateOf(word);
      if (state) return { kind: "state", state };
      const label = /^([a-z_][a-z0-9_]*)(!?=)(.*)$/.exec(word);
      if (label) {
        return { kind: "label", name: label[1] as string, value: label[3] as string, not: label[2] === "!=" };
      }
      return { kind: "text", text: word };
    });
}

/** The state that a word stands for, if it does for one. */
function stateOf(word: string): StateName | undefined {
  const bare = word.toLowerCase().replace(/^state[=:]/, "");
  return states.has(bare) ? (bare as StateName) : undefined;
}

export function filterAgents(agents: Agent[], filter: string): Agent[] {
  const terms = parseFilter(filter);
  return terms.length === 0 ? agents : agents.filter((agent) => terms.every((term) => holds(term, agent)));
}

function holds(term: Term, agent: Agent): boolean {
  switch (term.kind) {
    case "state":
      return stateName(agent) === term.state;
    case "label": {
      const entry = Object.entries(agent.labels).find(([name]) => name.toLowerCase() === term.name);
      const value = (entry?.[1] ?? "").toLowerCase();
      const same = term.value.endsWith("*") ? value.startsWith(term.value.slice(0, -1)) : value === term.value;
      return same !== term.not;
    }
    case "text": {
      const { text } = term;
      return (
        agent.name.toLowerCase().includes(text) ||
        (agent.host?.hostname ?? "").toLowerCase().includes(text) ||
        Object.entries(agent.labels).some(([name, value]) => `${name}=${value}`.toLowerCase().includes(text))
      );
    }
  }
}

/** The filter with one word put in or, when it is there, taken out. Other states make way for a state. */
export function toggleWord(filter: string, word: string): string {
  const words = filter.split(/\s+/).filter((w) => w !== "");
  const meaning = (w: string) => stateOf(w) ?? w.toLowerCase();
  const rest = words.filter((w) => meaning(w) !== meaning(word));
  if (rest.length < words.length) return rest.join(" ");
  const others = stateOf(word) ? words.filter((w) => !stateOf(w)) : words;
  return [...others, word].join(" ");
}
