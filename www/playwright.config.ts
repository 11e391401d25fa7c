import { defineConfig } from "@playwright/test";

// One of its own for every run; workers read this file again and inherit it.
process.env.SONDE_DEMO_PORT ??= String(20_000 + (process.pid % 10_000));
const port = Number(process.env.SONDE_DEMO_PORT);

/**
 * Projects: "demo" looks at the static demo, which `npm run build:demo` makes;
 * "system" starts the real programs of ../bin, which `make build` makes;
 * "screenshots" takes the pictures of ../docs/img from the demo.
 */
export default defineConfig({
  testDir: "browser",
  workers: 2,
  // A machine that is busy for a moment is told apart from a fault; what needed it is reported as flaky.
  retries: process.env.CI ? 1 : 0,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  use: {
    actionTimeout: 20_000,
    reducedMotion: "reduce",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    {
      name: "demo",
      testIgnore: ["**/system/**", "**/screenshots/**"],
      fullyParallel: true,
      use: { baseURL: `http://127.0.0.1:${port}` },
    },
    { name: "system", testMatch: "**/system/*.spec.ts", workers: 1 },
    { name: "screenshots", testMatch: "**/screenshots/*.spec.ts", use: { baseURL: `http://127.0.0.1:${port}` } },
  ],
  webServer: { command: `node browser/serve.mjs out-demo ${port}`, port, reuseExistingServer: false },
});
