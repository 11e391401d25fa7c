import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { basePath, siteConfig } from "./site-config";

/*
 * Pages of the server itself are signed in by a cookie that no script sees. On a
 * static host, of another origin, the application has a session of its own: one a
 * tab, by the authorization code flow with PKCE. Where the server knows the
 * browser already, it sends it back at once.
 */

const tokenKey = "sonde.session";
const verifierKey = "sonde.verifier";
const fragmentKey = "sonde.fragment";

/**
 * The token of this tab's session at the server of another origin. When there is
 * none, the browser leaves for the server's sign-in page, and the promise stays
 * open.
 */
export async function openSession(server: string): Promise<string> {
  const code = takeCode();
  if (code) sessionStorage.setItem(tokenKey, await exchange(server, code));
  const token = sessionStorage.getItem(tokenKey);
  if (token) return token;
  window.location.assign(await signInUrl(server));
  return new Promise(() => {});
}

/** Makes the next page sign in anew, if it is on a static host. */
export function forgetSession(): void {
  sessionStorage.removeItem(tokenKey);
}

/** Ends the session here and at the server, and leads to the sign-in page. */
export async function signOut(): Promise<void> {
  const token = sessionStorage.getItem(tokenKey);
  try {
    const { server } = await siteConfig();
    await fetch(`${server}/logout`, {
      method: "POST",
      redirect: "manual",
      headers: token ? { Authorization: `Bearer ${token}` } : {},
    });
  } catch {
    // The page that follows says that the server is away.
  }
  forgetSession();
  window.location.assign(token ? `${basePath}/` : "/login");
}

export function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("Authorization", `Bearer ${token}`);
    return next(request);
  };
}

/** Takes the server's code out of the address, which then is what it was before. */
function takeCode(): string | null {
  const { hash, pathname, search } = window.location;
  const code = new URLSearchParams(hash.slice(1)).get("code");
  if (code) {
    const fragment = sessionStorage.getItem(fragmentKey) ?? "";
    window.history.replaceState(window.history.state, "", pathname + search + fragment);
  }
  return code;
}

async function exchange(server: string, code: string): Promise<string> {
  const verifier = sessionStorage.getItem(verifierKey) ?? "";
  sessionStorage.removeItem(verifierKey);
  const answer = await fetch(`${server}/token`, {
    method: "POST",
    body: new URLSearchParams({ code, code_verifier: verifier }),
  });
  const { access_token: token, error_description: refusal } = await answer.json();
  if (!answer.ok) throw new ConnectError(refusal, answer.status < 500 ? Code.Unauthenticated : Code.Unavailable);
  return token;
}

/** Where to sign in for this page, with a verifier that this tab keeps. */
async function signInUrl(server: string): Promise<string> {
  if (!window.isSecureContext) {
    throw new ConnectError("signing in at another server needs pages that come by https", Code.FailedPrecondition);
  }
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const { origin, pathname, search, hash } = window.location;
  sessionStorage.setItem(verifierKey, verifier);
  sessionStorage.setItem(fragmentKey, hash);
  const challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const query = new URLSearchParams({
    redirect_uri: origin + pathname + search,
    code_challenge: base64url(new Uint8Array(challenge)),
    code_challenge_method: "S256",
  });
  return `${server}/authorize?${query}`;
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
}
