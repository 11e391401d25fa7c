import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { Role } from "@/gen/sonde/v1/access_pb";
import { AccessService } from "@/gen/sonde/v1/access_service_pb";
import { FleetService } from "@/gen/sonde/v1/fleet_service_pb";
import { createDemoTransport } from "./transport";

const start = (role: Role) => createClient(AccessService, createDemoTransport({ agents: 12, role }));

async function codeOf(call: Promise<unknown>): Promise<Code> {
  const error = await call.then(
    () => {
      throw new Error("nothing was refused");
    },
    (reason: unknown) => reason,
  );
  return ConnectError.from(error).code;
}

describe("the demo's access", () => {
  it.each([
    ["labels that belong to the server", { labels: { agent: "web" } }, Code.InvalidArgument],
    ["a strange name", { name: "rack 7" }, Code.InvalidArgument],
    ["a life of eleven years", { lifetimeSeconds: 11 * 365 * 86_400 }, Code.InvalidArgument],
    ["a name that is taken", { name: "rack-7" }, Code.AlreadyExists],
    ["an agent that is not there", { agentId: "nobody" }, Code.NotFound],
    ["one agent and labels", { agentId: "nobody", labels: { rack: "7" } }, Code.InvalidArgument],
    ["one agent and two uses", { agentId: "nobody", uses: 2 }, Code.InvalidArgument],
  ])("makes no join token with %s", async (_, request, code) => {
    expect(await codeOf(start(Role.OPERATOR).createJoinToken(request))).toBe(code);
  });

  it("makes nobody and nothing without a role", async () => {
    const access = start(Role.ADMIN);
    expect(await codeOf(access.createUser({ name: "joan" }))).toBe(Code.InvalidArgument);
    expect(await codeOf(access.createApiToken({ name: "joan" }))).toBe(Code.InvalidArgument);
  });

  it("lets nobody take the own role away, or an unknown token be revoked", async () => {
    const access = start(Role.ADMIN);
    const { user } = await access.getSelf({});
    const id = user?.id ?? "";
    expect(await codeOf(access.updateUser({ id, role: Role.VIEWER }))).toBe(Code.FailedPrecondition);
    expect(await codeOf(access.removeUser({ id }))).toBe(Code.FailedPrecondition);
    expect(await codeOf(access.revokeJoinToken({ name: "nothing" }))).toBe(Code.NotFound);
  });

  it("refuses a viewer, and puts that into the audit log", async () => {
    const transport = createDemoTransport({ agents: 12, role: Role.VIEWER });
    const fleet = createClient(FleetService, transport);
    const { agents } = await fleet.listAgents({});
    expect(await codeOf(fleet.removeAgent({ id: agents[0]?.id }))).toBe(Code.PermissionDenied);
    expect((await fleet.listAgents({})).agents).toHaveLength(12);
    expect(await codeOf(createClient(AccessService, transport).listAuditEntries({}))).toBe(Code.PermissionDenied);
  });

  it("gives the audit log page by page, the newest first", async () => {
    const access = start(Role.OPERATOR);
    const first = await access.listAuditEntries({ pageSize: 4 });
    expect(first.more).toBe(true);
    const before = first.entries.at(-1)?.id ?? 0n;
    const rest = await access.listAuditEntries({ pageSize: 1000, before });
    expect(rest.more).toBe(false);
    const ids = [...first.entries, ...rest.entries].map(({ id }) => id);
    expect(ids).toEqual(ids.map((_, i) => BigInt(ids.length - i)));
    expect(await codeOf(access.listAuditEntries({ pageSize: 1001 }))).toBe(Code.InvalidArgument);
  });
});
