import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { NextConfig } from "next";
import { PHASE_DEVELOPMENT_SERVER } from "next/constants";

const demo = process.env.NEXT_PUBLIC_SONDE_DEMO === "1";
// Where `next dev` finds the server whose data it shows.
const server = process.env.SONDE_SERVER ?? "http://127.0.0.1:7070";

/**
 * A hash of the sources: the same for builds of one tree, which are byte-identical,
 * and another one after a change of them, by which an open tab notices an upgrade.
 */
function buildId(): string {
  const hash = createHash("sha256");
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).map((name) => `src/${name}`);
  for (const path of ["package-lock.json", ...sources.sort()]) {
    if (statSync(path).isFile()) hash.update(path).update("\0").update(readFileSync(path));
  }
  return hash.digest("hex").slice(0, 20);
}

export default function config(phase: string): NextConfig {
  const development = phase === PHASE_DEVELOPMENT_SERVER;
  return {
    generateBuildId: buildId,
    // Static hosting below a path, such as https://example.org/sonde/.
    basePath: process.env.SONDE_BASE_PATH || undefined,
    env: { NEXT_PUBLIC_SONDE_BASE_PATH: process.env.SONDE_BASE_PATH ?? "" },
    reactStrictMode: true,
    poweredByHeader: false,
    images: { unoptimized: true },
    agentRules: false,
    experimental: { agentUpgrade: false },
    ...(development
      ? {
          // The proxy would buffer streams if it compressed them.
          compress: false,
          rewrites: async () =>
            demo
              ? []
              : [
                  { source: "/sonde.v1.:service/:method", destination: `${server}/sonde.v1.:service/:method` },
                  { source: "/login", destination: `${server}/login` },
                  { source: "/logout", destination: `${server}/logout` },
                ],
        }
      : { output: "export", distDir: demo ? "out-demo" : process.env.SONDE_OUT || undefined }),
  };
}
