import { describe, expect, it } from "vitest";
import { makeFleet } from "@/demo/fleet";
import { toMessage } from "@/demo/message";
import { filterAgents, toggleWord } from "./filter";

const now = 1_700_000_000_000;
const agents = makeFleet(24, now / 1000).map((agent) => toMessage(agent, now));
const names = (filter: string) => filterAgents(agents, filter).map((agent) => agent.name);

describe("filterAgents", () => {
  it("shows all without words", () => {
    expect(names("  ")).toHaveLength(24);
  });
  it("finds names, whatever the case", () => {
    expect(names("DB-FRA")).toEqual(["db-fra-01"]);
  });
  it("finds labels by value, by its beginning and by its absence", () => {
    expect(names("role=db")).toEqual(["db-fra-01", "db-ams-01", "db-hel-01", "db-lon-01"]);
    expect(names("role=d*")).toEqual(names("role=db"));
    expect(names("role!=db")).toHaveLength(20);
    expect(names("rack=")).toHaveLength(24);
    expect(names("rack=1")).toHaveLength(0);
  });
  it("finds states, with all words holding", () => {
    expect(names("down")).toEqual(["web-ams-01"]);
    expect(names("state:late")).toEqual(["worker-fra-01"]);
    expect(names("down role=db")).toEqual([]);
  });
});

describe("toggleWord", () => {
  it.each([
    ["", "down", "down"],
    ["down", "down", ""],
    ["env=prod up", "down", "env=prod down"],
    ["web", "env=prod", "web env=prod"],
    ["web state=down", "down", "web"],
    ["State:Down env=prod", "down", "env=prod"],
    ["DOWN", "down", ""],
    ["state=late web", "down", "web down"],
    ["state=web", "down", "state=web down"],
  ])("%j with %j is %j", (filter, word, want) => {
    expect(toggleWord(filter, word)).toBe(want);
  });
});
