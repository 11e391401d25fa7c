/** A machine of the demo. Everything about it follows from its number. */
export type DemoAgent = {
  id: string;
  name: string;
  labels: Record<string, string>;
  /** Of the random choices about this machine. */
  seed: number;
  cpus: number;
  memoryBytes: number;
  osRelease: string;
  kernel: string;
  cpuModel: string;
  arch: string;
  container: string;
  version: string;
  address: string;
  bootedAt: number;
  enrolledAt: number;
  /** Unix seconds since which it has not been heard of. */
  downSince?: number;
  /** Unix seconds between which it had no server and no room. */
  lost?: { from: number; to: number };
  late?: boolean;
  pending?: boolean;
  /** Unix seconds; null once it was revoked. */
  credentialIssuedAt?: number | null;
  /** Somebody copied the machine together with its agent. */
  cloned?: boolean;
};

const roles = ["web", "db", "cache", "worker", "edge", "queue"] as const;
const sites = ["fra", "ams", "hel", "lon"] as const;
const sizes = [2, 4, 8, 16, 32] as const;

/**
 * So many machines. The third has a copy, the fourth is late, the seventh down, the
 * tenth has dropped samples and the last one has never connected, so that every state
 * can be seen.
 */
export function makeFleet(count: number, nowSeconds: number): DemoAgent[] {
  return Array.from({ length: count }, (_, i) => {
    const role = roles[i % roles.length] as string;
    const site = sites[Math.floor(i / roles.length) % sites.length] as string;
    const cpus = sizes[Math.floor(unit(i, 1) * sizes.length)] as number;
    const arm = unit(i, 2) > 0.75;
    return {
      id: `0192f3a0-7c00-7000-8000-${(i + 1).toString(16).padStart(12, "0")}`,
      name: `${role}-${site}-${String(Math.floor(i / (roles.length * sites.length)) + 1).padStart(2, "0")}`,
      labels: { env: unit(i, 3) > 0.25 ? "prod" : "staging", role, site },
      seed: i + 1,
      cpus,
      memoryBytes: cpus * 4 * 1024 ** 3,
      osRelease: unit(i, 4) > 0.5 ? "Debian GNU/Linux 12 (bookworm)" : "Ubuntu 24.04.1 LTS",
      kernel: "6.1.0-26-amd64",
      cpuModel: arm ? "Neoverse-N1" : "AMD EPYC 7543 32-Core Processor",
      arch: arm ? "arm64" : "amd64",
      container: unit(i, 5) > 0.5 ? "docker" : "",
      version: i % 11 === 5 ? "0.9.4" : "1.0.0",
      address: `192.0.2.${(i % 250) + 1}:${40_000 + (i % 20_000)}`,
      bootedAt: nowSeconds - 86_400 * (1 + unit(i, 6) * 200),
      enrolledAt: nowSeconds - 86_400 * (1 + unit(i, 7) * 90),
      ...(i % 40 === 3 ? { late: true } : {}),
      ...(i % 60 === 9 ? { lost: { from: nowSeconds - 420, to: nowSeconds - 150 } } : {}),
      ...(i % 60 === 2 ? { cloned: true } : {}),
      ...(i % 60 === 6 ? { downSince: nowSeconds - 95 - (i % 7) * 60 } : {}),
      ...(count > 3 && i === count - 1 ? { pending: true } : {}),
    };
  });
}

/** A hash of two numbers as a number in [0, 1). */
export function unit(a: number, b: number): number {
  let h = Math.imul(a | 0, 0x9e3779b1) ^ Math.imul((b | 0) + 0x7f4a7c15, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32;
}

/** Smooth noise in [0, 1) that changes over so many seconds. */
export function noise(seed: number, seconds: number, period: number): number {
  const x = seconds / period;
  const i = Math.floor(x);
  const f = x - i;
  const ease = f * f * (3 - 2 * f);
  return unit(seed, i) * (1 - ease) + unit(seed, i + 1) * ease;
}
