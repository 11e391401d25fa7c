import { Code, ConnectError } from "@connectrpc/connect";
import { forgetSession } from "./session";

/** The server was busy; or this is more than it ever answers. */
const tooMuch = new Set([Code.DeadlineExceeded, Code.ResourceExhausted]);
const passing = new Set([Code.Unavailable, Code.Aborted, Code.Internal, Code.Unknown, ...tooMuch]);

/** Whether the same call may succeed a little later. */
export function isPassing(error: unknown): boolean {
  return passing.has(ConnectError.from(error).code);
}

/** How often a query is tried again before its error is shown. */
const retries: Partial<Record<Code, number>> = {
  [Code.Unavailable]: 3,
  [Code.Aborted]: 3,
  [Code.Internal]: 1,
  [Code.Unknown]: 2,
};

/** Retry policy of every query: by the code of the error, never for what a repetition cannot mend. */
export function shouldRetry(failures: number, error: unknown): boolean {
  return failures <= (retries[ConnectError.from(error).code] ?? 0);
}

/**
 * Milliseconds to wait after so many failures in a row: doubling, at most 10 s,
 * with a fifth of jitter. What was too much for the server three times is soon
 * asked a minute apart.
 */
export function retryDelay(failures: number, error?: unknown): number {
  const isTooMuch = error !== undefined && tooMuch.has(ConnectError.from(error).code);
  const base = isTooMuch && failures >= 3 ? 60_000 : Math.min(10_000, 250 * 2 ** Math.max(0, failures - 1));
  return base * (0.9 + Math.random() * 0.2);
}

/** A sentence for people. */
export function explain(error: unknown): string {
  const failure = ConnectError.from(error);
  switch (failure.code) {
    case Code.Unavailable:
      return "The server cannot be reached.";
    case Code.Unknown:
      // What fetch throws when there is no answer at all.
      return failure.cause instanceof TypeError ? "The server cannot be reached." : failure.rawMessage;
    case Code.DeadlineExceeded:
      return "The server took too long to answer.";
    case Code.ResourceExhausted:
      return failure.rawMessage || "This would read too many samples. Choose a shorter range.";
    case Code.Unauthenticated:
      return "You are signed out.";
    case Code.PermissionDenied:
      return failure.rawMessage ? `You may not do this: ${failure.rawMessage}.` : "You may not do this.";
    default:
      return failure.rawMessage || "Something went wrong on the server.";
  }
}

const reloadedKey = "sonde.signed-out-reload";

/**
 * Loads the page anew when a call was answered with UNAUTHENTICATED: the server
 * then shows its sign-in page, and a page of a static host leaves for it. At most
 * once in 15 s, so that a server that serves pages but refuses calls does not make
 * the browser spin.
 */
export function reloadWhenSignedOut(error: unknown): void {
  if (typeof window === "undefined" || ConnectError.from(error).code !== Code.Unauthenticated) return;
  const last = Number(sessionStorage.getItem(reloadedKey) ?? 0);
  if (Date.now() - last < 15_000) return;
  sessionStorage.setItem(reloadedKey, String(Date.now()));
  forgetSession();
  // `next dev` serves pages to everyone, and passes the sign-in page through.
  if (process.env.NODE_ENV === "development") window.location.assign("/login");
  else window.location.reload();
}
