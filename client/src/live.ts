/**
 * A live request: one GET that is answered again whenever its response has changed (PROTOCOL.md 4.7).
 *
 * Decides when to send it and over which transport, and what ends it. This file is a bundle of its own, which client.js
 * loads for the first live request. It gets parts of client.js as `LiveContext`, so that no module is loaded twice.
 */
import type { Client } from "./client.js";
import type { RequestFailed } from "./errors.js";
import type { Http } from "./http.js";
import { changed, createLatest, isSame, refreshed, snapshotOf, TAG_ONLY, type Snapshot } from "./latest.js";
import type { decode, PatchKind, ServerMessage } from "./messages.js";
import type { Options } from "./options.js";
import type { headersOf, responseOf } from "./responses.js";
import type { Session } from "./session.js";
import type { Socket } from "./socket.js";
import type { EndReason, LiveRequest, LiveState, Subscription } from "./subscription.js";
import { mayHaveExpired, type Token, type Tokens } from "./tokens.js";
import { getByHttp, SESSION_ENDED, subscribeByEvents, subscribeBySocket, type Push, type SubscribeRequest, type TransportEnd } from "./transports.js";

export interface LiveOptions {
  headers?: HeadersInit;
  /** An abort closes the live request. */
  signal?: AbortSignal | null;
  /**
   * The server may send only what changed: `"json"` is a JSON Patch (RFC 6902) of a JSON body, `"text"` a difference of a text.
   * `false`: whole bodies only. @default ["json", "text"]
   */
  patch?: PatchKind | readonly PatchKind[] | false;
  /** What the page shows already: a Response or its ETag. If it is current, the callback is first called at the next change. */
  held?: Response | string | null;
  /** Keep the latest response if the visitor may no longer see it, and fire no `clear` event. @default false */
  keep?: boolean;
  /** The proof that the page has shown a response to this request, as a live page has it from its server (PROTOCOL.md 4.7). @default none */
  rerun?: string | undefined;
}
/** The options of `startLive`. */
interface StartOptions extends LiveOptions {
  push?: Push;
}
export type LiveCallback = (response: Response) => void;
export type LiveCall =
  | [url: string | URL, callback?: LiveCallback | null, options?: LiveOptions]
  | [url: string | URL, options: LiveOptions];

/** The parts of client.js that a live request needs. */
export interface LiveContext {
  client: Client;
  socket: Socket;
  http: Http;
  tokens: Tokens;
  /** The address of the socket, with the scheme http or https. */
  socketUrl: string;
  baseUrl: string;
  options: Options;
  decode: typeof decode;
  headersOf: typeof headersOf;
  responseOf: typeof responseOf;
  RequestFailed: typeof RequestFailed;
}

const MAX_BACKOFF_MS = 30_000;
const STEADY_MS = 10_000;
// The pauses between plain GETs: the first one, which doubles each time, and the longest.
const POLL_MS = 2000;
const MAX_POLL_MS = 60_000;
const POLL_TIMEOUT_MS = 30_000; // for one plain GET

/** Whether a failure with this status is temporary. */
const isTemporary = (status: number): boolean => status === 429 || status >= 500;

function reasonOf({ response, code }: Partial<RequestFailed>): EndReason {
  const status = response?.status ?? (code === SESSION_ENDED ? 401 : 400);
  if (status === 401 || status === 403) return "denied";
  if (status === 404 || status === 410) return "gone";
  return status < 400 ? "moved" : "failed"; // status 0 is a redirect over HTTP: the browser hides its status
}

