import { defineConfig } from "@playwright/test";

const port = 4173;

/**
 * Two projects: "demo" looks at the static demo, which `npm run build:demo`
 * makes; "system" starts the real programs of ../bin, which `make build` makes.
 */
export default defineConfig({
  testDir: "browser",
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  use: {
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
    { name: "demo", testIgnore: "system/**", use: { baseURL: `http://127.0.0.1:${port}` } },
    { name: "system", testMatch: "system/*.spec.ts" },
  ],
  webServer: { command: `node browser/serve.mjs out-demo ${port}`, port, reuseExistingServer: false },
});
