/** Makes the next request of a redirect (Fetch standard, "HTTP-redirect fetch"). */
import { RequestFailed } from "./errors.js";
import { isGet } from "./http.js";
import { originOf } from "./origins.js";
import { policyOf, refererOf } from "./referrers.js";
import type { Body } from "./request.js";
import type { Token } from "./tokens.js";

export const MAX_REDIRECTS = 20;

/** Escapes the bytes of a Location that a URL cannot have. They are mostly UTF-8, and arrive as Latin-1 characters. */
export function escaped(location: string | null): string | null {
  return location && location.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Headers that are dropped with the body (Fetch standard, "request-body-header name"). */
const BODY_HEADERS = ["content-encoding", "content-language", "content-location", "content-type"];
const COPIED = ["signal", "redirect", "credentials", "mode", "cache", "referrer", "referrerPolicy"] as const;

/** The request, body and token for `location`, after a response with this status and these headers. */
export function redirected(
  request: Request,
  body: Body,
  token: Token,
  status: number,
  responseHeaders: Headers,
  location: string,
): [Request, Body, Token] {
  const url = new URL(location, request.url);
  if (!/^https?:$/.test(url.protocol)) throw new RequestFailed("The redirect leads out of HTTP.");
  const { method } = request;
  const becomesGet = status === 303 ? !isGet(method) : status < 303 && method === "POST";
  if (!becomesGet && body instanceof ReadableStream) throw new RequestFailed("A stream cannot be sent again.");
  const headers = new Headers(request.headers);
  if (becomesGet) for (const name of BODY_HEADERS) headers.delete(name);
  if (url.origin !== originOf(request.url)) {
    headers.delete("authorization");
    token = null;
  }
  const copied = Object.fromEntries(COPIED.map((name) => [name, request[name]]));
  const referrerPolicy = policyOf(responseHeaders.get("referrer-policy"));
  // A new policy applies to the referrer that was sent, not to the page's URL. Without a new policy the result is the
  // same, and only the browser knows the page's policy.
  if (referrerPolicy) Object.assign(copied, { referrerPolicy, referrer: refererOf(request) });
  return [new Request(url, { ...copied, method: becomesGet ? "GET" : method, headers }), becomesGet ? null : body, token];
}
