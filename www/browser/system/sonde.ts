import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const bin = resolve(import.meta.dirname, "../../../bin");

/** A program that runs, with what it has printed. */
class Program {
  output = "";
  private readonly process: ChildProcess;
  private readonly exited: Promise<void>;

  constructor(name: string, args: string[]) {
    this.process = spawn(join(bin, name), args, { stdio: ["ignore", "pipe", "pipe"] });
    const collect = (chunk: Buffer) => {
      this.output += chunk.toString();
    };
    this.process.stdout?.on("data", collect);
    this.process.stderr?.on("data", collect);
    this.exited = new Promise((done) => this.process.once("exit", () => done()));
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.process.kill(signal);
    await this.exited;
  }
}

async function until(what: string, done: () => boolean): Promise<void> {
  for (let end = Date.now() + 30_000; !done(); await new Promise((next) => setTimeout(next, 20))) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
  }
}

/** The real server and agents of it, over folders of their own. */
export class Sonde {
  private readonly dir = mkdtempSync(join(tmpdir(), "sonde-browser-"));
  private readonly data = join(this.dir, "server");
  private programs: Program[] = [];
  url = "";

  get adminToken(): string {
    return readFileSync(join(this.data, "admin-token"), "utf8").trim();
  }

  /** Starts the server, again on the port it had, and returns its link. */
  async startServer(...flags: string[]): Promise<{ server: Program; link: string }> {
    const listen = this.url === "" ? "127.0.0.1:0" : new URL(this.url).host;
    const server = this.start("sonde", ["server", "--data-dir", this.data, "--listen", listen, ...flags]);
    const printed = /http:\/\/\S+\/login\S+/;
    await until("the link", () => printed.test(server.output) && existsSync(join(this.data, "join-token")));
    const link = printed.exec(server.output)?.[0] ?? "";
    this.url = new URL(link).origin;
    return { server, link };
  }

  /** Starts an agent whose probes stay on this machine. */
  startAgent(): Program {
    return this.start("sonde-agent", [
      ...["--server", this.url, "--join-token-file", join(this.data, "join-token")],
      ...["--state-dir", join(this.dir, "agent"), "--default-probes", "server,server-tcp,disk,sched"],
    ]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.programs.map((program) => program.stop("SIGKILL")));
    rmSync(this.dir, { recursive: true, force: true });
  }

  private start(name: string, args: string[]): Program {
    const program = new Program(name, args);
    this.programs.push(program);
    return program;
  }
}