/** Starts a live request, and keeps the state of `subscription` up to date. `isWatched` says whether the page notices its end. */
export function startLive(context: LiveContext, subscription: Subscription, isWatched: () => boolean, ...[url, ...rest]: LiveCall): LiveRequest {
  const { client, socket, http, tokens, socketUrl, baseUrl } = context;
  const { openTimeoutMs = 2000 } = context.options;
  // The last argument may be a callback, which lacks these members.
  const { headers = {}, signal: pageSignal, patch = ["json", "text"], held, keep, push } = (rest.at(-1) ?? {}) as StartOptions;
  const request = new Request(new URL(url, baseUrl), { headers });
  const condition = request.headers.get("if-none-match"); // each try has its own, so it is not a header of the request
  request.headers.delete("if-none-match");
  const [callback] = rest;
  const latest = createLatest(respond, typeof callback === "function" ? callback : undefined, close);
  const stop = new AbortController();
  const { signal } = stop;
  let previous: AbortController | undefined; // an event stream that stays open until the socket has answered
  let answering: AbortController | undefined; // the transport of the last response
  let base: Snapshot | null = null; // what the next patch applies to. Null if a patch has failed
  let wasLive = false;
  let { rerun } = (rest.at(-1) ?? {}) as LiveOptions;
  let attempt = 0;
  let polls = 0;
  let isRenewed = false;

  /** Sends the live request over one transport, and takes the responses until it ends. Throws what ends the live request. */
  async function runOnce(): Promise<void> {
    const token = await currentToken();
    const session = await currentSession();
    if (signal.aborted) return;
    if (token === false || session?.takes(0) === false) return retry();
    const transport = createTransport();
    const startedAt = performance.now();
    const take = createTake(transport, session?.isUncertain);
    const message = subscribeRequest(token);
    let end: TransportEnd | undefined;
    if (session) end = await subscribeBySocket(session, message, take, transport);
    else {
      const ended = subscribeByEvents(http, socketUrl, context.decode, message, take, transport);
      // A stream that sends nothing may never send anything, so poll until it does.
      const pollPause = (): number | undefined => (answering === transport ? undefined : nextPollMs());
      while (!(end = await Promise.race([ended, opened(transport.signal, pollPause())])) && client.state !== "open" && !signal.aborted) {
        if (answering !== transport && (await poll(token)) === undefined) return transport.abort();
      }
      if (!end) {
        previous = transport;
        void ended.then(() => transport === previous && lost());
        return;
      }
    }
    transport.abort(); // removes its listeners
    // If it brought no response, what was polled is as old as before.
    if (previous || answering === transport) lost();
    if (performance.now() - startedAt >= STEADY_MS) attempt = 0;
    if (!signal.aborted) await handleEnd(end, token, !session && answering !== transport);
  }

  const subscribeRequest = (token: Token): SubscribeRequest => {
    const etag = base && context.headersOf(base).get("etag");
    return { request, etag, token, patch: [patch || []].flat(), isTagOnly: base?.status === TAG_ONLY, rerun, push };
  };

  /** Makes the function that takes the responses of `transport`. `isUncertain` says whether its server may miss changes. */
  function createTake(transport: AbortController, isUncertain = false): (message: ServerMessage) => void {
    const baseAtStart = base;
    let version: number | undefined;
    const setLive = (): void => setState(isUncertain ? "uncertain" : "live");
    return (message) => {
      if (transport.signal.aborted || message.version! <= version!) return;
      if (message.uncertain !== undefined) {
        isUncertain = message.uncertain;
        if (answering === transport && isLive()) setLive();
        return;
      }
      if (!message.status) {
        if (answering === transport) push?.take(message);
        return;
      }
      const isFirst = version === undefined;
      version = message.version;
      answering = transport;
      polls = 0;
      if (transport !== previous) abortPrevious();
      isRenewed = false;
      redeem(message);
      const { status } = message;
      rerun = message.rerun ?? rerun;
      if (isTemporary(status!)) return setState("failing", respond(message as Snapshot));
      let next: Snapshot | null = null;
      try {
        // A first 304 is about the base that the request named. The event stream may have changed the base since.
        next = status === 304 ? refreshed(isFirst ? baseAtStart : base, message as Snapshot) : changed(base, message);
      } catch {
        // the patch does not fit
      }
      const mayBeSame = isFirst || status === 304;
      const isNew = next && !(mayBeSame && isSame(next, base));
      base = next; // null: the next request asks for a whole body
      if (!next) return transport.abort();
      wasLive = true;
      setLive();
      (isNew ? latest.show : latest.keep)(next);
    };
  }

  /** Waits until it is time to send the request again. Throws what ends the live request. */
  async function handleEnd({ message }: TransportEnd, token: Token, hasNoTransport: boolean): Promise<void> {
    const { code, detail, temporary } = message?.error ?? {};
    if (code === SESSION_ENDED && temporary === undefined) clear(); // the connection's session: the next visitor may be another
    else if (code && !temporary) throw failed(`${detail} (${code})`, { code });
    else if (message && !code) {
      redeem(message);
      const minMs = await handleFailure(respond(message as Snapshot), token, wasLive);
      return minMs === undefined ? minMs : retry(minMs);
    }
    const isFull = code === "too_many_subscriptions";
    return isFull || hasNoTransport ? pollOnce(token, isFull) : retry();
  }

  /** Handles a response that is not to be shown. Returns how long to wait, or undefined to try another token at once. */
  async function handleFailure(response: Response, token: Token, mayBeTemporary: boolean): Promise<number | undefined> {
    const { status } = response;
    if (mayHaveExpired(status) && token && !isRenewed) {
      const renewed = await currentToken(token, status);
      if (renewed === false) return 0;
      isRenewed = true;
      if (renewed) return undefined;
    }
    // A request that was live before may fail for a moment when it is sent again.
    if (!isTemporary(status) || !mayBeTemporary) throw failed(status ? `The response has status ${status}.` : "The response is a redirect.", { response });
    setState("failing", response);
    return Number(response.headers.get("retry-after")) * 1000 || 0;
  }

  /** Polls once and pauses, if there is no live transport at present, or no room on it. */
  async function pollOnce(token: Token, isFull: boolean): Promise<undefined> {
    const minMs = await poll(token);
    if (client.state === "open" && !isFull) return;
    if (minMs === null) await retry();
    else if (minMs !== undefined) await opened(signal, Math.max(minMs, nextPollMs()));
  }

  /** Sends a plain GET. Returns the same as `handleFailure`, or null if HTTP is not available. */
  async function poll(token: Token): Promise<number | null | undefined> {
    const transport = createTransport();
    const response = await Promise.race([getByHttp(http, subscribeRequest(token), transport), opened(transport.signal, POLL_TIMEOUT_MS, false)]);
    transport.abort();
    const whole = response?.ok ? await snapshotOf(response) : null;
    if (signal.aborted || isLive()) return 0;
    if (!response) {
      if (client.state !== "open") setState("connecting");
      return null;
    }
    const newer = { headers: Object.fromEntries(response.headers), way: "http" } as const;
    const next = whole ?? (response.status === 304 ? refreshed(base, newer) : null);
    if (!next) return handleFailure(response, token, true);
    const isNew = !isSame(next, base);
    base = next;
    isRenewed = false;
    wasLive = true;
    setState("polling");
    (isNew ? latest.show : latest.keep)(next);
    return 0;
  }

  /** The next pause. Half of it is random, so that a thousand pages do not poll at the same moment. */
  const nextPollMs = (): number => ((1 + Math.random()) / 2) * Math.min(MAX_POLL_MS, POLL_MS * 2 ** polls++);

  /** Gets the token, or another one if it was refused. False if that fails at present. */
  async function currentToken(refused?: Token, status = 0): Promise<Token | false> {
    if (request.headers.has("authorization")) return null;
    try {
      return await (refused ? tokens.renew(refused, status) : tokens.get());
    } catch (error) {
      if (!wasLive) throw error;
      return false;
    }
  }

  /** Gets the session, or null if there will not be one soon. A lost socket has as much time to reopen as a new one. */
  async function currentSession(): Promise<Session | null> {
    const session = await socket.ready(openTimeoutMs, signal);
    if (session || client.state !== "waiting" || !wasLive || subscription.state !== "connecting") return session;
    await opened(signal, openTimeoutMs);
    return socket.ready(openTimeoutMs, signal);
  }

  /** Waits with full jitter (7.2), or until the socket opens. */
  function retry(minMs = 0): Promise<undefined> {
    return opened(signal, Math.max(minMs, Math.random() * Math.min(MAX_BACKOFF_MS, 1000 * 2 ** attempt++)));
  }

  /** Waits until the socket opens, `until` is aborted, or `maxMs` have passed. If it `looks`, also until the page is visible or online again. */
  function opened(until: AbortSignal, maxMs?: number, looks = maxMs !== undefined): Promise<undefined> {
    return new Promise((resolve) => {
      const over = new AbortController();
      const done = (): void => {
        clearTimeout(timer);
        over.abort(); // removes the listeners
        resolve(undefined);
      };
      const timer = maxMs === undefined ? undefined : setTimeout(done, maxMs);
      const look = (): unknown => looks && globalThis.document?.visibilityState !== "hidden" && done();
      client.addEventListener("statechange", () => client.state === "open" && done(), over);
      for (const type of ["online", "visibilitychange"]) globalThis.addEventListener?.(type, look, over);
      until.addEventListener("abort", done, over);
    });
  }

  /** Whether a transport keeps what the page shows up to date. */
  const isLive = (): boolean => ["live", "uncertain"].includes(subscription.state);

  function respond(snapshot: Snapshot): Response {
    return context.responseOf({ ...snapshot, cookies: null }, context.headersOf(snapshot), request, false);
  }

  const failed = (why: string, facts: object): Error => Object.assign(new context.RequestFailed(why), facts);

  function redeem({ cookies }: ServerMessage): void {
    if (cookies) void http.redeem(cookies);
  }

  function setState(state: LiveState, failure?: Response, error?: unknown, reason?: EndReason): void {
    if (subscription.state === state && !failure) return;
    Object.assign(subscription, { state, failure, error, reason }).dispatchEvent(new Event("statechange"));
  }

  /** Forgets the latest response and has the page erase it, because the present visitor may not see it. */
  function clear(): void {
    if (keep) return;
    base = null;
    latest.clear();
    push?.clear();
    subscription.dispatchEvent(new Event("clear"));
  }

  /** Makes the controller of one transport. It is aborted with the live request. */
  const createTransport = (): AbortController => {
    const transport = new AbortController();
    signal.addEventListener("abort", () => transport.abort(), { signal: transport.signal });
    return transport;
  };

  function abortPrevious(): void {
    const transport = previous;
    previous = undefined;
    transport?.abort();
  }

  function lost(): void {
    abortPrevious();
    if (!signal.aborted) setState("connecting");
  }

  function end(error: unknown, reason: EndReason = reasonOf((error ?? {}) as RequestFailed)): void {
    if (signal.aborted) return;
    stop.abort();
    if (reason !== "closed" && reason !== "failed") clear(); // the visitor may not see it any more, or it is gone
    setState("ended", undefined, error, reason);
    const isClosed = reason === "closed";
    latest.end(isClosed ? undefined : error);
    if (!isClosed && !isWatched()) void Promise.reject(error); // reported as an unhandled rejection
  }

  function close(): void {
    end(new DOMException("Closed.", "AbortError"), "closed");
  }

  async function run(): Promise<void> {
    const aborted = (): void => end(pageSignal!.reason, "closed");
    pageSignal?.addEventListener("abort", aborted, { signal });
    if (pageSignal?.aborted) aborted();
    try {
      if (new URL(request.url).origin !== new URL(socketUrl).origin) throw new TypeError("A URL of another origin cannot be live.");
      base = await snapshotOf(held ?? condition);
      while (!signal.aborted) await runOnce();
    } catch (error) {
      end(error);
    }
  }

  async function ready(): Promise<Response> {
    const response = await latest.ready();
    if (!response) throw subscription.error;
    return response;
  }

  void run();
  return { ready, loop: latest.loop, close };
}
