import { defineConfig } from "@playwright/test";

const port = 4173;

/** Browser tests of the demo; `npm run build:demo` comes first. */
export default defineConfig({
  testDir: "browser",
  workers: 1,
  timeout: 60_000,
  use: {
    baseURL: `http://127.0.0.1:${port}`,
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
  webServer: { command: `node browser/serve.mjs out-demo ${port}`, port, reuseExistingServer: false },
});
