/**
 * One call of fetch: over the socket where that can carry it, else by HTTP.
 *
 * Owns which way a call goes, whether it may go twice, tokens and redirects. The socket and HTTP
 * themselves are given.
 */
import { Lost, RequestFailed, RequestInDoubt } from "./errors.js";
import type { Http } from "./http.js";
import type { Options } from "./options.js";
import { headersOf, opaqueRedirect, responseOf } from "./responses.js";
import type { Answer, Body } from "./session.js";
import type { Socket } from "./socket.js";

const METHODS = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/;
const IDEMPOTENT = /^(GET|HEAD|PUT|DELETE|OPTIONS|TRACE)$/; // RFC 9110, section 9.2.2
const REDIRECTS = [301, 302, 303, 307, 308];
const MOST_REDIRECTS = 20; // Fetch standard, "HTTP-redirect fetch"

export class Fetcher {
  #token: Promise<string | null> | undefined;

  constructor(
    readonly socket: Socket,
    readonly http: Http,
    readonly baseUrl: string,
    readonly options: Options,
  ) {}

  async fetch(input: RequestInfo | URL, init?: RequestInit | null): Promise<Response> {
    init ??= {};
    const address = input instanceof Request ? input : new URL(input, this.baseUrl).href;
    const stream = init.body instanceof ReadableStream ? (init.body as ReadableStream<Uint8Array>) : null;
    // A stream stays out of the Request: not every browser takes one there.
    const { body: _, ...rest } = init;
    const request = new Request(address, stream ? rest : init);
    request.signal.throwIfAborted();
    const isGet = /^(GET|HEAD)$/.test(request.method);
    if (stream && isGet) throw new TypeError("A GET or HEAD cannot have a body.");
    const bytes = stream || isGet || request.body === null ? null : new Uint8Array(await request.arrayBuffer());
    request.signal.throwIfAborted(); // not every browser heeds it while a body is read
    const body = stream ?? (bytes?.length ? bytes : null);

    const token = request.headers.has("authorization") ? null : await this.#askToken();
    const response = await this.#follow(request, body, token);
    const asks = typeof this.options.token === "function" && token !== null && response.status === 401 && !stream;
    if (!asks) return response;
    // It may have expired; another call may have asked for a new one already.
    const asked = this.#token;
    if ((await asked) === token && this.#token === asked) this.#token = undefined;
    const renewed = await this.#askToken();
    if (renewed === null || renewed === token) return response;
    await response.body?.cancel();
    return this.#follow(request, body, renewed);
  }

  async #askToken(): Promise<string | null> {
    const { token } = this.options;
    if (typeof token !== "function") return token ?? null;
    let found: string | null = null;
    try {
      return (found = await (this.#token ??= (async () => token())()));
    } finally {
      // One that failed, or gave nothing, is asked again by the next call.
      if (found === null) this.#token = undefined;
    }
  }

  /** Send, and go where redirects lead. */
  async #follow(first: Request, firstBody: Body, token: string | null): Promise<Response> {
    let [request, body] = [first, firstBody];
    for (let count = 0; ; count++) {
      const answer = await this.#send(request, body, token);
      if (answer instanceof Response) return answer;
      if (answer.cookies) await this.http.redeem(answer.cookies);
      const location = headersOf(answer).get("location");
      const isRedirect = REDIRECTS.includes(answer.status);
      if (isRedirect && first.redirect === "manual") return opaqueRedirect(request.url);
      if (!isRedirect || location === null) return responseOf(answer, request.url, count > 0, request.method);
      if (answer.body instanceof ReadableStream) await answer.body.cancel();
      if (first.redirect === "error") throw new RequestFailed("It redirects, and redirect is \"error\".");
      if (count === MOST_REDIRECTS) throw new RequestFailed("It redirects too often.");
      [request, body] = redirected(request, body, answer.status, new URL(location, request.url));
      if (new URL(request.url).origin !== new URL(first.url).origin) token = null;
    }
  }

  async #send(request: Request, body: Body, token: string | null): Promise<Answer | Response> {
    const byHttp = (): Promise<Response> => this.http.send(request, body as BodyInit | null, token);
    if (!this.#carries(request)) return byHttp();
    const { openTimeoutMs = 2000 } = this.options;
    const session = await this.socket.ready(openTimeoutMs, request.signal);
    request.signal.throwIfAborted();
    if (!session || (body instanceof Uint8Array && body.length > session.limits.body_bytes)) return byHttp();
    const { pathname, search } = new URL(request.url);
    const headers = Object.fromEntries(request.headers);
    const type = headers["content-type"];
    // With a body it is the frame that tells the type, as far as it can.
    if (body) delete headers["content-type"];
    const message = {
      ...{ method: request.method, url: pathname + search, headers },
      ...(type !== undefined && { content_type: type }),
      ...(token !== null && { token }),
    };
    try {
      return await session.request(message, body, request.signal);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      if (body instanceof ReadableStream) throw new RequestInDoubt(`${error.message} A stream cannot be sent again.`);
      const mayRepeat = error.isUnsent || IDEMPOTENT.test(request.method) || request.headers.has("idempotency-key");
      if (mayRepeat) return byHttp();
      throw new RequestInDoubt(
        `${error.message} The server may have done what was asked, so this ${request.method} is not sent again.`,
      );
    }
  }

  /** Whether the socket can carry a request and do with it all that was asked. */
  #carries({ url, method, credentials, mode, cache, integrity, keepalive }: Request): boolean {
    return (
      new URL(url).origin === new URL(this.baseUrl).origin &&
      METHODS.test(method) &&
      credentials !== "omit" &&
      mode !== "no-cors" &&
      !/^(force-cache|only-if-cached)$/.test(cache) &&
      !integrity &&
      !keepalive
    );
  }
}

/** Fetch standard, "HTTP-redirect fetch". */
function redirected(request: Request, body: Body, status: number, url: URL): [Request, Body] {
  if (!/^https?:$/.test(url.protocol)) throw new RequestFailed("It redirects to what is no HTTP.");
  const { method, signal, redirect, credentials, mode, cache, referrerPolicy } = request;
  const isGet = status === 303 ? !/^(GET|HEAD)$/.test(method) : status < 303 && method === "POST";
  if (!isGet && body instanceof ReadableStream) throw new RequestFailed("A stream cannot be sent again.");
  const headers = new Headers(request.headers);
  if (isGet) for (const name of ["encoding", "language", "location", "type"]) headers.delete(`content-${name}`);
  if (url.origin !== new URL(request.url).origin) headers.delete("authorization");
  const init = { method: isGet ? "GET" : method, headers, signal, redirect, credentials, mode, cache, referrerPolicy };
  return [new Request(url, init), isGet ? null : body];
}
