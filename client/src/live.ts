/**
 * A live request: one GET that is answered again whenever its answer has become another (PROTOCOL.md 4.7).
 *
 * Owns when it is asked, by which way, and how it ends. A file of its own, which client.js loads with the first
 * of them: it is given that one's parts, and must not load them a second time.
 */
import type { Client } from "./client.js";
import type { RequestFailed } from "./errors.js";
import { byEvents, bySocket, type Over } from "./feeds.js";
import { changed, newestBy, type Held } from "./held.js";
import type { Http } from "./http.js";
import type { decode, ServerMessage } from "./messages.js";
import type { Options } from "./options.js";
import type { headersOf, responseOf } from "./responses.js";
import type { Session } from "./session.js";
import type { Socket } from "./socket.js";
import type { Follower, LiveState, Subscription } from "./subscription.js";
import { mayHaveExpired, type Token, type Tokens } from "./tokens.js";

export interface LiveOptions {
  headers?: HeadersInit;
  signal?: AbortSignal | null;
  /** How the server may tell what changed: by RFC 6902, by RFC 7396, or whole bodies only. @default "json" */
  patch?: "json" | "merge" | false;
}
export type LiveCallback = (response: Response) => void;
export type LiveCall =
  | [url: string | URL, callback?: LiveCallback | null, options?: LiveOptions]
  | [url: string | URL, options: LiveOptions];

/** What client.js gives. */
export type Parts = readonly [
  client: Client,
  socket: Socket,
  http: Http,
  tokens: Tokens,
  /** Of the socket, as HTTP has it. */
  socketUrl: string,
  baseUrl: string,
  options: Options,
  toMessage: typeof decode,
  toHeaders: typeof headersOf,
  toResponse: typeof responseOf,
  Failed: typeof RequestFailed,
];

const MOST_BACKOFF_MS = 30_000;
const STEADY_MS = 10_000;

/** Whether a failure of this status passes. */
const passes = (status: number): boolean => status === 429 || status >= 500;

