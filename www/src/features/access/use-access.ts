"use client";

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRuntime } from "@/lib/runtime";

export const usersKey = ["access", "users"] as const;
export const apiTokensKey = ["access", "api-tokens"] as const;
export const joinTokensKey = ["access", "join-tokens"] as const;
const auditKey = ["access", "audit"] as const;

/** Others change these too. */
const pollMs = 10_000;

export function useUsers(enabled = true) {
  const { access } = useRuntime();
  return useQuery({
    queryKey: usersKey,
    queryFn: async ({ signal }) => (await access.listUsers({}, { signal })).users,
    refetchInterval: pollMs,
    structuralSharing: false,
    enabled,
  });
}

export function useApiTokens() {
  const { access } = useRuntime();
  return useQuery({
    queryKey: apiTokensKey,
    queryFn: async ({ signal }) => (await access.listApiTokens({}, { signal })).tokens,
    refetchInterval: pollMs,
    structuralSharing: false,
  });
}

export function useJoinTokens() {
  const { access } = useRuntime();
  return useQuery({
    queryKey: joinTokensKey,
    queryFn: async ({ signal }) => (await access.listJoinTokens({}, { signal })).tokens,
    refetchInterval: pollMs,
    structuralSharing: false,
  });
}

const auditPage = 50;

/** The audit log from the newest; older entries come by fetchNextPage. */
export function useAudit(search: string) {
  const { access } = useRuntime();
  return useInfiniteQuery({
    queryKey: [...auditKey, search],
    initialPageParam: 0n,
    queryFn: ({ pageParam, signal }) =>
      access.listAuditEntries({ before: pageParam, pageSize: auditPage, search }, { signal }),
    getNextPageParam: (page) => (page.more ? page.entries.at(-1)?.id : undefined),
    structuralSharing: false,
  });
}

/** A change of who has access; lists are read anew after it, whether it succeeded or not. */
export function useChange<In, Out>(change: (input: In) => Promise<Out>, onSuccess?: (out: Out) => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess,
    onSettled: () => void client.invalidateQueries({ queryKey: ["access"] }),
  });
}
