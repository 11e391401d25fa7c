import { createRouterTransport, type Transport } from "@connectrpc/connect";

export function createDemoTransport(): Transport {
  return createRouterTransport(() => {});
}
