import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { Sonde } from "./sonde";

const www = resolve(import.meta.dirname, "../..");

/** A static host of another site than the server's, whose address is 127.0.0.1. */
class StaticHost {
  private readonly root = mkdtempSync(join(tmpdir(), "sonde-static-"));
  private process?: ChildProcess;
  origin = "";

  async start(): Promise<void> {
    const port = await freePort();
    this.origin = `http://localhost:${port}`;
    cpSync(join(www, "out"), this.root, { recursive: true });
    this.process = spawn("node", [join(www, "browser/serve.mjs"), this.root, String(port)], { stdio: "ignore" });
    await expect
      .poll(() =>
        fetch(this.origin).then(
          (answer) => answer.ok,
          () => false,
        ),
      )
      .toBe(true);
  }

  configure(text: string): void {
    writeFileSync(join(this.root, "config.json"), text);
  }

  stop(): void {
    this.process?.kill("SIGKILL");
    rmSync(this.root, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address ? address.port : 0;
      server.close(() => done(port));
    });
  });
}

let sonde: Sonde;
let host: StaticHost;
test.beforeEach(async () => {
  sonde = new Sonde();
  host = new StaticHost();
  await host.start();
});
test.afterEach(async () => {
  host.stop();
  await sonde.stop();
});

async function signInByToken(page: Page): Promise<void> {
  await page.getByText("No name and password yet?").click();
  await page.getByLabel("Or paste an API token").fill(sonde.adminToken);
  await page.getByRole("button", { name: "Sign in with the token" }).click();
}

test("the application of a static host signs in at the server, shows live values and signs out", async ({
  context,
}) => {
  await sonde.startServer("--web-origins", host.origin);
  sonde.startAgent();
  host.configure(JSON.stringify({ server: sonde.url }));

  const page = await context.newPage();
  await page.goto(`${host.origin}/latency?from=now-5m#list`);
  await expect(page, "passwords are typed at the server").toHaveURL(new RegExp(`^${sonde.url}/authorize`));
  await signInByToken(page);
  await expect(page, "back at the page, without a code").toHaveURL(`${host.origin}/latency?from=now-5m#list`);
  await page.getByRole("link", { name: "Overview" }).click();
  await expect(page.getByText("Up", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: "Live" }).filter({ visible: true })).toBeVisible();

  await page.reload();
  await expect(page.getByText("Up", { exact: true })).toBeVisible();
  expect(await page.evaluate(() => document.cookie), "no secret that scripts of other tabs see").toBe("");

  const other = await context.newPage();
  await other.goto(host.origin);
  await expect(other.getByText("Up", { exact: true }), "known at the server, let in without being asked").toBeVisible();
  await other.getByRole("button", { name: /^Account: / }).click();
  await other.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(other).toHaveURL(new RegExp(`^${sonde.url}/authorize`));
  await expect(page, "the other tab learns of it").toHaveURL(new RegExp(`^${sonde.url}/authorize`), {
    timeout: 30_000,
  });
});

test("an origin that the server does not name gets in nowhere, and is told so", async ({ page }) => {
  await sonde.startServer("--web-origins", "https://sonde.example");
  host.configure(JSON.stringify({ server: sonde.url }));
  await page.goto(host.origin);
  await expect(page.getByText(`does not know the origin of ${host.origin}/`)).toBeVisible();
});

test("a config.json that cannot be read is named on the page", async ({ page }) => {
  host.configure(JSON.stringify({ server: "sonde.example" }));
  await page.goto(host.origin);
  await expect(page.getByText('server: "sonde.example" is not an origin').first()).toBeVisible();
});
