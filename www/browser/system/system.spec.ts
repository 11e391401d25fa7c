import { expect, type Page, test } from "@playwright/test";
import { canvas, column, devices, expectNoViolations, picture } from "../checks";
import { Sonde } from "./sonde";

let sonde: Sonde;
test.beforeEach(() => {
  sonde = new Sonde();
});
test.afterEach(async () => {
  await sonde.stop();
});

/** Opens the link that the server printed, and waits for the application. */
async function signIn(page: Page, link: string) {
  await page.goto(link);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
}

async function openHost(page: Page) {
  await page.locator("a[href*='/host?id=']").first().click();
  await expect(page.getByText("CPU by mode")).toBeVisible();
}

test("from the printed link to a live chart of this machine", async ({ page }) => {
  const { link } = await sonde.startServer();
  const agent = sonde.startAgent();
  await signIn(page, link);
  await expect(page.getByText("Up", { exact: true })).toBeVisible();

  await openHost(page);
  const chart = "CPU by mode";
  await expect(canvas(page, chart)).toBeVisible();
  const before = await picture(page, chart);
  await expect.poll(() => picture(page, chart), { message: "the CPU chart moves" }).not.toBe(before);
  await expect(async () => {
    expect((await column(page, chart, "User")).match(/%/g)?.length ?? 0).toBeGreaterThan(2);
  }, "there is something for the gap to follow").toPass({ timeout: 15_000 });

  await agent.stop("SIGKILL");
  await expect(page.getByText("Down", { exact: true }), "a killed agent is marked").toBeVisible({ timeout: 5000 });
  // Longer than rate() looks back: what comes after it must not be joined to what was before.
  await expect(page.getByText(/^([89]|1\d) s ago$/)).toBeVisible();
  sonde.startAgent();
  await expect(page.getByText("Up", { exact: true })).toBeVisible({ timeout: 10_000 });
  await expect(async () => {
    expect((await column(page, chart, "User")).replace(/[^–]+/g, "x")).toMatch(/x–+x/);
  }, "the chart has a gap").toPass({ timeout: 15_000 });
});

test("the link works once", async ({ page, browser }) => {
  const { link } = await sonde.startServer();
  await signIn(page, link);
  const other = await browser.newPage();
  await other.goto(link);
  await expect(other.getByText(/unknown|used|expired/i)).toBeVisible();
  await other.close();
});

test("a heatmap with cells", async ({ page }) => {
  const { link } = await sonde.startServer();
  sonde.startAgent();
  await signIn(page, link);
  await expect(page.getByText("Up", { exact: true })).toBeVisible();
  await page.goto(`${sonde.url}/latency`);
  await page.getByText("server-tcp").first().click();
  const answers = page.getByRole("figure", { name: "Answers" });
  await expect(answers.getByText("answers a cell")).toBeVisible({ timeout: 45_000 });
  expect(await column(page, "Answers", "Answers"), "columns hold answers").toMatch(/[1-9]/);
});

test("a server that restarts is reconnected to, and history is still there", async ({ page }) => {
  const { server, link } = await sonde.startServer();
  sonde.startAgent();
  await signIn(page, link);
  await expect(page.getByText("Up", { exact: true })).toBeVisible();
  await server.stop();
  await expect(page.getByText(/reconnecting|offline/i).first()).toBeVisible({ timeout: 15_000 });
  await sonde.startServer();
  await expect(page.getByRole("button", { name: "Live" }).filter({ visible: true })).toBeVisible({ timeout: 20_000 });
  await expect(page.getByText("Up", { exact: true })).toBeVisible({ timeout: 20_000 });
});

test("open pages learn that their host was removed, and that somebody signed out", async ({ page, context }) => {
  const { link } = await sonde.startServer();
  sonde.startAgent();
  await signIn(page, link);
  await openHost(page);
  const other = await context.newPage();
  await other.goto(sonde.url);
  await other.getByRole("button", { name: /^Actions for/ }).click();
  await other.getByRole("menuitem", { name: "Remove" }).click();
  await other.getByRole("button", { name: "Remove", exact: true }).click();
  await expect(page.getByText("There is no such host")).toBeVisible();
  await other.getByRole("button", { name: /^Account: / }).click();
  await other.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(other).toHaveURL(/\/login$/);
  await expect(page.getByLabel("Password", { exact: true })).toBeVisible();
});

for (const { name, viewport } of devices) {
  test.describe(name, () => {
    test.use({ viewport });

    test("no page has axe violations", async ({ page }) => {
      const { link } = await sonde.startServer();
      await page.goto(sonde.url);
      await expectNoViolations(page); // the sign-in page
      await signIn(page, link);
      await expectNoViolations(page); // nothing there yet
      sonde.startAgent();
      await expect(page.getByText("Up", { exact: true }).filter({ visible: true })).toBeVisible();
      await expectNoViolations(page);
      await openHost(page);
      await expectNoViolations(page);
      await page.goto(`${sonde.url}/latency`);
      await page.getByText("server-tcp").filter({ visible: true }).first().click();
      await expect(page.getByText("Answers", { exact: true })).toBeVisible();
      await expectNoViolations(page);
      await page.goto(`${sonde.url}/nowhere`);
      await expectNoViolations(page);
    });
  });
}
