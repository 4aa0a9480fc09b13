/**
 * One call of fetch: over the socket where that can carry it, else by HTTP.
 *
 * Owns which way a call goes, and whether it may go twice. The socket and HTTP themselves are given.
 */
import { Lost, RequestFailed, RequestInDoubt, Unbegun } from "./errors.js";
import type { Answer, Body, Progress } from "./exchange.js";
import type { Http } from "./http.js";
import { EMPTY, type Bytes } from "./messages.js";
import type { Options } from "./options.js";
import { escaped, MOST_REDIRECTS, redirected } from "./redirects.js";
import { policyOf, refererOf } from "./referrers.js";
import { asRedirected, headersOf, opaqueRedirect, responseOf } from "./responses.js";
import type { Socket } from "./socket.js";
import { mayHaveExpired, type Token, type Tokens } from "./tokens.js";
import { originOf, type Trusts } from "./urls.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/** What may not be done twice, unless the server says that it had not begun (RFC 9110, 9.2.2). */
const NOT_IDEMPOTENT = ["POST", "PATCH"];
const REDIRECTS = [301, 302, 303, 307, 308];

export interface FetchInit extends RequestInit {
  /** Resolve when the live requests of the connection that it changed were answered anew; means nothing by HTTP. */
  settled?: boolean;
  /**
   * Called while the body is sent, with how many of its bytes the server has taken, and how many there are; null where
   * nobody knows that, as of a stream. By HTTP once, when the response is there, since browsers tell no more.
   */
  onUploadProgress?: Progress;
}
interface How {
  settled: boolean | undefined;
  /** Whether the caller has a signal: each Request has one. */
  isAbortable: boolean;
  progress: Progress | undefined;
}
export type Fetch = (input: RequestInfo | URL, init?: FetchInit) => Promise<Response>;

