import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { JoinTokenSchema } from "@/gen/sonde/v1/access_pb";
import { nameProblem } from "./name";
import { actorText, endText, joinTokenState, targetText, usesText } from "./words";

describe("words", () => {
  it.each([
    ["agent:web-1", "host web-1"],
    ["join-token:rack:7", "join token rack:7"],
    ["config", "the configuration"],
    ["else:x", "else:x"],
  ])("calls the target %s %s", (target, want) => expect(targetText(target)).toBe(want));

  it.each([
    ["user:ada", "ada"],
    ["token:ci", "API token ci"],
    ["link", "start link"],
    ["", "a stranger"],
  ])("calls the actor %j %s", (actor, want) => expect(actorText(actor)).toBe(want));

  it("says how a join token stands", () => {
    const token = (part: object) => create(JoinTokenSchema, { uses: 1, ...part });
    expect(joinTokenState(token({}), 1000)).toBe("works");
    expect(joinTokenState(token({ usesLeft: 0 }), 1000)).toBe("used up");
    expect(joinTokenState(token({ expiresAt: timestampFromMs(1000) }), 1000)).toBe("expired");
    expect(usesText(token({ usesLeft: 2 }))).toBe("1 of 3 hosts");
    expect(usesText(token({}))).toBe("1 host, any number may follow");
  });

  it("says when something ends", () => {
    expect(endText(undefined, 0)).toBe("never");
    expect(endText(timestampFromMs(7_200_000), 0)).toBe("in 2 h");
    expect(endText(timestampFromMs(0), 120_000)).toBe("2 min ago");
  });
});

describe("nameProblem", () => {
  it.each(["ada", "a.b_c-d@e+F9", "x".repeat(64)])("takes %s", (name) => expect(nameProblem(name)).toBeUndefined());
  it.each([
    ["", "needed"],
    ["a b", '" "'],
    ["ä", '"ä"'],
    ["x".repeat(65), "65"],
  ])("refuses %j", (name, why) => expect(nameProblem(name)).toContain(why));
});
