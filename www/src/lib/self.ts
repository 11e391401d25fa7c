"use client";

import { useQuery } from "@tanstack/react-query";
import { Role } from "@/gen/sonde/v1/access_pb";
import { useRuntime } from "./runtime";

export const selfKey = ["self"] as const;

/** Who is signed in, and how the server is reached. */
export function useSelf() {
  const { access } = useRuntime();
  return useQuery({
    queryKey: selfKey,
    queryFn: ({ signal }) => access.getSelf({}, { signal }),
    staleTime: 60_000,
    structuralSharing: false,
  });
}

/**
 * Whether to offer what needs a role. While it is not known who is signed in,
 * nothing is offered; when that cannot be found out, the server has the last word.
 */
export function useCan(need: Role): boolean {
  const self = useSelf();
  if (self.data) return self.data.role >= need;
  return self.isError;
}

export const useCanSteer = () => useCan(Role.OPERATOR);

export const roleTexts: Record<Role, string> = {
  [Role.UNSPECIFIED]: "Nobody",
  [Role.VIEWER]: "Viewer",
  [Role.OPERATOR]: "Operator",
  [Role.ADMIN]: "Admin",
};

/** What each role may do, for people who choose one. */
export const roleChoices = [
  { value: String(Role.VIEWER), text: "Viewer: sees everything" },
  { value: String(Role.OPERATOR), text: "Operator: steers the fleet" },
  { value: String(Role.ADMIN), text: "Admin: decides who has access" },
] as const;
