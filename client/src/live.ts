/**
 * A live request: one GET that is answered again whenever its answer has become another (PROTOCOL.md 4.7).
 *
 * Owns when it is asked, by which way, and how it ends. A file of its own, which client.js loads with the first
 * of them: it is given that one's parts, and must not load them a second time.
 */
import type { Client } from "./client.js";
import type { RequestFailed } from "./errors.js";
import { byEvents, byGet, bySocket, SESSION_ENDED, type Ask, type Over } from "./feeds.js";
import { changed, heldOf, isSame, newestBy, refreshed, TAG_ONLY, type Held } from "./held.js";
import type { Http } from "./http.js";
import type { decode, ServerMessage } from "./messages.js";
import type { Options } from "./options.js";
import type { headersOf, responseOf } from "./responses.js";
import type { Session } from "./session.js";
import type { Socket } from "./socket.js";
import type { EndReason, Follower, LiveState, Subscription } from "./subscription.js";
import { mayHaveExpired, type Token, type Tokens } from "./tokens.js";

export interface LiveOptions {
  headers?: HeadersInit;
  signal?: AbortSignal | null;
  /** `"json"`: the server may send only what changed, as a JSON Patch (RFC 6902). `false`: whole bodies only. @default "json" */
  patch?: "json" | false;
  /** What the page shows already: a response, or its ETag. Where that is current, nothing is called before it changes. */
  held?: Response | string | null;
  /** Keep what is held, and have no `clear` event, when the visitor may not see it any more. @default false */
  keep?: boolean;
}
export type LiveCallback = (response: Response) => void;
export type LiveCall =
  | [url: string | URL, callback?: LiveCallback | null, options?: LiveOptions]
  | [url: string | URL, options: LiveOptions];

/** What client.js gives. */
export interface Parts {
  client: Client;
  socket: Socket;
  http: Http;
  tokens: Tokens;
  /** The address of the socket, with the scheme of HTTP. */
  socketUrl: string;
  baseUrl: string;
  options: Options;
  decode: typeof decode;
  headersOf: typeof headersOf;
  responseOf: typeof responseOf;
  RequestFailed: typeof RequestFailed;
}

const MOST_BACKOFF_MS = 30_000;
const STEADY_MS = 10_000;
// Between plain GETs: the first pause, which doubles, and the longest.
const POLL_MS = 2000;
const MOST_POLL_MS = 60_000;
const POLL_PATIENCE_MS = 30_000; // for the answer to one of them

/** Whether a failure of this status passes. */
const passes = (status: number): boolean => status === 429 || status >= 500;

function reasonOf({ response, code }: Partial<RequestFailed>): EndReason {
  const status = response?.status ?? (code === SESSION_ENDED ? 401 : 400);
  if (status === 401 || status === 403) return "denied";
  if (status === 404 || status === 410) return "gone";
  return status < 400 ? "moved" : "failed"; // 0 is a redirect by HTTP, whose status is hidden
}

