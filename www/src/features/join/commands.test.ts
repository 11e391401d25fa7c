import { describe, expect, it } from "vitest";
import { command, platforms, shellQuote } from "./commands";

const join = { server: "https://sonde.example:7070", token: "sonde_join_abc-DEF_1.xyz" };

describe("shellQuote", () => {
  it.each([
    ["https://sonde.example:7070", "https://sonde.example:7070"],
    ["a b", "'a b'"],
    ["$(reboot)", "'$(reboot)'"],
    ["it's", `'it'\\''s'`],
    ["", "''"],
  ])("makes %s the word %s", (text, want) => expect(shellQuote(text)).toBe(want));
});

describe("command", () => {
  it.each(platforms)("for %s has the server and the token", (platform) => {
    expect(command(platform, join)).toContain(join.server);
    expect(command(platform, join)).toContain(join.token);
  });

  // The chart's tests read that file: it must be what Kubernetes takes, and what the chart does.
  it("for Kubernetes is kubernetes.golden.yaml", async () => {
    await expect(command("kubernetes", join)).toMatchFileSnapshot("kubernetes.golden.yaml");
  });

  it("is one line for the binary", () => {
    expect(command("binary", join)).toBe(
      "SONDE_AGENT_JOIN_TOKEN=sonde_join_abc-DEF_1.xyz sonde-agent --server https://sonde.example:7070",
    );
  });

  it("keeps a strange server from being more than a word", () => {
    const server = "https://x.example;reboot";
    expect(command("docker", { ...join, server })).toContain("--server 'https://x.example;reboot' \\");
    expect(command("compose", { ...join, server: 'https://"x' })).toContain('"--server=https://\\"x"');
  });
});
