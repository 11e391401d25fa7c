import { expect, type Page, test } from "@playwright/test";
import { devices, expectNoViolations, inDialog } from "./checks";

async function open(page: Page, path = "/config") {
  await page.goto(path);
  await expect(page.getByRole("region", { name: "Rollout" })).toBeVisible();
}

for (const { name, viewport } of devices) {
  test.describe(name, () => {
    test.use({ viewport });

    test("the configuration has no axe violations", async ({ page }) => {
      await open(page);
      await expectNoViolations(page);
      await page.getByRole("button", { name: /^everywhere/ }).click();
      await page.getByLabel("Interval of cpu").fill("1ms");
      await page.getByRole("button", { name: "Add a probe" }).click();
      await page.getByLabel("Kind").last().selectOption("dns");
      await expect(page.getByText("to be mended first")).toBeVisible();
      await expectNoViolations(page);
      await page.getByRole("button", { name: "Remove probe", exact: true }).click();
      await page.getByLabel("Interval of cpu").fill("100ms");
      await page.getByRole("button", { name: "Review and apply" }).click();
      await page.getByText("Some first, then the rest").click();
      await expect(page.getByRole("dialog").getByText("24 of 24 agents would change.")).toBeVisible();
      await expectNoViolations(page, inDialog);
      await page.getByText("All agents at once").click();
      await page.getByRole("button", { name: "Apply", exact: true }).click();
      await expect(page.getByRole("dialog")).toHaveCount(0);
      await expect(page.getByText("2 agents refuse")).toBeVisible();
      await expectNoViolations(page);
      await page.getByRole("tab", { name: "Agents" }).click();
      await page.getByRole("button", { name: /^db-fra-01/ }).click();
      await expect(page.getByRole("table")).toBeVisible();
      await expectNoViolations(page);
      await page.getByRole("tab", { name: "History" }).click();
      await expectNoViolations(page);
      await page.getByRole("button", { name: "Show revision 2" }).click();
      await expect(page.getByText("From here to revision 6")).toBeVisible();
      await expectNoViolations(page, inDialog);
    });
  });
}

test.describe("wide", () => {
  test.use({ viewport: { width: 1440, height: 900 } });

  test("edit, review, apply, and watch it go out", async ({ page }) => {
    await open(page);
    await page.getByRole("button", { name: /^databases/ }).click();
    await page.getByLabel("Interval of cpu").fill("200ms");
    await expect(page.getByText("4 of 24 agents would change.")).toBeVisible();
    await page.getByRole("button", { name: "Review and apply" }).click();
    const dialog = page.getByRole("dialog");
    await expect(dialog.getByRole("region", { name: "Who changes" })).toContainText("4 agents");
    await expect(dialog.getByRole("region", { name: "What changes" })).toContainText(/Collector cpu, interval.*200ms/);
    await dialog.getByLabel("Why").fill("Look closer");
    await dialog.getByRole("button", { name: "Apply", exact: true }).click();

    const rollout = page.getByRole("region", { name: "Rollout" });
    await expect(rollout).toContainText("Revision 6");
    await expect(rollout).toContainText("Rolling out");
    await expect(rollout).toContainText("Look closer");
    await expect(rollout.getByRole("progressbar")).toHaveAttribute("aria-valuetext", /^22 applied/);
    await expect(rollout).toContainText("Done");

    await page.getByRole("tab", { name: "History" }).click();
    await page.getByRole("button", { name: "Roll back to revision 5" }).click();
    await dialog.getByRole("button", { name: "Roll back", exact: true }).click();
    await expect(page.getByText("back to revision 5")).toBeVisible();
    await expect(rollout).toContainText("Revision 7");
  });

  test("a staged rollout that is refused goes back by itself", async ({ page }) => {
    await open(page);
    await page.getByRole("button", { name: /^databases/ }).click();
    await page.getByLabel("Interval of cpu").fill("100ms");
    await page.getByRole("button", { name: "Review and apply" }).click();
    await page.getByText("Some first, then the rest").click();
    await page.getByLabel("Watch each step for").fill("1s");
    await page.getByRole("button", { name: "Apply", exact: true }).click();
    await expect(page.getByRole("region", { name: "Rollout" })).toContainText("Rolled back by itself");
    await page.getByRole("tab", { name: "History" }).click();
    await expect(page.getByText("Failed")).toHaveCount(2);
  });

  test("edits outlive a look at another page", async ({ page }) => {
    await open(page);
    await page.getByRole("button", { name: /^databases/ }).click();
    await page.getByLabel("Priority").fill("15");
    await page.getByRole("link", { name: "Overview" }).click();
    await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
    await page.keyboard.press("g");
    await page.keyboard.press("c");
    await expect(page.getByText("Edited, not applied.")).toBeVisible();
    await expect(page.getByRole("button", { name: /^databases/ })).toContainText("priority 15");
  });

  test("the keyboard is enough", async ({ page }) => {
    await open(page);
    await page.getByRole("tab", { name: "Policies" }).focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("tab", { name: "Agents" })).toHaveAttribute("aria-selected", "true");
    await page.getByRole("button", { name: /^db-fra-01/ }).focus();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("table")).toContainText("From policy");
  });

  test("the page of a host says what is decided for it", async ({ page }) => {
    await page.goto("/host?id=0192f3a0-7c00-7000-8000-000000000002");
    const section = page.getByRole("region", { name: "Configuration" });
    await expect(section.getByRole("row").filter({ hasText: "Collector disk, interval" })).toContainText("databases");
    await section.getByRole("link", { name: "Configuration of the fleet" }).click();
    await expect(page.getByRole("heading", { name: "Configuration" })).toBeVisible();
  });
});
