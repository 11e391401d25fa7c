import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
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

/** What a canvas shows, to be compared with what it shows later. */
function picture(page: Page, chart: string): Promise<string> {
  return page.getByRole("region", { name: chart }).locator("canvas").first().evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());
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
  await expect(page.getByRole("region", { name: chart }).locator("canvas").first()).toBeVisible();
  const before = await picture(page, chart);
  await expect.poll(() => picture(page, chart), { message: "the CPU chart moves" }).not.toBe(before);

  await agent.stop("SIGKILL");
  await expect(page.getByText("Down", { exact: true }), "a killed agent is marked").toBeVisible({ timeout: 5000 });
  sonde.startAgent();
  await expect(page.getByText("Up", { exact: true })).toBeVisible({ timeout: 10_000 });
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
  const answers = page.getByRole("region", { name: "Answers" });
  await expect(answers.getByText("answers a cell")).toBeVisible({ timeout: 45_000 });
  await answers.getByRole("button", { name: /table/i }).click();
  await expect(page.getByRole("dialog").getByRole("row")).not.toHaveCount(0);
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

for (const colorScheme of ["light", "dark"] as const) {
  for (const [device, width] of [
    ["wide", 1440],
    ["phone", 390],
  ] as const) {
    test.describe(`${colorScheme}, ${device}`, () => {
      test.use({ colorScheme, viewport: { width, height: 900 } });

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
}

async function expectNoViolations(page: Page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map((v) => `${page.url()} ${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual([]);
}
