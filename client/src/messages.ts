/**
 * Turns frames into messages, and messages into frames (PROTOCOL.md 2 to 5).
 *
 * A message is the JSON object of its frame, except that its body is bytes. The client decodes what the server sends,
 * and encodes what it sends itself. JSON text passes through unchanged, because a body must arrive byte for byte.
 */
export type Id = string | number;
export type Bytes = Uint8Array<ArrayBuffer>;
export type Frame = string | Bytes;
export type WireHeaders = Record<string, string | string[]>;

export type PatchKind = "json" | "text";

export interface Limits {
  message_bytes: number;
  body_bytes: number;
  in_flight: number;
  waiting: number;
  part_bytes: number;
  window_bytes: number;
  subscriptions?: number;
}
export interface Hello {
  protocol: string;
  ping_seconds: number;
  limits: Limits;
  /** Why cookies of this connection cannot become the browser's (6.4). Absent if they can. */
  tickets?: "bind" | "no";
  /** Whether a message may have a `referrer`. */
  referrer?: boolean;
  /** The kinds of patch that the server makes. Without it, only "json", and a request asks for it by a string. */
  patches?: readonly string[];
  /** Whether a live request may ask for events (4.11). */
  events?: boolean;
}
export interface Refusal {
  code: string;
  detail: string;
  temporary?: boolean;
  id?: Id;
}
/** Somebody in a room. `id` is the same for all connections of a person. */
export interface Member {
  id: string;
  /** What the view says about them. */
  info: Record<string, unknown>;
}
/** A room of a live request (4.11). */
export interface JoinedRoom {
  room: string;
  position: string;
  /** Whether events since the position that the request named may be lost. Absent if it named none. */
  missed?: boolean;
  /** Absent if the room has no presence. */
  members?: Member[];
}
/** The first of these members that is present says which message it is (2.6). Unknown members are kept. */
export interface ServerMessage {
  /** The JSON text. */
  ping?: string;
  /** The JSON text. */
  pong?: string;
  hello?: Hello;
  /** Whether the server may miss changes of the live requests of the connection (3.3). */
  uncertain?: boolean;
  credit?: number;
  error?: Refusal;
  status?: number | undefined;
  /** Alone, it makes the message a Part. In a Response, it is also the `data` of a text frame. */
  body?: Bytes;
  id?: Id;
  headers?: WireHeaders;
  more?: boolean;
  cookies?: string | null;
  csrf?: string | null;
  version?: number;
  /** Then `body` is a patch: JSON that changes the body of the last version (4.7). */
  patch?: PatchKind;
  settled?: boolean;
  /** The proof that this live request was answered, which resumes it (4.7). */
  rerun?: string;
  /** The rooms of a live request, from now on. */
  rooms?: JoinedRoom[];
  /** An event of the rooms of the connection (`room` and `position`), or to its user or session (`to`). */
  event?: string;
  data?: unknown;
  room?: string;
  position?: string;
  to?: "user" | "session";
  /** A room whose members have changed, by `joined` and `left`. */
  presence?: string;
  joined?: Member[];
  left?: string[];
  /** A room of which events were lost. Those after `position` follow. Empty if the events were sent to the user or session. */
  missed?: string;
}
/** The frame has no members that are undefined or an empty object. */
export interface ClientMessage {
  id?: Id | undefined;
  method?: string | undefined;
  url?: string;
  headers?: Record<string, string>;
  body?: Bytes | null;
  /** The Content-Type. Then it is not in `headers`. */
  type?: string | undefined;
  token?: string | undefined;
  /** The Referer: a URL of the handshake's Origin. */
  referrer?: string | undefined;
  credit?: number;
  more?: true;
  subscribe?: true;
  patch?: PatchKind | readonly PatchKind[];
  tag_only?: true;
  settled?: boolean | undefined;
  cancel?: true;
}

const LINE_FEED = 10;
const JSON_HEADER = /^content-type:\s*(application\/json|[^;,]+\+json)\s*(;|$)/i;
export const utf8 = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The detail of an error about a frame that breaks the protocol. */
export const INVALID_FRAME = "the server sent a frame that is not valid in wsrequest.v1";
export const EMPTY: Bytes = new Uint8Array(0);

/**
 * Returns the JSON text of the member `name`, which is the last one of a valid JSON object.
 *
 * The name can also occur inside other members. At the right place, one brace closes the text before it.
 */
function textOfLast(text: string, name: string): string {
  const mark = `"${name}":`;
  for (let start = text.indexOf(mark); start >= 0; start = text.indexOf(mark, start + 1)) {
    try {
      JSON.parse(`${text.slice(0, start)}${mark}0}`);
      return text.slice(start + mark.length, text.lastIndexOf("}")).trim();
    } catch {
      // this occurrence is inside another member
    }
  }
  return "";
}

const isText = (value: unknown): value is string => typeof value === "string";

const isId = (id: unknown): boolean => isText(id) || Number.isSafeInteger(id);

