import { expect, type Page, test } from "@playwright/test";
import { canvas, column, devices, expectNoViolations, picture } from "./checks";

/** Waits until a chart shows more than its axes. */
async function drawn(page: Page, chart: string) {
  // A chart is made when it comes near the screen, and what is above may still grow.
  await expect(() => canvas(page, chart).scrollIntoViewIfNeeded({ timeout: 1_000 })).toPass({ timeout: 30_000 });
  const colors = () =>
    canvas(page, chart).evaluate((element: HTMLCanvasElement) => {
      const pixels = new Uint32Array(
        element.getContext("2d")?.getImageData(0, 0, element.width, element.height).data.buffer ?? new ArrayBuffer(0),
      );
      return new Set(pixels).size;
    });
  await expect.poll(colors, { message: `${chart} is drawn` }).toBeGreaterThan(8);
}

async function openHost(page: Page) {
  await page.goto("/");
  await page.getByRole("link", { name: "db-fra-01" }).filter({ visible: true }).first().click();
  await expect(page.getByRole("heading", { name: "db-fra-01" })).toBeVisible();
}

/** The probe of one kind that is the first in the list. */
async function openProbe(page: Page, kind: string) {
  await page.goto(`/latency?kind=${kind}`);
  await page.getByRole("rowheader").getByRole("button").first().click();
  await expect(page.getByRole("figure", { name: "Answers" })).toBeVisible();
}

for (const { name, viewport } of devices) {
  test.describe(name, () => {
    test.use({ viewport });

    test("a host's page is drawn and has no axe violations", async ({ page }) => {
      await openHost(page);
      for (const chart of ["CPU by mode", "Each core"]) await drawn(page, chart);
      await page.getByRole("link", { name: "Network" }).click();
      await drawn(page, "Traffic");
      await page.evaluate(() => window.scrollTo(0, 0));
      await expectNoViolations(page);
      await page.getByRole("button", { name: /^Time range:/ }).click();
      await expect(page.getByRole("dialog", { name: "Time range" })).toBeVisible();
      await expectNoViolations(page);
    });

    test("latency pages are drawn and have no axe violations", async ({ page }) => {
      await page.goto("/latency");
      await expect(page.getByRole("rowheader").first()).toBeVisible();
      await expectNoViolations(page);
      await openProbe(page, "http");
      for (const chart of ["Answers", "Latency", "Phases, p99"]) await drawn(page, chart);
      await expectNoViolations(page);
    });
  });
}

test.describe("wide", () => {
  test.use({ viewport: { width: 1440, height: 900 } });

  test("charts move", async ({ page }) => {
    await openHost(page);
    await drawn(page, "CPU by mode");
    const before = await picture(page, "CPU by mode");
    await expect.poll(() => picture(page, "CPU by mode")).not.toBe(before);
  });

  test("the cells of the heatmap hold the answers of their time", async ({ page }) => {
    await openProbe(page, "http");
    await drawn(page, "Answers");
    expect(await column(page, "Answers", "Answers")).toMatch(/^–?\d+/);
    await page.getByRole("button", { name: /p50.*p90.*p99/ }).click();
    await canvas(page, "Answers").hover({ position: { x: 600, y: 150 }, force: true });
    await expect(page.getByRole("figure", { name: "Answers" }).getByText(/\d\d:\d\d:\d\d/)).toBeVisible();
  });

  test("a heatmap of a slow probe has cells too", async ({ page }) => {
    await openProbe(page, "disk");
    await drawn(page, "Answers");
    expect(await column(page, "Answers", "Answers")).toMatch(/[1-9]/);
  });

  test("no share is drawn above 100%", async ({ page }) => {
    await openHost(page);
    await drawn(page, "CPU by mode");
    const user = page.getByRole("figure", { name: "CPU by mode" }).getByRole("img");
    await expect(user).not.toHaveAccessibleName(/1[1-9]\d%/);
  });

  test("the keyboard moves the cursor of a chart, and closes the table", async ({ page }) => {
    await openHost(page);
    await drawn(page, "Load");
    const figure = page.getByRole("figure", { name: "Load", exact: true });
    await figure.getByRole("img").focus();
    await page.keyboard.press("End");
    await page.keyboard.press("ArrowLeft");
    const at = figure.locator("table");
    await expect(at).toBeVisible();
    const newest = await figure.getByText(/\d\d:\d\d:\d\d/).innerText();
    await page.keyboard.press("Shift+ArrowLeft");
    await expect(figure.getByText(/\d\d:\d\d:\d\d/)).not.toHaveText(newest);
    await page.keyboard.press("Escape");
    await expect(at).toHaveCount(0);
    await figure.getByRole("button", { name: /as a table/ }).press("Enter");
    await expect(page.getByRole("dialog", { name: "Load" })).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toHaveCount(0);
  });

  test("the time range lives in the URL, and what it cannot mean is the default", async ({ page }) => {
    await openHost(page);
    await page.getByRole("button", { name: /^Time range:/ }).click();
    await page.getByRole("button", { name: "Last 1h" }).click();
    await expect(page).toHaveURL(/from=now-1h/);
    await page.reload();
    await expect(page.getByRole("button", { name: "Time range: Last 1h" })).toBeVisible();
    await page.goto(page.url().replace("now-1h", "yesterday"));
    await expect(page.getByRole("button", { name: "Time range: Last 5m" })).toBeVisible();
    await drawn(page, "CPU by mode");
  });

  test("the time range goes along to a probe and back, and with the navigation", async ({ page }) => {
    await openHost(page);
    await page.goto(`${page.url()}&from=now-1h&to=now-30m`);
    const range = page.getByRole("button", { name: "Time range: now-1h to now-30m" });
    await page.getByRole("link", { name: /^gateway/ }).click();
    await expect(page.getByRole("figure", { name: "Answers" })).toBeVisible();
    await expect(range).toBeVisible();
    await page.getByRole("link", { name: "db-fra-01" }).click();
    await expect(page.getByRole("heading", { name: "db-fra-01" })).toBeVisible();
    await expect(range).toBeVisible();
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Latency" }).click();
    await expect(page.getByRole("rowheader").first()).toBeVisible();
    await expect(range).toBeVisible();
  });

  test("a link to a section leads to it", async ({ page }) => {
    await openHost(page);
    await page.goto("/");
    const href = await page.getByRole("link", { name: "db-fra-01" }).first().getAttribute("href");
    await page.goto(`${href}#network`);
    await expect(page.getByRole("heading", { name: "Network" })).toBeInViewport();
    await drawn(page, "Traffic");
  });

  test("a host that does not exist is told", async ({ page }) => {
    await page.goto("/host?id=01920000-0000-7000-8000-ffffffffffff");
    await expect(page.getByText("There is no such host")).toBeVisible();
    await expectNoViolations(page);
  });

  test("of a large fleet the list shows the worst, and says so", async ({ page }) => {
    await page.goto("/latency?agents=1000");
    await expect(page.getByText("More probes match than are listed")).toBeVisible();
    await expect(page.getByText(/^\d{3} probes, over 5 min$/)).toBeVisible();
    await page.getByRole("rowheader").getByRole("button").first().click();
    await expect(page.getByRole("figure", { name: "From the 10 slowest hosts, p99" })).toBeVisible();
  });
});
