/**
 * One call of fetch: over the socket if the socket can carry it, and otherwise over HTTP.
 *
 * Decides which way a call goes, and whether it may be sent twice. socket.ts and http.ts send it.
 */
import { ConnectionLost, NotStarted, RequestFailed, RequestInDoubt } from "./errors.js";
import type { Http } from "./http.js";
import { EMPTY, type Bytes } from "./messages.js";
import type { Options } from "./options.js";
import { originOf, type IsTrusted } from "./origins.js";
import { escaped, MAX_REDIRECTS, redirected } from "./redirects.js";
import { policyOf, refererOf } from "./referrers.js";
import type { Body, Progress, WireResponse } from "./request.js";
import { headersOf, responseOf, withFacts } from "./responses.js";
import type { Socket } from "./socket.js";
import { mayHaveExpired, type Token, type Tokens } from "./tokens.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/** Not sent twice, unless the server says that it has not started (RFC 9110, 9.2.2). */
const NOT_IDEMPOTENT = ["POST", "PATCH"];
const REDIRECTS = [301, 302, 303, 307, 308];

export interface FetchInit extends RequestInit {
  /** Resolve only after the connection's live requests have shown what this call changed. Has no effect over HTTP. */
  settled?: boolean;
  /**
   * Called while the body is sent, with the number of bytes that the server has taken and the size of the body. The size
   * of a stream is null. Over HTTP, called once when the response arrives, because browsers report no progress.
   */
  onUploadProgress?: Progress;
}
interface CallOptions {
  settled: boolean | undefined;
  /** Whether the caller passed a signal. Every Request has one. */
  isAbortable: boolean;
  progress: Progress | undefined;
}
export type Fetch = (input: RequestInfo | URL, init?: FetchInit) => Promise<Response>;

