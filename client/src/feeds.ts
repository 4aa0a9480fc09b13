/**
 * The two ways of a live request: the socket (PROTOCOL.md 4.7) and server-sent events (4.9).
 *
 * A feed gives each answer that goes on to `take`, until it is over. What is held, and whether to ask again, is live's.
 */
import { events } from "./events.js";
import type { Http } from "./http.js";
import type { Bytes, ServerMessage } from "./messages.js";
import type { Session } from "./session.js";
import type { Token } from "./tokens.js";

export interface Ask {
  /** As fetch makes it: an absolute URL, and no header that fetch refuses. */
  request: Request;
  etag: string | null;
  token: Token;
  /** What an answer had as this, if it was live before: then only the client asks for it again. */
  rerun: string | undefined;
  patch: "json" | false;
}
/** Why a feed is over: its last message, an HTTP response that is no stream of events, or neither when it was lost. */
export interface Over {
  message?: ServerMessage;
  response?: Response;
}
type Take = (message: ServerMessage) => void;

/** Of a live request, by the server; of a connection (4003), without `temporary`, by the client's own session. */
export const SESSION_ENDED = "session_ended";

/** Without a byte for so long, a stream of events counts as lost: nobody pings there. */
const SILENCE_MS = 60_000;
let lastId = 0;

const isLast = ({ error, version }: ServerMessage): boolean => !!error || version === undefined;

const pathOf = (request: Request): string => {
  const { pathname, search } = new URL(request.url);
  return pathname + search;
};

/** An abort of `feed` cancels it on the server. */
export function bySocket(session: Session, { request, etag, token, patch, rerun }: Ask, take: Take, { signal }: AbortController): Promise<Over> {
  return new Promise((resolve) => {
    const id = `live-${++lastId}`;
    const cancel = (): void => {
      if (!session.receivers.delete(id)) return; // it is over
      session.send(JSON.stringify({ id, cancel: true }));
      resolve({});
    };
    const receive = (message: ServerMessage): void => {
      const { error, more } = message;
      // It is sent whole; and a refusal that does not say whether it passes is the client's own, of a frame or connection.
      if (more || (error && error.temporary === undefined && error.code !== SESSION_ENDED)) cancel();
      else if (!isLast(message)) take(message);
      else if (session.receivers.delete(id)) resolve({ message });
    };
    signal.addEventListener("abort", cancel);
    session.receivers.set(id, receive);
    const headers = { ...Object.fromEntries(request.headers), ...(etag !== null && { "If-None-Match": etag }) };
    // JSON leaves out what is undefined.
    const asked = { headers, subscribe: true, patch: patch || undefined, token: token || undefined, rerun };
    session.send(JSON.stringify({ id, url: pathOf(request), ...asked }));
  });
}

/** An abort of `feed` ends the request. */
export async function byEvents(
  http: Http,
  url: string,
  decode: (frame: string) => ServerMessage,
  { request, etag, token, patch, rerun }: Ask,
  take: Take,
  feed: AbortController,
): Promise<Over> {
  const address = new URL(url);
  address.searchParams.set("url", pathOf(request));
  if (patch) address.searchParams.set("patch", patch);
  if (rerun) address.searchParams.set("rerun", rerun);
  const headers = new Headers(request.headers);
  headers.set("Accept", "text/event-stream");
  if (etag !== null) headers.set("Last-Event-ID", etag);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => feed.abort(), SILENCE_MS);
  };
  try {
    heard();
    const init = { headers, signal: feed.signal, credentials: "include" } as const;
    const response = await http.send(new Request(address, init), null, token);
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !type.startsWith("text/event-stream")) {
      return { response: await whole(response) };
    }
    for await (const data of events(response.body!, heard)) {
      const message = unpacked(decode(data));
      if (isLast(message)) return { message };
      take(message);
    }
  } catch {
    // lost, as by its end
  } finally {
    clearTimeout(timer);
  }
  return {};
}

/** The last resort: one plain GET, which an abort of `feed` ends. Nothing where HTTP is not there either. */
export async function byGet(http: Http, { request, etag, token }: Ask, { signal }: AbortController): Promise<Response | undefined> {
  const headers = new Headers(request.headers);
  if (etag !== null) headers.set("If-None-Match", etag);
  const init = { headers, signal, credentials: "include", cache: "no-store", redirect: "manual" } as const;
  try {
    return await whole(await http.send(new Request(request, init), null, token));
  } catch {
    return undefined;
  }
}

/** The same, to be read when its feed is over. */
async function whole(response: Response): Promise<Response> {
  if (!response.status) return response; // a redirect
  const body = await response.arrayBuffer();
  return new Response(body.byteLength ? body : null, response);
}

/** With the bytes of a body that no text frame can carry. */
function unpacked(message: ServerMessage & { encoding?: string }): ServerMessage {
  if (message.encoding !== "base64") return message;
  const text = new TextDecoder().decode(message.body).replaceAll('"', ""); // of JSON it is a string
  const body: Bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return { ...message, body };
}
