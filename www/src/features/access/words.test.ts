import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { AuditEntrySchema, JoinTokenSchema } from "@/gen/sonde/v1/access_pb";
import { actorText, targetText } from "@/lib/actor";
import { nameProblem } from "./name";
import { deedText, endText, joinTokenState, usesText } from "./words";

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

  it.each([
    [{ action: "FleetService.RemoveAgent", target: "agent:web-1" }, "Removed host web-1"],
    [{ action: "ConfigService.RollBack", target: "config" }, "Rolled back the configuration"],
    [{ action: "New.Thing", target: "x" }, "New.Thing x"],
    [{ action: "sign-in", target: "user:ada" }, "Signed in"],
    [{ action: "sign-in", target: "user:ada", errorCode: "unauthenticated" }, "Tried to sign in as ada"],
    [{ action: "sign-in-link", errorCode: "unauthenticated" }, "Tried to sign in"],
  ])("says of %j: %s", (entry, want) => expect(deedText(create(AuditEntrySchema, entry))).toBe(want));

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
