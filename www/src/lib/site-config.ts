import { Code, ConnectError } from "@connectrpc/connect";

/** What config.json beside the pages says. */
export type SiteConfig = {
  /** The origin of the server; "" for the one that the pages come from. */
  server: string;
};

/** Before the path of every file of this build: "" or "/sonde". */
export const basePath = process.env.NEXT_PUBLIC_SONDE_BASE_PATH ?? "";

export const siteConfigPath = `${basePath}/config.json`;

let config: Promise<SiteConfig> | undefined;

/** Reads config.json, once a page; again when that failed. */
export function siteConfig(): Promise<SiteConfig> {
  config ??= read().catch((error) => {
    config = undefined;
    throw error;
  });
  return config;
}

async function read(): Promise<SiteConfig> {
  const answer = await fetch(siteConfigPath);
  if (answer.status >= 500) throw new ConnectError(`config.json: ${answer.status}`, Code.Unavailable);
  // The server's own is for people who are signed in.
  return answer.ok ? parseSiteConfig(await answer.text()) : { server: "" };
}

export function parseSiteConfig(text: string): SiteConfig {
  let server: unknown;
  try {
    server = JSON.parse(text).server ?? "";
  } catch {
    throw wrong("it is not a JSON object");
  }
  if (server === "") return { server };
  const url = typeof server === "string" && URL.canParse(server) ? new URL(server) : undefined;
  if (!url?.protocol.match(/^https?:$/) || `${url.origin}/` !== url.href) {
    throw wrong(`server: ${JSON.stringify(server)} is not an origin such as https://sonde.example:7070`);
  }
  return { server: url.origin };
}

function wrong(what: string): ConnectError {
  return new ConnectError(`config.json, beside these pages: ${what}`, Code.FailedPrecondition);
}
