import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "@playwright/test";
import { Sonde } from "./sonde";

const bin = resolve(import.meta.dirname, "../../../bin");

let sonde: Sonde;
test.beforeEach(() => {
  sonde = new Sonde();
});
test.afterEach(async () => {
  await sonde.stop();
});

test("a viewer is invited and can change nothing", async ({ page, browser }) => {
  const { link } = await sonde.startServer();
  sonde.startAgent();
  await page.goto(link);
  await page.getByRole("link", { name: "Access" }).click();
  await expect(page.getByText("Create an account of your own")).toBeVisible();
  await page.getByRole("button", { name: "Invite a person" }).click();
  await page.getByLabel("Name", { exact: true }).fill("vera");
  await page.getByLabel("Role").selectOption({ label: "Viewer: sees everything" });
  await page.getByRole("button", { name: "Invite", exact: true }).click();
  const invitation = await page.getByLabel("Sign-in link", { exact: true }).inputValue();
  await page.getByRole("button", { name: "I have it" }).click();
  await expect(page.getByRole("row").filter({ hasText: "vera" })).toContainText("Link only");

  const other = await browser.newContext();
  const vera = await other.newPage();
  await vera.goto(invitation);
  const dialog = vera.getByRole("dialog", { name: "Welcome, vera" });
  await dialog.getByLabel("New password", { exact: true }).fill("a password of vera's");
  await dialog.getByLabel("New password once more").fill("a password of vera's");
  await dialog.getByRole("button", { name: "Set the password" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(vera.getByText("Up", { exact: true })).toBeVisible();
  await expect(vera.getByRole("button", { name: /^(Add a host|Actions for)/ })).toHaveCount(0);
  await expect(vera.getByRole("link", { name: "Access" })).toHaveCount(0);

  // Nor when the page is passed by.
  const forced = await vera.evaluate(async () => {
    const response = await fetch("/sonde.v1.ConfigService/ApplyConfig", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    return { status: response.status, body: await response.json() };
  });
  expect(forced.status).toBe(403);
  expect(forced.body.code).toBe("permission_denied");

  // The password works in a browser that has never been here.
  const third = await browser.newContext();
  const again = await third.newPage();
  await again.goto(sonde.url);
  await again.getByLabel("Name").fill("VERA");
  await again.getByLabel("Password", { exact: true }).fill("a password of vera's");
  await again.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(again.getByRole("button", { name: "Account: vera, Viewer" })).toBeVisible();

  // Disabled, she is out at once.
  await page.getByRole("button", { name: "Actions for vera" }).click();
  await page.getByRole("menuitem", { name: "Disable" }).click();
  await expect(page.getByRole("row").filter({ hasText: "vera" })).toContainText("Disabled");
  await again.reload();
  await expect(again.getByLabel("Password", { exact: true })).toBeVisible();

  await page.getByRole("tab", { name: "Audit log" }).click();
  const log = page.getByRole("table", { name: "Audit log" });
  await expect(log.getByText("Invited user vera")).toBeVisible();
  await expect(log.getByRole("row").filter({ hasText: "Refused: permission denied" })).toContainText("vera");
  await other.close();
  await third.close();
});

test("a host is added by the command that is shown", async ({ page }) => {
  const { link } = await sonde.startServer();
  await page.goto(link);
  await page.getByRole("button", { name: "Add a host" }).click();
  await page.getByRole("button", { name: "Add a label" }).click();
  await page.getByLabel("Name of label 1").fill("rack");
  await page.getByLabel("Value of label 1").fill("7");
  await page.getByRole("button", { name: "Show the command" }).click();
  await page.getByRole("tab", { name: "Binary" }).click();
  const command = await page.getByLabel("Command for Binary", { exact: true }).inputValue();
  await expect(page.getByText("Waiting for the host")).toBeVisible();

  const state = mkdtempSync(join(tmpdir(), "sonde-added-"));
  const agent = spawn("sh", ["-c", `exec env ${command}`], {
    env: {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}`,
      SONDE_AGENT_STATE_DIR: state,
      SONDE_AGENT_DEFAULT_PROBES: "server",
    },
    stdio: "ignore",
  });
  const ended = new Promise((done) => agent.once("exit", done));
  try {
    await expect(page.getByRole("dialog").getByText("is here.")).toBeVisible();
    await page.getByRole("dialog").getByRole("link").click();
    await expect(page.getByRole("list", { name: "Labels" })).toContainText("rack=7");
  } finally {
    agent.kill("SIGKILL");
    await ended;
    rmSync(state, { recursive: true, force: true });
  }
});
