import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { nameProblem } from "@/features/access/name";
import { passwordProblem } from "@/features/account/password";
import {
  type ApiToken,
  ApiTokenSchema,
  type AuditEntry,
  AuditEntrySchema,
  type JoinToken,
  JoinTokenSchema,
  Role,
  type User,
  UserSchema,
} from "@/gen/sonde/v1/access_pb";
import type { AccessService } from "@/gen/sonde/v1/access_service_pb";
import { checkLabels, labelRows } from "@/lib/labels";
import type { DemoAgent } from "./fleet";

type Options = { agents: () => readonly DemoAgent[]; now: () => number; role?: Role };

const hour = 3_600_000;
const day = 24 * hour;

/** An in-memory AccessService. Whoever looks at the demo is the user ada. */
export class DemoAccess {
  readonly #options: Options;
  #users: User[];
  #apiTokens: ApiToken[];
  #joinTokens: JoinToken[];
  #entries: AuditEntry[] = [];
  #password = "correct horse battery";
  #made = 0;

  constructor(options: Options) {
    this.#options = options;
    const ago = (ms: number) => timestampFromMs(options.now() - ms);
    const user = (i: number, part: MessageInitShape<typeof UserSchema>) =>
      create(UserSchema, {
        id: `0192f3a0-7c00-7000-8001-${i.toString(16).padStart(12, "0")}`,
        hasPassword: true,
        createdAt: ago(60 * day),
        ...part,
      });
    this.#users = [
      user(1, { name: "ada", role: options.role ?? Role.ADMIN, lastSignInAt: ago(3 * hour) }),
      user(2, { name: "grace", role: Role.OPERATOR, lastSignInAt: ago(26 * hour) }),
      user(3, {
        name: "linus@example.org",
        role: Role.VIEWER,
        hasPassword: false,
        issuer: "https://id.example.org",
        lastSignInAt: ago(5 * day),
      }),
      user(4, { name: "margaret", role: Role.VIEWER, hasPassword: false, createdAt: ago(2 * hour) }),
    ];
    this.#apiTokens = [
      create(ApiTokenSchema, { name: "bootstrap", role: Role.ADMIN, createdAt: ago(90 * day) }),
      create(ApiTokenSchema, {
        name: "ci",
        role: Role.OPERATOR,
        createdAt: ago(40 * day),
        createdBy: "user:ada",
        expiresAt: ago(-50 * day),
        lastUsedAt: ago(2 * day),
      }),
      create(ApiTokenSchema, {
        name: "grafana",
        role: Role.VIEWER,
        createdAt: ago(59 * day),
        createdBy: "user:ada",
        lastUsedAt: ago(50_000),
      }),
    ];
    this.#joinTokens = [
      create(JoinTokenSchema, { name: "bootstrap", createdAt: ago(90 * day), uses: 12 }),
      create(JoinTokenSchema, {
        name: "rack-7",
        createdAt: ago(30 * day),
        createdBy: "user:grace",
        expiresAt: ago(-5 * day),
        uses: 8,
        usesLeft: 12,
        labels: { site: "ams", env: "prod" },
      }),
      create(JoinTokenSchema, {
        name: "join-20251120-k3v9",
        createdAt: ago(6 * day),
        createdBy: "user:ada",
        expiresAt: ago(6 * day - hour),
        uses: 1,
        usesLeft: 0,
      }),
    ];
    this.#seed(ago);
  }

  #seed(ago: (ms: number) => ReturnType<typeof timestampFromMs>) {
    const past: [number, string, string, string, string, string?][] = [
      [90 * day, "link", "AccessService.CreateUser", "user:ada", "role admin"],
      [59 * day, "user:ada", "AccessService.CreateApiToken", "token:grafana", "role viewer, does not expire"],
      [30 * day, "user:grace", "AccessService.CreateJoinToken", "join-token:rack-7", "20 agents, for 840h0m0s"],
      [29 * day, "join-token:rack-7", "AgentService.Enroll", "agent:web-ams-01", ""],
      [9 * day, "user:grace", "ConfigService.ApplyConfig", "config", "revision 2: Look closer at the databases"],
      [5 * day, "user:linus@example.org", "FleetService.RemoveAgent", "agent:db-fra-01", "", "permission_denied"],
      [26 * hour, "", "sign-in", "user:grace", "", "unauthenticated"],
      [26 * hour - 20_000, "user:grace", "sign-in", "user:grace", ""],
      [2 * hour, "user:ada", "AccessService.CreateUser", "user:margaret", "role viewer"],
      [47 * 60_000, "user:ada", "ConfigService.ApplyConfig", "config", "revision 5: Staging may be coarser"],
    ];
    for (const [ms, actor, action, target, detail, errorCode = ""] of past) {
      this.#record({ time: ago(ms), actor, action, target, detail, errorCode });
    }
  }

  #record(part: MessageInitShape<typeof AuditEntrySchema>) {
    this.#entries.unshift(
      create(AuditEntrySchema, {
        id: BigInt(this.#entries.length + 1),
        time: timestampFromMs(this.#options.now()),
        actor: "user:ada",
        address: "192.0.2.80",
        requestId: `demo-${this.#entries.length + 1}`,
        ...part,
      }),
    );
  }

  get #self(): User {
    return this.#users[0] as User;
  }

  /** Throws unless the visitor has the role, as the server would; what is refused is in the audit log too. */
  require(need: Role, action: string): void {
    if (this.#self.role >= need) return;
    this.#record({ action, errorCode: "permission_denied" });
    throw new ConnectError(
      `this needs the role ${word(need)}, and user:ada has the role ${word(this.#self.role)}`,
      Code.PermissionDenied,
    );
  }

  /** Puts what another service has changed into the audit log. */
  record(action: string, target: string, detail = ""): void {
    this.#record({ action, target, detail });
  }

  #user(id: string): User {
    const user = this.#users.find((u) => u.id === id);
    if (!user) throw new ConnectError(`there is no user "${id}"`, Code.NotFound);
    return user;
  }

  #secret(prefix: string): string {
    this.#made += 1;
    return `${prefix}${`demo-${this.#made}-`.padEnd(43, "0")}`;
  }

  #link() {
    return `/login?code=${this.#secret("sonde_code_")}`;
  }

  readonly service: ServiceImpl<typeof AccessService> = {
    getSelf: () => ({
      name: `user:${this.#self.name}`,
      role: this.#self.role,
      user: this.#self,
      publicUrl: "https://sonde.example:7070",
      ownAuthority: true,
      version: "1.0.0",
    }),
    changePassword: ({ current, new: next }) => {
      if (current !== this.#password) throw new ConnectError("current: the password is wrong", Code.InvalidArgument);
      const problem = passwordProblem(next);
      if (problem) throw new ConnectError(`new: ${problem}`, Code.InvalidArgument);
      this.#password = next;
      this.#record({ action: "AccessService.ChangePassword", target: "user:ada" });
      return {};
    },
    createLoginLink: ({ userId }) => {
      const user = userId ? this.#user(userId) : this.#self;
      if (user !== this.#self) this.require(Role.ADMIN, "AccessService.CreateLoginLink");
      if (user.disabled) throw new ConnectError("the user is disabled", Code.NotFound);
      this.#record({ action: "AccessService.CreateLoginLink", target: `user:${user.name}` });
      return { path: this.#link(), expiresAt: timestampFromMs(this.#options.now() + 15 * 60_000) };
    },
    listUsers: () => {
      this.require(Role.ADMIN, "AccessService.ListUsers");
      return { users: this.#users.toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1)) };
    },
    createUser: ({ name, role }) => {
      this.require(Role.ADMIN, "AccessService.CreateUser");
      checkName(name);
      checkRole(role);
      if (this.#users.some((u) => u.name.toLowerCase() === name.toLowerCase())) {
        throw new ConnectError(`another user has the name "${name}"`, Code.AlreadyExists);
      }
      this.#made += 1;
      const user = create(UserSchema, {
        id: `0192f3a0-7c00-7000-8002-${this.#made.toString(16).padStart(12, "0")}`,
        name,
        role,
        createdAt: timestampFromMs(this.#options.now()),
      });
      this.#users.push(user);
      this.#record({ action: "AccessService.CreateUser", target: `user:${name}`, detail: `role ${word(role)}` });
      return { user, loginPath: this.#link(), loginExpiresAt: timestampFromMs(this.#options.now() + 3 * day) };
    },
    updateUser: ({ id, role, disabled }) => {
      this.require(Role.ADMIN, "AccessService.UpdateUser");
      const user = this.#user(id);
      if (user === this.#self) {
        throw new ConnectError("nobody takes the own role away: let another admin do it", Code.FailedPrecondition);
      }
      if (role !== Role.UNSPECIFIED) user.role = role;
      if (disabled !== undefined) user.disabled = disabled;
      this.#record({ action: "AccessService.UpdateUser", target: `user:${user.name}` });
      return { user };
    },
    removeUser: ({ id }) => {
      this.require(Role.ADMIN, "AccessService.RemoveUser");
      const user = this.#user(id);
      if (user === this.#self) {
        throw new ConnectError("nobody removes himself: let another admin do it", Code.FailedPrecondition);
      }
      this.#users = this.#users.filter((u) => u !== user);
      this.#record({ action: "AccessService.RemoveUser", target: `user:${user.name}` });
      return {};
    },
    listApiTokens: () => {
      this.require(Role.ADMIN, "AccessService.ListApiTokens");
      return { tokens: this.#apiTokens.toSorted(byName) };
    },
    createApiToken: ({ name, role, lifetimeSeconds }) => {
      this.require(Role.ADMIN, "AccessService.CreateApiToken");
      checkName(name);
      checkRole(role);
      checkLifetime(lifetimeSeconds);
      if (this.#apiTokens.some((t) => t.name === name)) {
        throw new ConnectError(`another API token has the name "${name}"`, Code.AlreadyExists);
      }
      const token = create(ApiTokenSchema, { name, role, ...this.#birth(lifetimeSeconds) });
      this.#apiTokens.push(token);
      this.#record({ action: "AccessService.CreateApiToken", target: `token:${name}`, detail: `role ${word(role)}` });
      return { token, secret: this.#secret("sonde_api_") };
    },
    revokeApiToken: ({ name }) => {
      this.require(Role.ADMIN, "AccessService.RevokeApiToken");
      this.#apiTokens = without(this.#apiTokens, name, "API token");
      this.#record({ action: "AccessService.RevokeApiToken", target: `token:${name}` });
      return {};
    },
    listJoinTokens: () => {
      this.require(Role.OPERATOR, "AccessService.ListJoinTokens");
      return { tokens: this.#joinTokens.toSorted(byName) };
    },
    createJoinToken: ({ name, lifetimeSeconds, uses, labels, agentId }) => {
      this.require(Role.OPERATOR, "AccessService.CreateJoinToken");
      if (name) checkName(name);
      checkLifetime(lifetimeSeconds);
      const { problem } = checkLabels(labelRows(labels));
      if (problem) throw new ConnectError(`labels: ${problem}`, Code.InvalidArgument);
      if (agentId && (uses > 1 || Object.keys(labels).length > 0)) {
        throw new ConnectError("agent_id: a token for one agent has one use, and no labels", Code.InvalidArgument);
      }
      if (this.#joinTokens.some((t) => t.name === name)) {
        throw new ConnectError(`another join token has the name "${name}"`, Code.AlreadyExists);
      }
      if (agentId && !this.#options.agents().some((agent) => agent.id === agentId)) {
        throw new ConnectError(`there is no agent ${agentId}`, Code.NotFound);
      }
      this.#made += 1;
      const token = create(JoinTokenSchema, {
        name: name || `join-demo-${this.#made}`,
        ...this.#birth(lifetimeSeconds),
        labels,
        agentId,
        ...(agentId ? { usesLeft: 1 } : uses > 0 ? { usesLeft: uses } : {}),
      });
      this.#joinTokens.push(token);
      this.#record({ action: "AccessService.CreateJoinToken", target: `join-token:${token.name}` });
      return { token, secret: `${this.#secret("sonde_join_")}.${"A".repeat(43)}` };
    },
    revokeJoinToken: ({ name }) => {
      this.require(Role.OPERATOR, "AccessService.RevokeJoinToken");
      this.#joinTokens = without(this.#joinTokens, name, "join token");
      this.#record({ action: "AccessService.RevokeJoinToken", target: `join-token:${name}` });
      return {};
    },
    listAuditEntries: ({ before, pageSize, search }) => {
      this.require(Role.OPERATOR, "AccessService.ListAuditEntries");
      if (pageSize < 0 || pageSize > 1000) {
        throw new ConnectError(`page_size ${pageSize} is out of bounds: want 0 to 1000`, Code.InvalidArgument);
      }
      const wanted = search.toLowerCase();
      const found = this.#entries.filter(
        (e) =>
          (before === 0n || e.id < before) &&
          [e.actor, e.action, e.target, e.detail].some((text) => text.toLowerCase().includes(wanted)),
      );
      const size = pageSize || 100;
      return { entries: found.slice(0, size), more: found.length > size };
    },
  };

  #birth(lifetimeSeconds: number) {
    const createdAt = timestampFromMs(this.#options.now());
    return {
      createdAt,
      createdBy: `user:${this.#self.name}`,
      ...(lifetimeSeconds > 0 ? { expiresAt: timestampFromMs(timestampMs(createdAt) + lifetimeSeconds * 1000) } : {}),
    };
  }
}

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);

const word = (role: Role) => Role[role]?.toLowerCase() ?? "";

function checkName(name: string): void {
  const problem = nameProblem(name);
  if (problem) throw new ConnectError(`name: ${problem}`, Code.InvalidArgument);
}

function checkRole(role: Role): void {
  if (role === Role.UNSPECIFIED) throw new ConnectError("role: none was chosen", Code.InvalidArgument);
}

function checkLifetime(seconds: number): void {
  if (seconds > 10 * 365 * 86_400) {
    throw new ConnectError(`lifetime_seconds ${seconds} is out of bounds: want 0 to ten years`, Code.InvalidArgument);
  }
}

/** The tokens but the one of a name, which must be there and not be one of the server's files. */
function without<T extends { name: string }>(tokens: T[], name: string, kind: string): T[] {
  if (name === "bootstrap") {
    throw new ConnectError("this token stands in a file of the server's data directory", Code.FailedPrecondition);
  }
  if (!tokens.some((t) => t.name === name)) throw new ConnectError(`there is no ${kind} "${name}"`, Code.NotFound);
  return tokens.filter((t) => t.name !== name);
}