/** Makes a fetch that resolves URLs against `baseUrl`. Calls to another origin go over HTTP. */
export function createFetch(
  socket: Socket,
  http: Http,
  tokens: Tokens,
  baseUrl: string,
  isTrusted: IsTrusted,
  options: Options,
): Fetch {
  const { openTimeoutMs = 2000 } = options;

  const fetch = function (input: RequestInfo | URL, ...[init]: [init?: FetchInit | null]): Promise<Response> {
    try {
      if (!arguments.length) throw new TypeError("fetch needs an argument: what to fetch.");
      const target = input instanceof Request ? input : new URL(input, baseUrl);
      const content = init?.body instanceof ArrayBuffer ? new Uint8Array(init.body) : init?.body;
      const stream = content instanceof ReadableStream ? (content as ReadableStream<Bytes>) : null;
      const bytes = content instanceof Uint8Array ? (content as Bytes) : null;
      if (stream) new Response(stream); // throws if the stream was read or is being read
      // Not every browser takes a stream in a Request. Bytes in a Request would be copied twice. So it gets neither.
      const request = new Request(target, stream || bytes ? { ...init, body: bytes?.subarray(0, 0) ?? EMPTY } : init!);
      if (stream && request.keepalive) throw new TypeError("A stream cannot outlive its page: keepalive needs another body.");
      const { signal } = request;
      // If nobody reads the stream any more, cancel it.
      const abandon = (): void => void (stream && !stream.locked && stream.cancel(signal.reason).catch(() => {}));
      if (signal.aborted) abandon();
      signal.throwIfAborted();
      const isAbortable = !!init?.signal || input instanceof Request;
      const callback = init?.onUploadProgress;
      // An error of the callback is the page's own, and does not end the call.
      const progress: CallOptions["progress"] = callback && ((...counts) => queueMicrotask(() => callback(...counts)));
      return call(request, stream ?? (bytes && new Uint8Array(bytes)), { settled: init?.settled, isAbortable, progress }).catch((error: unknown) => {
        if (signal.aborted) abandon();
        throw error;
      });
    } catch (error) {
      return Promise.reject(error as Error); // like fetch itself, it rejects and never throws
    }
  };

  const call = async (request: Request, given: Body, how: CallOptions): Promise<Response> => {
    const { signal } = request;
    let body = given;
    // Not every browser has request.body, or obeys the signal while it reads a body.
    if (!given && request.body !== null) {
      const bytes = new Uint8Array(await request.arrayBuffer());
      signal.throwIfAborted();
      // An empty body is still a body. A browser without request.body cannot tell it from none.
      if (bytes.length || request.body) body = bytes;
    }

    const token = request.headers.has("authorization") || !isTrusted(request.url) ? null : await tokens.get();
    const response = await follow(request, body, token, how);
    // A redirect to an untrusted origin went there without the token, so its 401 says nothing about the token.
    const { status } = response;
    if (!token || !mayHaveExpired(status) || body instanceof ReadableStream || !isTrusted(response.url || request.url)) return response;
    const renewed = await tokens.renew(token, status);
    if (!renewed) return response;
    await response.body?.cancel();
    return follow(request, body, renewed, how);
  };

  /** Sends a request, and follows redirects. */
  const follow = async (request: Request, body: Body, token: Token, how: CallOptions): Promise<Response> => {
    for (let count = 0; ; count++) {
      let response = await send(request, body, token, how);
      const { status } = response;
      if (!(response instanceof Response)) {
        const { cookies, csrf } = response;
        if (csrf) http.csrfToken = csrf;
        if (cookies) await http.redeem(cookies);
        // 421: another connection may reach the right server, so try once more (Fetch standard, "HTTP fetch").
        if (status === 421 && !(body instanceof ReadableStream)) response = await http.send(request, body, token);
      }
      // It came over HTTP, perhaps after redirects over the socket.
      if (response instanceof Response) return count ? withFacts(response, { redirected: true }) : response;
      const headers = headersOf(response);
      const location = escaped(headers.get("location"));
      const isRedirect = REDIRECTS.includes(status);
      if (isRedirect && request.redirect === "manual") {
        return withFacts(Response.error(), { url: request.url, type: "opaqueredirect" });
      }
      if (!isRedirect || location === null) return responseOf(response, headers, request, count > 0, how.isAbortable);
      if (response.body instanceof ReadableStream) await response.body.cancel();
      if (request.redirect === "error") throw new RequestFailed("The response is a redirect.");
      if (count === MAX_REDIRECTS) throw new RequestFailed("There were too many redirects.");
      [request, body, token] = redirected(request, body, token, status, headers, location);
    }
  };

  const send = async (request: Request, body: Body, token: Token, { settled, progress }: CallOptions): Promise<WireResponse | Response> => {
    const size = (body as Bytes | null)?.length ?? 0; // the size of a stream is unknown
    const sendOverHttp = async (): Promise<Response> => {
      const response = await http.send(request, body, token);
      if (size) progress?.(size, size);
      return response;
    };
    if (!canGoOverSocket(request)) return sendOverHttp();
    const { signal, method } = request;
    const session = await socket.ready(openTimeoutMs, signal);
    signal.throwIfAborted();
    if (!session?.takes(size)) return sendOverHttp();
    const { pathname, search } = new URL(request.url);
    const { "content-type": type, ...headers } = { ...cacheHeaders(request), ...Object.fromEntries(request.headers) };
    const referrer = session.hello.referrer ? refererOf(request, pagePolicy(options.referrerPolicy)) : "";
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
      if (!(error instanceof ConnectionLost)) throw error;
      const isStream = body instanceof ReadableStream;
      const mayRepeat = error instanceof NotStarted || !NOT_IDEMPOTENT.includes(method) || request.headers.has("idempotency-key");
      if (mayRepeat && !isStream) return sendOverHttp();
      const why = isStream ? "A stream cannot be sent again." : "The server may have done what you requested.";
      throw new RequestInDoubt(`${error.message} ${why}`);
    }
  };

  /** Whether the socket can carry a request and do everything that it asks for. */
  const canGoOverSocket = ({ url, method, credentials, mode, cache, integrity, keepalive }: Request): boolean => {
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

/** The headers that fetch adds so that caches on the way obey the mode (Fetch standard, "HTTP-network-or-cache fetch"). */
function cacheHeaders({ cache }: Request): Record<string, string> {
  if (cache === "no-cache") return { "cache-control": "max-age=0" };
  return cache === "no-store" || cache === "reload" ? { "cache-control": "no-cache", pragma: "no-cache" } : {};
}

/** The referrer policy of the page: from its own markup, or else from the client's option. */
function pagePolicy(option: ReferrerPolicy = ""): ReferrerPolicy {
  const tags = globalThis.document?.querySelectorAll<HTMLMetaElement>("meta[name=referrer]") ?? [];
  return policyOf([...tags].at(-1)?.content) ?? option;
}
