import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

/** What is tried in both themes and at both sizes. */
export const looks = (["light", "dark"] as const).flatMap((colorScheme) =>
  (
    [
      ["wide", 1440, 900],
      ["phone", 390, 844],
    ] as const
  ).map(([device, width, height]) => ({ name: `${colorScheme}, ${device}`, colorScheme, viewport: { width, height } })),
);

/** Neither axe finds a violation, nor is the page wider than the window. */
export async function expectNoViolations(page: Page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map((v) => `${page.url()} ${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual(
    [],
  );
  const { width = 0 } = page.viewportSize() ?? {};
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
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
