import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

/** True in the static demo, which answers every call in memory. */
export const isDemo = process.env.NEXT_PUBLIC_SONDE_DEMO === "1";

/** The transport of this build: its own server, or the demo, which is loaded at its first call. */
export function createTransport(baseUrl = "/"): Transport {
  // Compared here and not by isDemo, so that the demo is left out of the bundle of other builds.
  if (process.env.NEXT_PUBLIC_SONDE_DEMO === "1") {
    return lazyTransport(() => import("@/demo/transport").then((demo) => demo.createDemoTransport()));
  }
  return createConnectTransport({ baseUrl, useBinaryFormat: true });
}

function lazyTransport(load: () => Promise<Transport>): Transport {
  let loaded: Promise<Transport> | undefined;
  const transport = () => {
    loaded ??= load();
    return loaded;
  };
  return {
    unary: async (...args) => (await transport()).unary(...args),
    stream: async (...args) => (await transport()).stream(...args),
  };
}
