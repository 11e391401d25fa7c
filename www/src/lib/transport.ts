import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { bearer, openSession } from "./session";
import { siteConfig } from "./site-config";

/** True in the static demo, which answers every call in memory. */
export const isDemo = process.env.NEXT_PUBLIC_SONDE_DEMO === "1";

/** The transport of this build: to its server, or the demo, which is loaded at its first call. */
export function createTransport(): Transport {
  // Compared here and not by isDemo, so that the demo is left out of the bundle of other builds.
  if (process.env.NEXT_PUBLIC_SONDE_DEMO === "1") {
    return lazyTransport(() => import("@/demo/transport").then((demo) => demo.createDemoTransport()));
  }
  return lazyTransport(connect);
}

async function connect(): Promise<Transport> {
  const { server } = await siteConfig();
  if (server === "") return createConnectTransport({ baseUrl: "/", useBinaryFormat: true });
  const token = await openSession(server);
  return createConnectTransport({ baseUrl: server, useBinaryFormat: true, interceptors: [bearer(token)] });
}

/** A transport that is made at the first call, again at the next when that failed. */
function lazyTransport(load: () => Promise<Transport>): Transport {
  let loaded: Promise<Transport> | undefined;
  const transport = () => {
    loaded ??= load().catch((error) => {
      loaded = undefined;
      throw error;
    });
    return loaded;
  };
  return {
    unary: async (...args) => (await transport()).unary(...args),
    stream: async (...args) => (await transport()).stream(...args),
  };
}