/** A fetch for addresses that are relative to `baseUrl`; those of other origins go by HTTP. */
export function fetchBy(
  socket: Socket,
  http: Http,
  tokens: Tokens,
  baseUrl: string,
  trusts: Trusts,
  options: Options,
): Fetch {
  const { openTimeoutMs = 2000 } = options;

  const fetch = function (input: RequestInfo | URL, ...[init]: [init?: FetchInit | null]): Promise<Response> {
    try {
      if (!arguments.length) throw new TypeError("fetch needs an argument: what to fetch.");
      const address = input instanceof Request ? input : new URL(input, baseUrl);
      const content = init?.body instanceof ArrayBuffer ? new Uint8Array(init.body) : init?.body;
      const stream = content instanceof ReadableStream ? (content as ReadableStream<Bytes>) : null;
      const bytes = content instanceof Uint8Array ? (content as Bytes) : null;
      if (stream) new Response(stream); // throws where it was read already, or is being read
      // A stream stays out of the Request, since not every browser takes one there; bytes do, since it would copy them twice.
      const request = new Request(address, stream || bytes ? { ...init, body: bytes?.subarray(0, 0) ?? EMPTY } : init!);
      if (stream && request.keepalive) throw new TypeError("A stream cannot outlive its page: keepalive needs another body.");
      const { signal } = request;
      // What nobody reads any more, its source should know.
      const abandon = (): void => void (stream && !stream.locked && stream.cancel(signal.reason).catch(() => {}));
      if (signal.aborted) abandon();
      signal.throwIfAborted();
      const isAbortable = !!init?.signal || input instanceof Request;
      const told = init?.onUploadProgress;
      // What it throws is the page's own, and no reason to end anything.
      const progress: How["progress"] = told && ((...bytes) => queueMicrotask(() => told(...bytes)));
      return call(request, stream ?? (bytes && new Uint8Array(bytes)), { settled: init?.settled, isAbortable, progress }).catch((error: unknown) => {
        if (signal.aborted) abandon();
        throw error;
      });
    } catch (error) {
      return Promise.reject(error as Error); // at once, and never thrown
    }
  };

  const call = async (request: Request, given: Body, how: How): Promise<Response> => {
    const { signal } = request;
    let body = given;
    // Not every browser has request.body, or heeds the signal while a body is read.
    if (!given && request.body !== null) {
      const bytes = new Uint8Array(await request.arrayBuffer());
      signal.throwIfAborted();
      // An empty one, too, is a body; where nobody can tell, it is none.
      if (bytes.length || request.body) body = bytes;
    }

    const token = request.headers.has("authorization") || !trusts(request.url) ? null : await tokens.ask();
    const response = await follow(request, body, token, how);
    // What a redirect has led elsewhere was refused there without the token.
    const { status } = response;
    if (!token || !mayHaveExpired(status) || body instanceof ReadableStream || !trusts(response.url || request.url)) return response;
    const renewed = await tokens.renew(token, status);
    if (!renewed) return response;
    await response.body?.cancel();
    return follow(request, body, renewed, how);
  };

  /** Send, and go where redirects lead. */
  const follow = async (request: Request, body: Body, token: Token, how: How): Promise<Response> => {
    for (let count = 0; ; count++) {
      const answer = await send(request, body, token, how);
      if (answer instanceof Response) return count ? asRedirected(answer) : answer;
      const { status, cookies, csrf } = answer;
      if (csrf) http.csrfToken = csrf;
      if (cookies) await http.redeem(cookies);
      // A server that this connection was the wrong one for is asked once more by another (Fetch standard, "HTTP fetch").
      if (status === 421 && !(body instanceof ReadableStream)) {
        const response = await http.send(request, body, token);
        return count ? asRedirected(response) : response;
      }
      const headers = headersOf(answer);
      const location = escaped(headers.get("location"));
      const isRedirect = REDIRECTS.includes(status);
      if (isRedirect && request.redirect === "manual") return opaqueRedirect(request.url);
      if (!isRedirect || location === null) return responseOf(answer, headers, request, count > 0, how.isAbortable);
      if (answer.body instanceof ReadableStream) await answer.body.cancel();
      if (request.redirect === "error") throw new RequestFailed("It redirects.");
      if (count === MOST_REDIRECTS) throw new RequestFailed("It redirects too often.");
      [request, body, token] = redirected(request, body, token, status, headers, location);
    }
  };

  const send = async (request: Request, body: Body, token: Token, { settled, progress }: How): Promise<Answer | Response> => {
    const size = (body as Bytes | null)?.length ?? 0; // that of a stream is not known
    const byHttp = async (): Promise<Response> => {
      const response = await http.send(request, body, token);
      if (size) progress?.(size, size);
      return response;
    };
    if (!carries(request)) return byHttp();
    const { signal, method } = request;
    const session = await socket.ready(openTimeoutMs, signal);
    signal.throwIfAborted();
    if (!session?.takes(size)) return byHttp();
    const { pathname, search } = new URL(request.url);
    const { "content-type": type, ...headers } = { ...cacheHeaders(request), ...Object.fromEntries(request.headers) };
    const referrer = session.takesReferrer ? refererOf(request, policyOfPage(options.referrerPolicy)) : "";
    const message = {
      method: method === "GET" ? undefined : method,
      url: pathname + search,
      headers,
      type,
      token: token || undefined,
      settled,
      referrer: referrer || undefined,
    };
    try {
      return await session.request(message, size || body instanceof ReadableStream ? body : null, signal, progress);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      const isStream = body instanceof ReadableStream;
      const mayRepeat = error instanceof Unbegun || !NOT_IDEMPOTENT.includes(method) || request.headers.has("idempotency-key");
      if (mayRepeat && !isStream) return byHttp();
      const why = isStream ? "A stream is not sent again." : "The server may have done what was asked.";
      throw new RequestInDoubt(`${error.message} ${why}`);
    }
  };

  /** Whether the socket can carry a request and do with it all that was asked. */
  const carries = ({ url, method, credentials, mode, cache, integrity, keepalive }: Request): boolean => {
    return (
      originOf(url) === originOf(baseUrl) &&
      METHODS.includes(method) &&
      credentials !== "omit" &&
      mode !== "no-cors" &&
      cache !== "force-cache" &&
      cache !== "only-if-cached" &&
      !integrity &&
      !keepalive
    );
  };

  return fetch;
}

/** What fetch adds so that caches on the way heed the mode (Fetch standard, "HTTP-network-or-cache fetch"). */
function cacheHeaders({ cache }: Request): Record<string, string> {
  if (cache === "no-cache") return { "cache-control": "max-age=0" };
  return cache === "no-store" || cache === "reload" ? { "cache-control": "no-cache", pragma: "no-cache" } : {};
}

/** The referrer policy that a page's own markup sets, else the one that the client was told. */
function policyOfPage(told: ReferrerPolicy = ""): ReferrerPolicy {
  const tags = globalThis.document?.querySelectorAll<HTMLMetaElement>("meta[name=referrer]") ?? [];
  return policyOf([...tags].at(-1)?.content ?? null) ?? told;
}
