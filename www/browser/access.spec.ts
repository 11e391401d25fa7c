import { expect, type Page, test } from "@playwright/test";
import { devices, expectNoViolations, inDialog } from "./checks";

const tab = (page: Page, name: string) => page.getByRole("tab", { name });

for (const { name, viewport } of devices) {
  test.describe(name, () => {
    test.use({ viewport });

    test("who has access has no axe violations", async ({ page }) => {
      await page.goto("/access");
      await expect(page.getByRole("table", { name: "Users" })).toBeVisible();
      await expectNoViolations(page);
      await page.getByRole("button", { name: "Invite a person" }).click();
      await page.getByLabel("Name").fill("no spaces");
      await expectNoViolations(page, inDialog);
      await page.getByLabel("Name").fill("katherine");
      await page.getByRole("button", { name: "Invite", exact: true }).click();
      await expect(page.getByLabel("Sign-in link", { exact: true })).toHaveValue(/sonde_code_/);
      await expectNoViolations(page, inDialog);
      await page.getByRole("button", { name: "I have it" }).click();
      for (const [list, table] of [
        ["API tokens", "API tokens"],
        ["Join tokens", "Join tokens"],
        ["Audit log", "Audit log"],
      ] as const) {
        await tab(page, list).click();
        await expect(page.getByRole("table", { name: table })).toBeVisible();
        await expectNoViolations(page);
      }
    });

    test("adding a host has no axe violations", async ({ page }) => {
      await page.goto("/");
      await page.getByRole("button", { name: "Add a host" }).click();
      await page.getByRole("button", { name: "Add a label" }).click();
      await page.getByLabel("Name of label 1").fill("agent");
      await page.getByRole("button", { name: "Show the command" }).click();
      await expect(page.getByText("agent belongs to the server")).toBeVisible();
      await expectNoViolations(page, inDialog);
      await page.getByLabel("Name of label 1").fill("rack");
      await page.getByRole("button", { name: "Show the command" }).click();
      for (const platform of ["Docker", "Compose", "Binary", "Kubernetes"]) {
        await tab(page, platform).click();
        await expect(page.getByLabel(`Command for ${platform}`, { exact: true })).toHaveValue(/sonde_join_/);
        await expectNoViolations(page, inDialog);
      }
    });
  });
}

test.describe("wide", () => {
  test.use({ viewport: { width: 1280, height: 900 } });

  test("names of hosts can be read on a small laptop", async ({ page }) => {
    await page.goto("/");
    const name = page.getByRole("link", { name: "cache-ams-01" }).first();
    await expect(name).toBeVisible();
    expect(await name.evaluate((element) => element.scrollWidth <= element.clientWidth + 1)).toBe(true);
  });

  test("a role, a disabled user and a removed one", async ({ page }) => {
    await page.goto("/access");
    const row = page.getByRole("row").filter({ hasText: "margaret" });
    await row.getByRole("button", { name: "Actions for margaret" }).click();
    await page.getByRole("menuitemradio", { name: "Operator" }).click();
    await expect(row).toContainText("Operator");
    await row.getByRole("button", { name: "Actions for margaret" }).click();
    await page.getByRole("menuitem", { name: "Disable" }).click();
    await expect(row).toContainText("Disabled");
    await row.getByRole("button", { name: "Actions for margaret" }).click();
    await page.getByRole("menuitem", { name: "Remove…" }).click();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await expect(row).toHaveCount(0);
    await tab(page, "Audit log").click();
    await page.getByLabel("Find in the audit log").fill("margaret");
    await expect(page.getByText("Removed user margaret")).toBeVisible();
    await expect(page.getByText("grace")).toHaveCount(0);
  });

  test("a new password is checked while it is typed", async ({ page }) => {
    await page.goto("/");
    await page.getByRole("button", { name: /^Account: ada/ }).click();
    await page.getByRole("menuitem", { name: "Change the password…" }).click();
    await page.getByLabel("New password", { exact: true }).fill("short");
    await expect(page.getByText("5 characters: at least 12 are needed.")).toBeVisible();
    await page.getByLabel("Current password").fill("not this one");
    await page.getByLabel("New password", { exact: true }).fill("long enough now");
    await page.getByLabel("New password once more").fill("long enough now");
    await page.getByRole("button", { name: "Set the password" }).click();
    await expect(page.getByText("This is not the current password.")).toBeVisible();
    await page.getByLabel("Current password").fill("correct horse battery");
    await page.getByRole("button", { name: "Set the password" }).click();
    await expect(page.getByRole("dialog")).toHaveCount(0);
  });

  test("a copied host is told apart, and its credential can be taken away", async ({ page }) => {
    await page.goto("/host?id=0192f3a0-7c00-7000-8000-000000000003");
    await expect(page.getByText("A second machine comes with the credential of this host")).toBeVisible();
    await page.getByRole("button", { name: "Actions for this host" }).click();
    await page.getByRole("menuitem", { name: "Revoke the credential…" }).click();
    await page.getByRole("button", { name: "Revoke", exact: true }).click();
    await expect(page.getByText("Its credential was revoked")).toBeVisible();
    await page.getByRole("button", { name: "Actions for this host" }).click();
    await page.getByRole("menuitem", { name: "Let it in again…" }).click();
    await page.getByRole("button", { name: "Show the command" }).click();
    await expect(page.getByLabel("Command for Docker", { exact: true })).toHaveValue(/sonde_join_/);
  });

  test("a viewer is offered nothing that changes anything", async ({ page }) => {
    const changes =
      /^(Add a host|Actions for|New policy|Duplicate|Remove|Review and apply|Roll back|Invite|New API token|Revoke)/;
    for (const path of [
      "/?role=viewer",
      "/host?role=viewer&id=0192f3a0-7c00-7000-8000-000000000003",
      "/latency?role=viewer",
      "/config?role=viewer",
      "/config?role=viewer&tab=history",
      "/access?role=viewer",
    ]) {
      await page.goto(path);
      await expect(page.getByRole("button", { name: /^Account: ada, Viewer/ })).toBeVisible();
      await expect(page.getByRole("main")).not.toBeEmpty();
      await expect(page.getByRole("button", { name: changes, disabled: false })).toHaveCount(0);
      await expect(page.getByRole("link", { name: "Access" })).toHaveCount(0);
    }
    await page.goto("/config?role=viewer");
    await page.getByRole("button", { name: /^everywhere/ }).click();
    await expect(page.getByLabel("Interval of cpu")).toBeDisabled();
    await expect(page.getByRole("button", { name: changes, disabled: false })).toHaveCount(0);
  });
});
