/**
 * The transports of a live request: the socket (PROTOCOL.md 4.7), server-sent events (4.9), and a plain GET.
 *
 * The first two pass each response with a version to `take`, and each notice whether the server may miss changes (3.3),
 * until the transport ends. latest.ts keeps the newest response,
 * and live.ts decides whether to send the request again.
 */
import type { Http } from "./http.js";
import type { Bytes, PatchKind, ServerMessage } from "./messages.js";
import type { Session } from "./session.js";
import type { Token } from "./tokens.js";

export interface SubscribeRequest {
  /** Made as fetch makes it: with an absolute URL, and without headers that fetch refuses. */
  request: Request;
  etag: string | null;
  token: Token;
  /** The proof of an earlier response. It shows that only the client sends this request again. */
  rerun: string | undefined;
  /** The kinds of patch that the page takes. */
  patch: readonly PatchKind[];
  /** Whether the body that `etag` names is not there. */
  isTagOnly: boolean;
  push: Push | undefined;
}
/** What a room adds to its live request (4.11). room.ts makes it. */
export interface Push {
  /** What the request asks for. */
  events: readonly string[];
  /** The positions of at most so many rooms, from which the server replays events. */
  since(maxCount: number): Record<string, string> | undefined;
  take(message: ServerMessage): void;
  /** Forget everything of the former user. */
  clear(): void;
}
/** Why a transport has ended: its last message, or an HTTP response that is not an event stream. Neither if it was lost. */
export interface TransportEnd {
  message?: ServerMessage;
  response?: Response;
}
type Take = (message: ServerMessage) => void;

/** The server ends a live request with this code. The session of a lost connection does the same, without `temporary` (4003). */
export const SESSION_ENDED = "session_ended";

/** An event stream has no pings, so it counts as lost if no byte comes for this time. */
const SILENCE_MS = 60_000;
let lastId = 0;

/** How many positions go into the query of an event stream. Proxies limit the length of a URL. */
const MAX_URL_POSITIONS = 40;
const MAX_POSITIONS = 256;

const isLast = ({ error, status, version }: ServerMessage): boolean => !!error || (!!status && version === undefined);

const pathOf = (request: Request): string => {
  const { pathname, search } = new URL(request.url);
  return pathname + search;
};

/** An abort of the signal cancels the live request on the server. */
export function subscribeBySocket(session: Session, { request, etag, token, patch, isTagOnly, rerun, push }: SubscribeRequest, take: Take, { signal }: AbortController): Promise<TransportEnd> {
  return new Promise((resolve) => {
    const id = `live-${++lastId}`;
    const cancel = (): void => {
      if (!session.receivers.delete(id)) return; // it has ended
      session.send(JSON.stringify({ id, cancel: true }));
      resolve({});
    };
    const receive = (message: ServerMessage): void => {
      const { error, more } = message;
      // Live responses are never sent in parts. A refusal without `temporary` is the client's own, about a bad frame or a lost connection.
      if (more || (error && error.temporary === undefined && error.code !== SESSION_ENDED)) cancel();
      else if (!isLast(message)) take(message);
      else if (session.receivers.delete(id)) resolve({ message });
    };
    signal.addEventListener("abort", cancel);
    session.receivers.set(id, receive);
    const headers = { ...Object.fromEntries(request.headers), ...(etag !== null && { "If-None-Match": etag }) };
    const { patches, events } = session.hello;
    const kinds = patch.filter((kind) => (patches ? patches.includes(kind) : kind === "json" && !isTagOnly));
    // JSON omits members that are undefined.
    const asked = kinds.length ? { patch: patches ? kinds : kinds[0], tag_only: isTagOnly || undefined } : {};
    const pushed = events && push && { events: push.events, since: push.since(MAX_POSITIONS) };
    const rest = { headers, subscribe: true, ...asked, token: token || undefined, rerun, ...pushed };
    session.send(JSON.stringify({ id, url: pathOf(request), ...rest }));
  });
}

/** An abort of `transport` ends the request. */
export async function subscribeByEvents(
  http: Http,
  url: string,
  decode: (frame: string) => ServerMessage,
  { request, etag, token, patch, isTagOnly, rerun, push }: SubscribeRequest,
  take: Take,
  transport: AbortController,
): Promise<TransportEnd> {
  const address = new URL(url);
  address.searchParams.set("url", pathOf(request));
  // A server that takes no list takes the first. It does not know `tag_only`, so its patch does not fit, and the request is sent again.
  for (const kind of patch) address.searchParams.append("patch", kind);
  if (isTagOnly) address.searchParams.set("tag_only", "true");
  if (rerun) address.searchParams.set("rerun", rerun);
  for (const kind of push?.events ?? []) address.searchParams.append("events", kind);
  const since = push?.since(MAX_URL_POSITIONS);
  if (since) address.searchParams.set("since", JSON.stringify(since));
  const headers = new Headers(request.headers);
  headers.append("Accept", "text/event-stream"); // behind what the live request accepts, which the server then takes
  if (etag !== null) headers.set("Last-Event-ID", etag);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const restartTimer = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => transport.abort(), SILENCE_MS);
  };
  try {
    restartTimer();
    const init = { headers, signal: transport.signal, credentials: "include" } as const;
    const response = await http.send(new Request(address, init), null, token);
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !type.startsWith("text/event-stream")) {
      return { response: await readWhole(response) };
    }
    for await (const data of eventsOf(response.body!, restartTimer)) {
      const message = unpacked(decode(data));
      if (isLast(message)) return { message };
      take(message);
    }
  } catch {
    // lost, the same as if the stream ends
  } finally {
    clearTimeout(timer);
  }
  return {};
}

/** Sends one plain GET, the last resort. An abort of the signal ends it. Returns nothing if HTTP is not available. */
export async function getByHttp(http: Http, { request, etag, token }: SubscribeRequest, { signal }: AbortController): Promise<Response | undefined> {
  const headers = new Headers(request.headers);
  if (etag !== null) headers.set("If-None-Match", etag);
  const init = { headers, signal, credentials: "include", cache: "no-store", redirect: "manual" } as const;
  try {
    return await readWhole(await http.send(new Request(request, init), null, token));
  } catch {
    return undefined;
  }
}

/** Reads the body, so that the response is complete when its transport ends. */
async function readWhole(response: Response): Promise<Response> {
  if (!response.status) return response; // a redirect
  const body = await response.arrayBuffer();
  return new Response(body.byteLength ? body : null, response);
}

/** Decodes the body of an event that no text frame can carry. */
function unpacked(message: ServerMessage & { encoding?: string }): ServerMessage {
  if (message.encoding !== "base64") return message;
  const text = new TextDecoder().decode(message.body).replaceAll('"', ""); // if the type is JSON, it is a JSON string
  const body: Bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return { ...message, body };
}

/**
 * Yields the data of each event of a stream (HTML standard, "Interpreting an event stream").
 *
 * Calls `received` for every chunk, even if it has only a comment. Throws the error of the stream.
 */
async function* eventsOf(body: ReadableStream<Uint8Array>, received: () => void): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return; // an incomplete event is dropped
      received();
      // A CR at the end may be the first half of a CRLF.
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?=[^\n])/);
      rest = lines.pop()!;
      for (const line of lines) {
        const match = /^data(?:: ?(.*))?$/s.exec(line);
        if (match) data.push(match[1] ?? "");
        if (line || !data.length) continue;
        yield data.join("\n");
        data = [];
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
