import { describe, expect, it } from "vitest";
import { withRange } from "./use-time-range";

describe("withRange", () => {
  it.each([
    ["/latency", "?id=a&from=1700000000000&to=1700000900000", "/latency?from=1700000000000&to=1700000900000"],
    ["/host?id=b#latency", "?probe=p&from=now-1h", "/host?id=b&from=now-1h#latency"],
    ["/host?id=b", "?probe=p", "/host?id=b"],
    ["/host?id=b", "", "/host?id=b"],
  ])("%s from %j is %s", (href, search, want) => {
    expect(withRange(href, search)).toBe(want);
  });

  it("leaves the rest of the link as it means", () => {
    const probe = "a~http~web%20%7E%201~https%3A%2F%2Fexample.com%2F%3Fa%3Db+c%26d%23e";
    const href = withRange(`/latency?probe=${encodeURIComponent(probe)}`, "?from=now-1h");
    expect(Object.fromEntries(new URL(href, "http://host").searchParams)).toEqual({ probe, from: "now-1h" });
  });
});
