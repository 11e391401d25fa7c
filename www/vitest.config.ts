import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  oxc: { jsx: { runtime: "automatic" } },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.{ts,tsx}"],
    // Generous, because machines that test are often busy; nothing waits that long when all is well.
    testTimeout: 20_000,
    setupFiles: ["src/lib/testing/setup.ts"],
  },
});
