import { expect, type Page, test } from "@playwright/test";
import { Sonde } from "./sonde";

let sonde: Sonde;
test.beforeEach(() => {
  sonde = new Sonde();
});
test.afterEach(async () => {
  await sonde.stop();
});

const idle = 'node_cpu_seconds_total{cpu="0",mode="idle"}';

/** How many samples of a series there are in its newest five seconds, none while it is younger. */
async function newestPoints(page: Page, series: string): Promise<number> {
  const answer = await page.request.get(`${sonde.url}/api/v1/query`, { params: { query: `${series}[1m]` } });
  expect(answer.ok(), await answer.text()).toBe(true);
  const values: [number, string][] = (await answer.json()).data.result[0]?.values ?? [];
  const [first, newest] = [values[0]?.[0] ?? 0, values.at(-1)?.[0] ?? 0];
  if (newest - first < 5) return 0;
  // A tick may come a little late.
  return new Set(values.map(([at]) => at).filter((at) => newest - at < 4.95)).size;
}

/** The value of a series now. */
async function now(page: Page, expr: string): Promise<string | undefined> {
  const answer = await page.request.get(`${sonde.url}/api/v1/query`, { params: { query: expr } });
  return (await answer.json()).data.result[0]?.value[1];
}

test("an agent is told to measure more often, and to go back", async ({ page }) => {
  const { server, link } = await sonde.startServer();
  const program = sonde.startAgent();
  await page.goto(link);
  await expect(page.getByText("Up", { exact: true })).toBeVisible();
  const points = () => newestPoints(page, idle);
  await expect.poll(points, { message: "a point a second" }).toBe(5);

  await page.getByRole("link", { name: "Configuration" }).click();
  await page.getByRole("button", { name: "New policy" }).click();
  await page.getByLabel("Name", { exact: true }).fill("closer");
  await page.getByLabel("Interval of cpu").fill("200ms");
  await expect(page.getByText("1 agent of 1 would change.")).toBeVisible();
  await page.getByRole("button", { name: "Review and apply" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("region", { name: "Who changes" })).toContainText("200ms");
  await dialog.getByLabel("Why").fill("See five times as much");
  await dialog.getByRole("button", { name: "Apply", exact: true }).click();

  const rollout = page.getByRole("region", { name: "Rollout" });
  await expect(rollout).toContainText("Revision 1");
  await expect(rollout.getByRole("progressbar")).toHaveAttribute("aria-valuetext", /^1 applied/);
  await page.getByRole("tab", { name: "Agents" }).click();
  const agent = page.getByRole("tabpanel", { name: "Agents" }).getByRole("listitem");
  await expect(agent).toContainText("Applied");
  await agent.getByRole("button").click();
  await expect(agent.getByRole("row").filter({ hasText: "Collector cpu, interval" })).toContainText("200mscloser");

  await expect.poll(points, { message: "five points a second" }).toBe(25);
  expect(program.isRunning, "it is the same process").toBe(true);
  expect(server.output.match(/session began.*boot[=":]+[0-9a-f]{32}/g), "of the same boot").toHaveLength(1);
  expect(await now(page, "sonde_agent_reconnects_total")).toBe("0");
  expect(await now(page, "resets(sonde_agent_samples_total[10m])")).toBe("0");

  await page.getByRole("tab", { name: "Policies" }).click();
  await page.getByRole("button", { name: /^closer/ }).click();
  await page.getByLabel("Interval of cpu").fill("500ms");
  await page.getByRole("button", { name: "Review and apply" }).click();
  await expect(dialog.getByRole("region", { name: "Who changes" })).toContainText(/200ms.*500ms/);
  await dialog.getByRole("button", { name: "Apply", exact: true }).click();
  await expect(rollout).toContainText("Revision 2");
  await expect(rollout.getByRole("progressbar")).toHaveAttribute("aria-valuetext", /^1 applied/);

  await page.getByRole("tab", { name: "History" }).click();
  await expect(page.getByText("See five times as much")).toBeVisible();
  await page.getByRole("button", { name: "Roll back to revision 1" }).click();
  await expect(dialog).toContainText(/500ms.*200ms/);
  await dialog.getByText("Some first, then the rest").click();
  await dialog.getByLabel("Steps in percent of the agents").fill("100");
  await dialog.getByLabel("Watch each step for").fill("3s");
  await dialog.getByRole("button", { name: "Roll back", exact: true }).click();
  await expect(page.getByText("back to revision 1")).toBeVisible();
  await expect(rollout).toContainText("step 1 of 1 (100%, each watched for 3s)");
  await expect(rollout).toContainText("Revision 3");
  await expect(rollout.getByRole("progressbar")).toHaveAttribute("aria-valuetext", /^1 applied/);
  await expect.poll(points, { message: "five points a second again" }).toBe(25);
  await page.getByRole("tab", { name: "Agents" }).click();
  await agent.getByRole("button").click();
  await expect(agent.getByRole("row").filter({ hasText: "Collector cpu, interval" })).toContainText("200mscloser");
});

test("what a host forbids is refused, with the reason", async ({ page }) => {
  const { link } = await sonde.startServer();
  sonde.startAgent();
  await page.goto(link);
  await expect(page.getByText("Up", { exact: true })).toBeVisible();

  await page.getByRole("link", { name: "Configuration" }).click();
  await page.getByRole("button", { name: "New policy" }).click();
  await page.getByRole("button", { name: "Add a probe" }).click();
  await page.getByLabel("Name of the probe").fill("root-disk");
  await page.getByLabel("Kind").selectOption("disk");
  await page.getByLabel("Directory").fill("/");
  const review = page.getByRole("button", { name: "Review and apply" });
  const apply = page.getByRole("dialog").getByRole("button", { name: "Apply", exact: true });
  await review.click();
  await apply.click();

  const rollout = page.getByRole("region", { name: "Rollout" });
  await expect(rollout.getByRole("progressbar")).toHaveAttribute("aria-valuetext", /1 rejected$/);
  await expect(rollout).toContainText("One agent refuses");
  await expect(rollout).toContainText("probes.root-disk");
  await rollout.getByRole("link").click();
  const section = page.getByRole("region", { name: "Configuration" });
  await expect(section).toContainText("Rejected");
  await expect(section).toContainText("probes.root-disk");

  // Some first: then the fleet goes back by itself.
  await section.getByRole("link", { name: "Configuration of the fleet" }).click();
  await page.getByRole("button", { name: /^policy/ }).click();
  await page.getByLabel("Directory").fill("/etc");
  await review.click();
  await page.getByText("Some first, then the rest").click();
  await page.getByLabel("Watch each step for").fill("1s");
  await apply.click();
  await page.getByRole("tab", { name: "History" }).click();
  await expect(page.getByText("Failed", { exact: true })).toBeVisible();
  await expect(rollout).toContainText("Revision 3");
});
