import { expect, type Page, test } from "@playwright/test";
import { devices, expectNoViolations, inDialog } from "./checks";

/** Opens the overview and waits until it can be used. */
async function open(page: Page, path = "/") {
  await page.goto(path);
  await expect(page.getByText("cache-ams-01").filter({ visible: true }).first()).toBeVisible();
}

for (const { name, viewport } of devices) {
  test.describe(name, () => {
    test.use({ viewport });

    test("the overview has no axe violations", async ({ page }) => {
      await open(page);
      await expect(page.getByText("Live", { exact: true }).filter({ visible: true })).toBeVisible();
      await expectNoViolations(page);
    });

    test("menus and dialogs have no axe violations", async ({ page }) => {
      await open(page);
      await page.getByRole("button", { name: "Actions for cache-ams-01" }).click();
      await expect(page.getByRole("menu")).toBeVisible();
      await expectNoViolations(page, "[role=menu]");
      await page.getByRole("menuitem", { name: "Name and labels" }).click();
      await expect(page.getByRole("dialog")).toBeVisible();
      await expectNoViolations(page, inDialog);
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+k");
      await expect(page.getByRole("combobox")).toBeFocused();
      await expectNoViolations(page, inDialog);
      await page.keyboard.press("Escape");
      await expect(page.getByRole("dialog")).toHaveCount(0);
      await page.keyboard.press("?");
      await expect(page.getByRole("dialog", { name: "Keyboard" })).toBeVisible();
      await expectNoViolations(page, inDialog);
    });
  });
}

test.describe("wide", () => {
  test.use({ viewport: { width: 1440, height: 900 } });

  test("values move", async ({ page }) => {
    await open(page);
    const row = page.getByRole("row").filter({ hasText: "cache-ams-01" });
    await expect(row).toContainText("%");
    const before = await row.innerText();
    await expect.poll(() => row.innerText(), { timeout: 10_000 }).not.toBe(before);
  });

  test("a filter and a sort live in the URL", async ({ page }) => {
    await open(page);
    await page.keyboard.press("/");
    await page.keyboard.type("role=db");
    await expect(page.getByRole("row")).toHaveCount(5);
    await page.getByRole("button", { name: "Memory" }).click();
    await expect(page).toHaveURL(/q=role(=|%3D)db/);
    await expect(page).toHaveURL(/sort=-memory/);
    await page.reload();
    await expect(page.getByRole("row")).toHaveCount(5);
    await expect(page.getByRole("columnheader", { name: "Memory" })).toHaveAttribute("aria-sort", "descending");
  });

  test("states filter", async ({ page }) => {
    await open(page);
    await page.getByRole("button", { name: "1 down" }).click();
    await expect(page.getByRole("row")).toHaveCount(2);
    await page.getByLabel("Filter hosts").fill("nothing-is-called-so");
    await page.getByRole("button", { name: "Clear the filter" }).first().click();
    await expect(page.getByText("cache-ams-01").first()).toBeVisible();
  });

  test("a host is renamed, and a taken name is refused", async ({ page }) => {
    await open(page);
    await page.getByRole("button", { name: "Actions for cache-ams-01" }).click();
    await page.getByRole("menuitem", { name: "Name and labels" }).click();
    const name = page.getByLabel("Name", { exact: true });
    await name.fill("db-fra-01");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByText("is taken by another agent")).toBeVisible();
    await expect(name).toHaveAttribute("aria-invalid", "true");
    await name.fill("aaa-first");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByRole("dialog")).toBeHidden();
    await expect(page.getByRole("link", { name: "aaa-first" }).first()).toBeVisible();
  });

  test("a host is removed", async ({ page }) => {
    await open(page);
    await page.getByRole("button", { name: "Actions for cache-ams-01" }).click();
    await page.getByRole("menuitem", { name: "Remove" }).click();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await expect(page.getByRole("row").filter({ hasText: "cache-ams-01" })).toHaveCount(0);
  });

  test("the palette leads to a host", async ({ page }) => {
    await open(page);
    await page.keyboard.press("Control+k");
    await page.keyboard.type("edge-hel");
    await expect(page.getByRole("option")).toHaveCount(1);
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(/\/host\?id=/);
  });

  test("a thousand hosts are there, and only those on the screen are drawn", async ({ page }) => {
    await page.goto("/?agents=1000");
    await expect(page.getByRole("row").nth(3)).toBeVisible();
    expect(await page.getByRole("row").count()).toBeLessThan(60);
    await expect(page.getByRole("table")).toHaveAttribute("aria-rowcount", "1001");
    await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
    await expect(page.getByText("worker-lon").last()).toBeVisible();
  });
});
