import { ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { parseSiteConfig } from "./site-config";

describe("parseSiteConfig", () => {
  it("takes an origin, with a slash or without", () => {
    for (const server of ["https://sonde.example:7070", "https://sonde.example:7070/"]) {
      expect(parseSiteConfig(JSON.stringify({ server }))).toEqual({ server: "https://sonde.example:7070" });
    }
  });

  it("takes nothing for the origin of the pages", () => {
    for (const text of ["{}", '{"server": ""}', '{"server": null}'])
      expect(parseSiteConfig(text)).toEqual({ server: "" });
  });

  it("names what is wrong", () => {
    for (const server of ["sonde.example", "ftp://sonde.example", "https://sonde.example/x", "https://a?b", 7070]) {
      const read = () => parseSiteConfig(JSON.stringify({ server }));
      expect(read).toThrow(ConnectError);
      expect(read).toThrow(`server: ${JSON.stringify(server)} is not an origin`);
    }
    for (const text of ["<html>", "null"]) expect(() => parseSiteConfig(text)).toThrow("is not a JSON object");
  });
});
