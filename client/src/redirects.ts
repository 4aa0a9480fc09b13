/** Where a redirect leads (Fetch standard, "HTTP-redirect fetch"). */
import { RequestFailed } from "./errors.js";
import type { Body } from "./exchange.js";
import { policyOf, refererOf } from "./referrers.js";
import type { Token } from "./tokens.js";
import { isGet, originOf } from "./urls.js";

export const MOST_REDIRECTS = 20;

/** A Location with the bytes escaped that no URL has; they are those of UTF-8 mostly, and come as characters of Latin-1. */
export function escaped(location: string | null): string | null {
  return location && location.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Headers that go with the body (Fetch standard, "request-body-header name"). */
const OF_BODY = ["content-encoding", "content-language", "content-location", "content-type"];
const KEPT = ["signal", "redirect", "credentials", "mode", "cache", "referrer", "referrerPolicy"] as const;

/** The request, its body and its token that a redirect of these with `status` and `answered` to `location` asks for. */
export function redirected(
  request: Request,
  body: Body,
  token: Token,
  status: number,
  answered: Headers,
  location: string,
): [Request, Body, Token] {
  const url = new URL(location, request.url);
  if (!/^https?:$/.test(url.protocol)) throw new RequestFailed("It redirects out of HTTP.");
  const { method } = request;
  const turnsGet = status === 303 ? !isGet(method) : status < 303 && method === "POST";
  if (!turnsGet && body instanceof ReadableStream) throw new RequestFailed("A stream is not sent again.");
  const headers = new Headers(request.headers);
  if (turnsGet) for (const name of OF_BODY) headers.delete(name);
  if (url.origin !== originOf(request.url)) {
    headers.delete("authorization");
    token = null;
  }
  const kept = Object.fromEntries(KEPT.map((name) => [name, request[name]]));
  const referrerPolicy = policyOf(answered.get("referrer-policy"));
  // Another policy applies to what was sent, not to what the page has. Under the same one both give the same,
  // and only the browser knows that of the page.
  if (referrerPolicy) Object.assign(kept, { referrerPolicy, referrer: refererOf(request) });
  return [new Request(url, { ...kept, method: turnsGet ? "GET" : method, headers }), turnsGet ? null : body, token];
}