/** Begin a live request, and keep `subscription` told. */
export function follow(parts: Parts, subscription: Subscription, ...[url, ...rest]: LiveCall): Follower {
  const { client, socket, http, tokens, socketUrl, baseUrl } = parts;
  const { openTimeoutMs = 2000 } = parts.options;
  // A function has none of these members.
  const { headers = {}, signal: given, patch = "json", held, keep } = (rest.at(-1) ?? {}) as LiveOptions;
  const request = new Request(new URL(url, baseUrl), { headers });
  const condition = request.headers.get("if-none-match"); // of what is held: each try has its own
  request.headers.delete("if-none-match");
  const [callback] = rest;
  const newest = newestBy(respond, typeof callback === "function" ? callback : undefined, close);
  const stop = new AbortController();
  const { signal } = stop;
  let before: AbortController | undefined; // events that go on until the socket has answered
  let heard: AbortController | undefined; // the feed that was the last to bring an answer
  let base: Held | null = null; // what is held, unless a patch has spoilt it
  let wasLive = false;
  let rerun: string | undefined;
  let attempt = 0;
  let polls = 0;
  let isRenewed = false;

  /** Ask, and take the answers until they are over. Throws what ends it for good. */
  async function ask(): Promise<void> {
    const token = await tokenNow();
    const session = await sessionNow();
    if (signal.aborted) return;
    if (token === false || session?.takes(0) === false) return retry();
    const feed = child();
    const began = performance.now();
    const take = taker(feed);
    const asked = asking(token);
    let found: Over | undefined;
    if (session) found = await bySocket(session, asked, take, feed);
    else {
      const over = byEvents(http, socketUrl, parts.decode, asked, take, feed);
      // What says nothing may say nothing for ever: it is polled beside that.
      const patience = (): number | undefined => (heard === feed ? undefined : pollMs());
      while (!(found = await Promise.race([over, opened(feed.signal, patience())])) && client.state !== "open" && !signal.aborted) {
        if (heard !== feed && (await poll(token)) === undefined) return feed.abort();
      }
      if (!found) {
        before = feed;
        void over.then(() => feed === before && lost());
        return;
      }
    }
    feed.abort(); // with it go its listeners
    // What was polled is as old as before.
    if (before || heard === feed) lost();
    if (performance.now() - began >= STEADY_MS) attempt = 0;
    if (!signal.aborted) await judge(found, token, !session && heard !== feed);
  }

  const asking = (token: Token): Ask => {
    const etag = base && parts.headersOf(base).get("etag");
    // Without a body there is nothing that a patch could change.
    return { request, etag, token, patch: base?.status !== TAG_ONLY && patch, rerun };
  };

  /** What takes the answers of `feed`. */
  function taker(feed: AbortController): (message: ServerMessage) => void {
    const asked = base;
    let version: number | undefined;
    return (message) => {
      if (feed.signal.aborted || message.version! <= version!) return;
      const isFirst = version === undefined;
      version = message.version;
      heard = feed;
      polls = 0;
      if (feed !== before) drop();
      isRenewed = false;
      redeem(message);
      const { status } = message;
      rerun = message.rerun ?? rerun;
      if (passes(status!)) return become("failing", respond(message as Held));
      let next: Held | null = null;
      try {
        // 304 speaks of what was held when it was asked; events may have brought another since.
        next = status === 304 ? refreshed(isFirst ? asked : base, message as Held) : changed(base, message);
      } catch {
        // a patch that does not fit
      }
      const mayBeSame = isFirst || status === 304;
      const isNew = next && !(mayBeSame && isSame(next, base));
      base = next; // without one it is asked for as a whole
      if (!next) return feed.abort();
      wasLive = true;
      become("live");
      (isNew ? newest.show : newest.hold)(next);
    };
  }

  /** Return when it is to be asked again; throw what ends it for good. */
  async function judge({ message }: Over, token: Token, isWayless: boolean): Promise<void> {
    const { code, detail, temporary } = message?.error ?? {};
    if (code === SESSION_ENDED && temporary === undefined) clear(); // of the connection: the next one may be another's
    else if (code && !temporary) throw failed(`${detail} (${code})`, { code });
    else if (message && !code) {
      redeem(message);
      const leastMs = await refused(respond(message as Held), token, wasLive);
      return leastMs === undefined ? leastMs : retry(leastMs);
    }
    const isFull = code === "too_many_subscriptions";
    return isFull || isWayless ? pollOnce(token, isFull) : retry();
  }

  /** Take an answer that is none to show. Return how long to wait, or nothing where another token is to be tried at once. */
  async function refused(last: Response, token: Token, mayPass: boolean): Promise<number | undefined> {
    const { status } = last;
    if (mayHaveExpired(status) && token && !isRenewed) {
      const renewed = await tokenNow(token, status);
      if (renewed === false) return 0;
      isRenewed = true;
      if (renewed) return undefined;
    }
    // What was live may fail just when it is asked again.
    if (!passes(status) || !mayPass) throw failed(status ? `Answered with ${status}.` : "It redirects.", { response: last });
    become("failing", last);
    return Number(last.headers.get("retry-after")) * 1000 || 0;
  }

  /** The last resort where there is no live way at present, or no room on it; and the pause behind it. */
  async function pollOnce(token: Token, isFull: boolean): Promise<undefined> {
    const leastMs = await poll(token);
    if (client.state === "open" && !isFull) return;
    if (leastMs === null) await retry();
    else if (leastMs !== undefined) await opened(signal, Math.max(leastMs, pollMs()));
  }

  /** Ask by a plain GET. Return how long to wait, as `refused` does; null where HTTP is not there either. */
  async function poll(token: Token): Promise<number | null | undefined> {
    const feed = child();
    const response = await Promise.race([byGet(http, asking(token), feed), opened(feed.signal, POLL_PATIENCE_MS, false)]);
    feed.abort();
    const next = response?.ok ? await heldOf(response) : null;
    if (signal.aborted || subscription.state === "live") return 0;
    if (!response) {
      if (client.state !== "open") become("connecting");
      return null;
    }
    const fresh = { headers: Object.fromEntries(response.headers), way: "http" } as const;
    const current = next ?? (response.status === 304 ? refreshed(base, fresh) : null);
    if (!current) return refused(response, token, true);
    const isNew = !isSame(current, base);
    base = current;
    isRenewed = false;
    wasLive = true;
    become("polling");
    (isNew ? newest.show : newest.hold)(current);
    return 0;
  }

  /** Half of it is chance, so that a thousand pages do not ask in the same moment. */
  const pollMs = (): number => ((1 + Math.random()) / 2) * Math.min(MOST_POLL_MS, POLL_MS * 2 ** polls++);

  /** The token, another than one that was refused; false where it cannot be had at present. */
  async function tokenNow(refused?: Token, status = 0): Promise<Token | false> {
    if (request.headers.has("authorization")) return null;
    try {
      return await (refused ? tokens.renew(refused, status) : tokens.ask());
    } catch (error) {
      if (!wasLive) throw error;
      return false;
    }
  }

  /** The session; null when there will be none soon. One that was lost has the time of one that is opened. */
  async function sessionNow(): Promise<Session | null> {
    const session = await socket.ready(openTimeoutMs, signal);
    if (session || client.state !== "waiting" || !wasLive || subscription.state !== "connecting") return session;
    await opened(signal, openTimeoutMs);
    return socket.ready(openTimeoutMs, signal);
  }

  /** Wait with full jitter (7.2), but not when the socket is opened meanwhile. */
  function retry(leastMs = 0): Promise<undefined> {
    return opened(signal, Math.max(leastMs, Math.random() * Math.min(MOST_BACKOFF_MS, 1000 * 2 ** attempt++)));
  }

  /** Resolves when the socket is opened, when `until` is aborted, or after `mostMs`; then also when the page is looked at or online again. */
  function opened(until: AbortSignal, mostMs?: number, looks = mostMs !== undefined): Promise<undefined> {
    return new Promise((resolve) => {
      const over = new AbortController();
      const done = (): void => {
        clearTimeout(timer);
        over.abort(); // with it go the listeners
        resolve(undefined);
      };
      const timer = mostMs === undefined ? undefined : setTimeout(done, mostMs);
      const look = (): unknown => looks && globalThis.document?.visibilityState !== "hidden" && done();
      client.addEventListener("statechange", () => client.state === "open" && done(), over);
      for (const type of ["online", "visibilitychange"]) globalThis.addEventListener?.(type, look, over);
      until.addEventListener("abort", done, over);
    });
  }

  function respond(held: Held): Response {
    return parts.responseOf({ ...held, cookies: null }, parts.headersOf(held), request, false);
  }

  const failed = (why: string, facts: object): Error => Object.assign(new parts.RequestFailed(why), facts);

  function redeem({ cookies }: ServerMessage): void {
    if (cookies) void http.redeem(cookies);
  }

  function become(state: LiveState, failure?: Response, error?: unknown, reason?: EndReason): void {
    if (subscription.state === state && !failure) return;
    Object.assign(subscription, { state, failure, error, reason }).dispatchEvent(new Event("statechange"));
  }

  /** Forget what is held, and have the page do so: it is not for whoever is there now. */
  function clear(): void {
    if (keep) return;
    base = null;
    newest.clear();
    subscription.dispatchEvent(new Event("clear"));
  }

  const child = (): AbortController => {
    const feed = new AbortController();
    signal.addEventListener("abort", () => feed.abort(), { signal: feed.signal });
    return feed;
  };

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

  function end(error: unknown, reason: EndReason = reasonOf((error ?? {}) as RequestFailed)): void {
    if (signal.aborted) return;
    stop.abort();
    if (reason !== "closed" && reason !== "failed") clear(); // it is not the visitor's to see any more, or not there
    become("ended", undefined, error, reason);
    newest.end(reason === "closed" ? undefined : error);
  }

  function close(): void {
    end(new DOMException("Closed.", "AbortError"), "closed");
  }

  async function run(): Promise<void> {
    const aborted = (): void => end(given!.reason, "closed");
    given?.addEventListener("abort", aborted, { signal });
    if (given?.aborted) aborted();
    try {
      if (new URL(request.url).origin !== new URL(socketUrl).origin) throw new TypeError("Another origin.");
      base = await heldOf(held ?? condition);
      while (!signal.aborted) await ask();
    } catch (error) {
      end(error);
    }
  }

  async function ready(): Promise<Response> {
    const found = await newest.ready();
    if (!found) throw subscription.error;
    return found;
  }

  void run();
  return { ready, loop: newest.loop, close };
}
