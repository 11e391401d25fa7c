import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { reloadWhenSignedOut, retryDelay, shouldRetry } from "./errors";

export function createQueryClient(): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache({ onError: reloadWhenSignedOut }),
    mutationCache: new MutationCache({ onError: reloadWhenSignedOut }),
    defaultOptions: {
      queries: {
        retry: (failures, error) => shouldRetry(failures + 1, error),
        retryDelay: (failures) => retryDelay(failures + 1),
        staleTime: 5_000,
        // Whether the server is reachable is for the server to say: it may be on this machine.
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
}
