import { statSync } from "node:fs";
import { resolve } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { devices, themes } from "../checks";

const folder = resolve(import.meta.dirname, "../../../docs/img");
const most = 250_000;

/** The demo's values follow from the time alone, so pictures of one time are alike. */
const start = new Date("2026-03-03T09:30:00Z");
const still = new Date("2026-03-03T09:31:00Z");
const later = new Date("2026-03-03T09:33:00Z");

/** Lets what came in until then be read and drawn, after which nothing moves. */
async function picture(page: Page, name: string, at = still) {
  await page.mouse.move(0, 0);
  await page.clock.pauseAt(at);
  for (let i = 0; i < 8; i++) await page.clock.runFor(500);
  const path = resolve(folder, `${name}.png`);
  await page.screenshot({ path, animations: "disabled", caret: "hide" });
  expect(statSync(path).size, path).toBeLessThan(most);
}

for (const [colorScheme, { name, viewport }] of themes.flatMap((theme) =>
  devices.map((device) => [theme, device] as const),
)) {
  const suffix = `${colorScheme}-${name}`;
  test.describe(suffix, () => {
    test.use({ colorScheme, viewport, timezoneId: "UTC", locale: "en-GB" });
    test.beforeEach(async ({ page }) => {
      await page.clock.install({ time: start });
      await page.goto("/");
      await expect(page.getByText("cache-ams-01").filter({ visible: true }).first()).toBeVisible();
      await expect(page.getByText("Live", { exact: true }).filter({ visible: true }).first()).toBeVisible();
    });

    test("overview", async ({ page }) => {
      await picture(page, `overview-${suffix}`);
    });

    test("host", async ({ page }) => {
      const link = page.getByRole("link", { name: "cache-ams-01" }).filter({ visible: true }).first();
      await page.goto(`${await link.getAttribute("href")}&from=now-15m`);
      await expect(
        page.getByRole("figure", { name: "CPU by mode" }).or(page.getByText("resolver")).first(),
      ).toBeVisible();
      await picture(page, `host-${suffix}`);
    });

    test("time range", async ({ page }) => {
      await page.goto("/latency?from=now-1h");
      await expect(page.getByRole("rowheader").first()).toBeVisible();
      await page.getByRole("button", { name: "Time range: Last 1h" }).click();
      await expect(page.getByRole("button", { name: "Last 365d" })).toBeVisible();
      await picture(page, `range-${suffix}`);
    });

    test("configuration", async ({ page }) => {
      await page.goto("/config");
      await expect(page.getByRole("tabpanel", { name: "Policies" })).toBeVisible();
      await picture(page, `config-${suffix}`);
    });

    test("access", async ({ page }) => {
      await page.goto("/access");
      await expect(page.getByRole("table", { name: "Users" })).toBeVisible();
      await picture(page, `access-${suffix}`);
    });

    test("a host with a gap", async ({ page }) => {
      await page.goto("/host?id=0192f3a0-7c00-7000-8000-00000000000a&from=now-15m#cpu");
      await expect(page.getByRole("list", { name: "Gaps" })).toContainText("samples dropped by the agent: spool full");
      await expect(page.getByRole("figure", { name: "CPU by mode" })).toBeVisible();
      await picture(page, `gap-${suffix}`);
    });

    test("latency and a probe", async ({ page }) => {
      await page.goto("/latency?from=now-1h");
      await expect(page.getByRole("rowheader").first()).toBeVisible();
      await picture(page, `latency-${suffix}`);
      await page.clock.resume();
      await page.getByRole("rowheader").getByRole("button").first().click();
      await expect(page.getByRole("figure", { name: "Answers" }).locator("canvas").first()).toBeVisible();
      await picture(page, `probe-${suffix}`, later);
    });
  });
}
