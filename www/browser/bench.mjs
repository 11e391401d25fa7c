// Measures in Chromium what scripts/bench asks for. It prints "ready" once Chromium has started, reads the link that a
// server printed from its input, and prints each figure in milliseconds.
//
//   overview HOSTS RUNS   the overview, each time without a cache
//   first-chart           from the link to a chart of the one host
import { createInterface } from "node:readline";
import { chromium } from "@playwright/test";

const [what, ...args] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
});
const print = (name, value) => process.stdout.write(`${name}: ${value}\n`);
process.stdout.write("ready\n");
const link = await new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve));
const began = Date.now();
try {
  await { overview, "first-chart": firstChart }[what](...args);
} finally {
  await browser.close();
}
process.exit();

async function signIn() {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(link);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  return { context, page };
}

async function overview(hosts, runs) {
  const { context } = await signIn();
  const storageState = await context.storageState();
  await context.close();
  for (let run = 0; run < Number(runs); run++) {
    const fresh = await browser.newContext({ viewport: { width: 1440, height: 900 }, storageState });
    const page = await fresh.newPage();
    await page.goto(new URL("/", link).href, { waitUntil: "commit" });
    // Times are the page's own, since its navigation began.
    print("overview drawn", await since(page, drawn, Number(hosts) + 1));
    const typed = await page.evaluate(() => performance.now());
    await page.keyboard.press("/");
    await page.keyboard.insertText("host-0042");
    print("overview filtered", (await since(page, drawn, 2)) - typed);
    await fresh.close();
  }
}

/** When the page first is as `done` has it. */
async function since(page, done, ...rest) {
  const handle = await page.waitForFunction(done, ...rest, { polling: "raf" });
  return handle.jsonValue();
}

/** Runs in the page: whether the table has so many rows, and values in all that are on the screen. */
function drawn(rows) {
  const table = document.querySelector("table");
  const shown = [...(table?.querySelectorAll("tbody tr[aria-rowindex]") ?? [])];
  const ready = Number(table?.getAttribute("aria-rowcount")) === rows && shown.length > 0;
  return ready && shown.every((row) => row.textContent.includes("%")) && performance.now();
}

async function firstChart() {
  const { page } = await signIn();
  await page.locator("a[href*='/host?id=']").first().click();
  await page.waitForFunction(coloured, undefined, { polling: "raf" });
  print("first chart", Date.now() - began);
}

/** Runs in the page: whether a series is drawn in a chart, since axes and their texts are grey. */
function coloured() {
  return [...document.querySelectorAll("figure canvas, [role=figure] canvas")].some((canvas) => {
    if (canvas.width === 0 || canvas.height === 0) return false;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, alpha] = data.subarray(i, i + 4);
      if (alpha > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 64) return true;
    }
    return false;
  });
}