const isObject = (value: unknown): value is object => Object(value) === value && !Array.isArray(value);

/** The most levels of arrays and objects in the JSON of a frame, including its own object (2.1). */
const MAX_NESTING = 500;

/** Whether a value has more levels than that. Most texts have few brackets, so their values are not searched. */
function isDeep(text: string, value: unknown, levels: number): boolean {
  const fits = (each: unknown, left: number): boolean =>
    Object(each) !== each || (left > 0 && Object.values(each as object).every((inner) => fits(inner, left - 1)));
  return text.split(/[[{]/, levels + 2).length > levels + 1 && !fits(value, levels);
}

function need(holds: unknown, id?: Id): asserts holds {
  if (!holds) throw new Error("bad_message", { cause: id });
}

/**
 * Decodes a frame of the server.
 *
 * Throws if the frame is not valid. The error's `cause` is the id of the request, if it can be read.
 */
export function decode(frame: string | ArrayBuffer): ServerMessage {
  let text = frame as string;
  let body: Bytes | undefined;
  if (!isText(frame)) {
    const bytes = new Uint8Array(frame);
    const end = bytes.indexOf(LINE_FEED) + 1;
    text = decoder.decode(bytes.subarray(0, end));
    body = bytes.subarray(end);
  }
  const head: unknown = JSON.parse(text);
  need(isObject(head));
  if (isDeep(text, head, MAX_NESTING)) throw new Error("bad_json", { cause: (head as ServerMessage).id });
  return checked(head, text, body);
}

function checked(head: ServerMessage, text: string, body?: Bytes): ServerMessage {
  for (const name of ["ping", "pong"]) {
    if (!(name in head)) continue;
    const value = textOfLast(text, name);
    need(utf8.encode(value).length <= 125);
    return { [name]: value };
  }
  const { hello, uncertain, id, credit, error, status, data } = head;
  // A newer server may announce more limits.
  if (hello !== undefined) need(hello?.protocol && hello.ping_seconds > 0 && hello.limits?.window_bytes > 0);
  need(uncertain === undefined || uncertain === !!uncertain);
  // An id of the wrong type belongs to no request, so the frame is about the connection.
  need(id === undefined || isId(id));
  const headers = head.headers ?? {};
  if (credit !== undefined) need(id !== undefined && Number.isSafeInteger(credit) && credit >= 0);
  else {
    need(status === undefined || Number.isInteger(status));
    if (error !== undefined) need(isText(error?.code) && isText(error.detail));
    else if (status !== undefined) {
      need(isObject(headers) && Object.values(headers).flat().every(isText));
      need(status > 99 && status < 600, id);
      need(!head.more || (body && id !== undefined), id);
      if (!body && data !== undefined) {
        const isPatch = head.version !== undefined && head.patch !== undefined;
        const isJson = isPatch || Object.entries(headers).some(([name, value]) => JSON_HEADER.test(`${name}:${value}`));
        need(isJson || isText(data));
        body = utf8.encode(isJson ? textOfLast(text, "data") : (data as string));
      }
    }
  }
  return { ...head, headers, body } as ServerMessage;
}

/** Makes the frame of a ping or pong with this JSON text. */
export const pingFrame = (name: "ping" | "pong", json: string): string => `{"${name}":${json}}`;

/** Encodes a message of the client. A body of JSON or text goes into a text frame (4.1). */
export function encode({ type, ...message }: ClientMessage): Frame {
  const { body, headers } = message;
  if (body && !message.more) {
    try {
      if (type === "text/plain;charset=UTF-8") return toJson(message, [`"body":${JSON.stringify(decoder.decode(body))}`]);
      if (type === "application/json") return toJson(message, [`"data":${jsonOf(decoder.decode(body))}`]);
    } catch {
      // not such a text, so send it as bytes
    }
  }
  const head = toJson({ ...message, headers: { ...headers, ...(type && { "Content-Type": type }) } });
  if (!body) return head;
  const start = utf8.encode(head + "\n");
  const frame = new Uint8Array(start.length + body.length);
  frame.set(start);
  frame.set(body, start.length);
  return frame;
}

/** Returns the JSON of a message. `content` is the member for the body. */
function toJson(message: ClientMessage, content: string[] = []): string {
  const members = Object.entries(message).flatMap(([name, value]) => {
    if (name === "body") return content;
    const text = JSON.stringify(value) as string | undefined;
    return text && text !== "{}" ? `"${name}":${text}` : [];
  });
  return `{${members}}`;
}

/** Returns a JSON text that a text frame carries unchanged. Throws if it has white space around it, half a surrogate pair, or too many levels. */
function jsonOf(text: string): string {
  const value: unknown = JSON.parse(text);
  if (isDeep(text, value, MAX_NESTING - 1)) throw value; // the frame around it is one more level
  if (text !== text.trim() || (/\\ud/i.test(text) && /\\ud/.test(JSON.stringify(value)))) throw value;
  return text;
}