/** Begin a live request, and keep `subscription` told. */
export function follow(
  [client, socket, http, [askToken, renewToken], socketUrl, baseUrl, { openTimeoutMs = 2000 }, toMessage, toHeaders, toResponse, Failed]: Parts,
  subscription: Subscription,
  ...[url, ...rest]: LiveCall
): Follower {
  // A function has none of these members.
  const { headers = {}, signal: given, patch = "json" } = (rest.at(-1) ?? {}) as LiveOptions;
  const request = new Request(new URL(url, baseUrl), { headers });
  const [callback] = rest;
  const newest = newestBy(respond, typeof callback === "function" ? callback : undefined, close);
  const stop = new AbortController();
  const { signal } = stop;
  let before: AbortController | undefined; // events that go on until the socket has answered
  let base: Held | null = null; // what is held, unless a patch has spoilt it
  let wasLive = false;
  let rerun: string | undefined;
  let attempt = 0;
  let isRenewed = false;

  /** Ask, and take the answers until they are over. Throws what ends it for good. */
  async function ask(): Promise<void> {
    const token = await tokenNow();
    const session = await sessionNow();
    if (signal.aborted) return;
    if (token === false || session?.takes(0) === false) return retry();
    const asked = { request, etag: base && toHeaders(base).get("etag"), token, patch, rerun };
    const feed = new AbortController();
    const abort = (): void => feed.abort();
    signal.addEventListener("abort", abort, { signal: feed.signal });
    const began = performance.now();
    const take = taker(feed);
    const over = session ? bySocket(session, asked, take, feed) : byEvents(http, socketUrl, toMessage, asked, take, feed);
    const found = await (session ? over : Promise.race([over, opened(feed.signal)]));
    if (!found) {
      before = feed;
      void over.then(() => feed === before && lost());
      return;
    }
    abort(); // with it go its listeners
    lost();
    if (performance.now() - began >= STEADY_MS) attempt = 0;
    if (!signal.aborted) await judge(found, token);
  }

  /** What takes the answers of `feed`. */
  function taker(feed: AbortController): (message: ServerMessage) => void {
    const asked = base;
    let version: number | undefined;
    return (message) => {
      if (feed.signal.aborted || message.version! <= version!) return;
      const isFirst = version === undefined;
      version = message.version;
      if (feed !== before) drop();
      isRenewed = false;
      redeem(message);
      const { status } = message;
      rerun = message.rerun ?? rerun;
      if (passes(status!)) return become("failing", respond(message as Held));
      let next: Held | null = null;
      try {
        // 304 speaks of what was held when it was asked; events may have brought another since.
        next = status !== 304 ? changed(base, message) : isFirst ? asked : base;
      } catch {
        // a patch that does not fit
      }
      const isNew = next !== base;
      base = next; // without one it is asked for as a whole
      if (!next) return feed.abort();
      wasLive = true;
      become("live");
      if (isNew) newest.show(next);
    };
  }

  /** Return when it is to be asked again; throw what ends it for good. */
  async function judge({ message, response }: Over, token: Token): Promise<void> {
    const { code, detail, temporary } = message?.error ?? {};
    if (code && !temporary) throw failed(`${detail} (${code})`, { code });
    if (code || (!message && !response)) return retry();
    if (message) redeem(message);
    const last = response ?? respond(message as Held);
    const { status } = last;
    if (mayHaveExpired(status) && token && !isRenewed) {
      const renewed = await tokenNow(token, status);
      if (renewed === false) return retry();
      isRenewed = true;
      if (renewed) return;
    }
    // Of a proxy, or of a server without events: the socket may come yet.
    if (response && (passes(status) || client.state !== "closed")) return retry();
    // What was live may fail just when it is asked again.
    if (!passes(status) || !wasLive) throw failed(`Answered with ${status}.`, { response: last });
    become("failing", last);
    await retry(Number(last.headers.get("retry-after")) * 1000 || 0);
  }

  /** The token, another than one that was refused; false where it cannot be had at present. */
  async function tokenNow(refused?: Token, status = 0): Promise<Token | false> {
    if (request.headers.has("authorization")) return null;
    try {
      return await (refused ? renewToken(refused, status) : askToken());
    } catch (error) {
      if (!wasLive) throw error;
      return false;
    }
  }

  /** The session; null when there will be none soon. One that was lost has the time of one that is opened. */
  async function sessionNow(): Promise<Session | null> {
    const session = await socket.ready(openTimeoutMs, signal);
    if (session || client.state !== "waiting") return session;
    await opened(signal, openTimeoutMs);
    return socket.ready(openTimeoutMs, signal);
  }

  /** Wait with full jitter (7.2), but not when the socket is opened meanwhile. */
  function retry(leastMs = 0): Promise<undefined> {
    return opened(signal, Math.max(leastMs, Math.random() * Math.min(MOST_BACKOFF_MS, 1000 * 2 ** attempt++)));
  }

  /** Resolves when the socket is opened, when `until` is aborted, or after `mostMs`. */
  function opened(until: AbortSignal, mostMs?: number): Promise<undefined> {
    return new Promise((resolve) => {
      const over = new AbortController();
      const done = (): void => {
        clearTimeout(timer);
        over.abort(); // with it go the listeners
        resolve(undefined);
      };
      const timer = mostMs === undefined ? undefined : setTimeout(done, mostMs);
      client.addEventListener("statechange", () => client.state === "open" && done(), over);
      until.addEventListener("abort", done, over);
    });
  }

  function respond(held: Held): Response {
    return toResponse({ ...held, cookies: null }, toHeaders(held), request, false);
  }

  const failed = (why: string, facts: object): Error => Object.assign(new Failed(why), facts);

  function redeem({ cookies }: ServerMessage): void {
    if (cookies) void http.redeem(cookies);
  }

  function become(state: LiveState, failure?: Response, error?: unknown): void {
    if (subscription.state === state && !failure) return;
    Object.assign(subscription, { state, failure, error }).dispatchEvent(new Event("statechange"));
  }

  /** End the events that went on. */
  function drop(): void {
    const old = before;
    before = undefined;
    old?.abort();
  }

  function lost(): void {
    drop();
    if (!signal.aborted) become("connecting");
  }

  function end(error: unknown, isQuiet = false): void {
    if (signal.aborted) return;
    stop.abort();
    become("ended", undefined, error);
    newest.end(isQuiet ? undefined : error);
  }

  function close(): void {
    end(new DOMException("Closed.", "AbortError"), true);
  }

  async function run(): Promise<void> {
    const aborted = (): void => end(given!.reason, true);
    given?.addEventListener("abort", aborted, { signal });
    if (given?.aborted) aborted();
    try {
      if (new URL(request.url).origin !== new URL(socketUrl).origin) throw new TypeError("Another origin.");
      while (!signal.aborted) await ask();
    } catch (error) {
      end(error);
    }
  }

  async function ready(): Promise<Response> {
    const { value } = await newest.loop().next();
    if (!value) throw subscription.error;
    return value;
  }

  void run();
  return { ready, loop: newest.loop, close };
}
