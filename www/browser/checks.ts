import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

/** The part of a page that a dialog is; what lies behind is the same as without it. */
export const inDialog = "[role=dialog]";

/** What every page is tried on. */
export const devices = [
  { name: "wide", viewport: { width: 1440, height: 900 } },
  { name: "phone", viewport: { width: 390, height: 844 } },
];

export const themes = ["light", "dark"] as const;

/**
 * Neither axe finds a violation in a part of the page, nor is the page wider than the window. Of the dark theme it
 * looks at contrast alone, which is all that a theme changes.
 */
export async function expectNoViolations(page: Page, part = "html") {
  // Pages have no frames, for which else a page is opened each time.
  const axe = () => new AxeBuilder({ page }).setLegacyMode().include(part);
  await expectNone(page, axe());
  await choose(page, "dark");
  await expectNone(page, axe().withRules("color-contrast"));
  await choose(page, "light");
  const { width = 0 } = page.viewportSize() ?? {};
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
}

async function expectNone(page: Page, axe: AxeBuilder) {
  const { violations } = await axe.analyze();
  expect(violations.map((v) => `${page.url()} ${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual(
    [],
  );
}

/** Has the page drawn in a theme. */
async function choose(page: Page, colorScheme: (typeof themes)[number]) {
  await page.emulateMedia({ colorScheme });
  await page.evaluate(async () => {
    for (let frames = 0; frames < 2; frames++) await new Promise(requestAnimationFrame);
  });
}

/** A chart's drawing. */
export function canvas(page: Page, chart: string) {
  return page.getByRole("figure", { name: chart, exact: true }).locator("canvas").first();
}

/** What a chart shows, to be compared with what it shows later. */
export function picture(page: Page, chart: string): Promise<string> {
  return canvas(page, chart).evaluate((element: HTMLCanvasElement) => element.toDataURL());
}

/** The values of a series in the table of a chart, one after the other, the newest first. */
export async function column(page: Page, chart: string, series: string): Promise<string> {
  await page
    .getByRole("figure", { name: chart, exact: true })
    .getByRole("button", { name: /as a table/ })
    .click();
  const dialog = page.getByRole("dialog", { name: chart });
  const table = dialog.getByRole("table").last();
  const values = await table.evaluate((element: HTMLTableElement, name) => {
    const [head, ...rows] = element.rows;
    const at = [...(head?.cells ?? [])].findIndex((cell) => cell.textContent === name);
    return rows.map((row) => row.cells[at]?.textContent ?? "").join("");
  }, series);
  await dialog.getByRole("button", { name: "Close" }).click();
  await expect(dialog).toHaveCount(0);
  return values;
}
