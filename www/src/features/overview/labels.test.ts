import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { checkLabels } from "@/lib/labels";
import { fieldErrors } from "./labels";

const rows = (...pairs: [string, string][]) => pairs.map(([name, value], id) => ({ id, name, value }));

describe("checkLabels", () => {
  it("leaves out empty rows and spaces around", () => {
    expect(checkLabels(rows(["env", " prod "], ["", ""]))).toEqual({ labels: { env: "prod" } });
  });
  it.each([
    [rows(["", "x"]), "no name"],
    [rows(["1a", "x"]), "no label name"],
    [rows(["agent", "x"]), "belongs to the server"],
    [rows(["__x", "x"]), "belongs to the server"],
    [rows(["a", "x"], ["a", "y"]), "twice"],
    [rows(["a", "ä".repeat(129)]), "longer than 256 bytes"],
    [rows(...Array.from({ length: 33 }, (_, i): [string, string] => [`l${i}`, ""]), ["l34", "x"]), "at most 32"],
  ])("refuses %j", (labels, problem) => {
    expect(checkLabels(labels).problem).toContain(problem);
  });
});

describe("fieldErrors", () => {
  it.each([
    [new ConnectError("name is taken", Code.AlreadyExists), { name: "name is taken" }],
    [new ConnectError("name: too long", Code.InvalidArgument), { name: "name: too long" }],
    [new ConnectError("labels: too many", Code.InvalidArgument), { labels: "labels: too many" }],
    [new ConnectError("", Code.Unavailable), { form: "The server cannot be reached." }],
  ])("%s", (error, want) => {
    expect(fieldErrors(error)).toEqual(want);
  });
});
