/**
 * Frames to messages, and messages to frames (PROTOCOL.md 2 to 5).
 *
 * A message is the object that stands on the wire, but for its body, which is bytes. Owns shapes only: a
 * client decodes what the server sends and encodes what it sends itself. The text of JSON goes through
 * untouched, because a body must arrive byte for byte. Knows no socket.
 */
export type Id = string | number;
export type Bytes = Uint8Array<ArrayBuffer>;
export type Frame = string | Bytes;
export type Headings = Record<string, string | string[]>;

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
  /** Why cookies of this connection cannot become the browser's (6.4); absent where they can. */
  tickets?: "bind" | "no";
  /** Whether a message may have a `referrer`. */
  referrer?: boolean;
}
export interface Refusal {
  code: string;
  detail: string;
  temporary?: boolean;
  id?: Id;
}
/** Which message it is, the first of these tells that is there (2.6); members that are not known stay. */
export interface ServerMessage {
  /** The text of its JSON, as that of `pong`. */
  ping?: string;
  pong?: string;
  hello?: Hello;
  credit?: number;
  error?: Refusal;
  status?: number | undefined;
  /** With no other, this is a Part. Of a Response also what its text frame had as `data`. */
  body?: Bytes;
  id?: Id;
  headers?: Headings;
  more?: boolean;
  cookies?: string | null;
  csrf?: string | null;
  version?: number;
  /** `body` is no body then, but JSON that changes that of the version before (4.7). */
  patch?: "json";
  settled?: boolean;
  /** Proves that it was answered, for when it is taken up again (4.7). */
  rerun?: string;
}
/** Members that are undefined or an empty object are left out. */
export interface ClientMessage {
  id?: Id | undefined;
  method?: string | undefined;
  url?: string;
  headers?: Record<string, string>;
  body?: Bytes | null;
  /** The Content-Type, which is not in `headers` then. */
  type?: string | undefined;
  token?: string | undefined;
  /** The Referer, a URL of the handshake's Origin. */
  referrer?: string | undefined;
  credit?: number;
  more?: true;
  subscribe?: true;
  patch?: "json";
  settled?: boolean | undefined;
  cancel?: true;
}

const LINE_FEED = 10;
const JSON_HEADER = /^content-type:\s*(application\/json|[^;,]+\+json)\s*(;|$)/i;
const utf8 = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const NOT_OURS = "it sent what is not of wsrequest.v1";
export const EMPTY: Bytes = new Uint8Array(0);

/**
 * The text of the last member of one valid JSON object, which is `name`.
 *
 * Not every occurrence of the name is a member, but what is before one can be closed by one brace.
 */
function textOfLast(text: string, name: string): string {
  const mark = `"${name}":`;
  for (let start = text.indexOf(mark); start >= 0; start = text.indexOf(mark, start + 1)) {
    try {
      JSON.parse(`${text.slice(0, start)}${mark}0}`);
      return text.slice(start + mark.length, text.lastIndexOf("}")).trim();
    } catch {
      // it was inside of another member
    }
  }
  return "";
}

const isText = (value: unknown): value is string => typeof value === "string";

const isId = (id: unknown): boolean => isText(id) || Number.isSafeInteger(id);

const isObject = (value: unknown): value is object => Object(value) === value && !Array.isArray(value);

/** Levels of arrays and objects in the JSON of a frame, its own object among them (2.1). */
const MAX_NESTING = 500;

/** Whether a value nests deeper than that. A text with few brackets, as nearly all are, is not looked through. */
function isDeep(text: string, value: unknown, levels: number): boolean {
  const fits = (each: unknown, left: number): boolean =>
    Object(each) !== each || (left > 0 && Object.values(each as object).every((inner) => fits(inner, left - 1)));
  return text.split(/[[{]/, levels + 2).length > levels + 1 && !fits(value, levels);
}

function need(holds: unknown, id?: Id): asserts holds {
  if (!holds) throw new Error("bad_message", { cause: id });
}

/**
 * The message that a server's frame carries.
 *
 * Throws an error for what is none; its `cause` is the id of the request that it was for, if that could be read.
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

function checked(head: ServerMessage & { data?: unknown }, text: string, body?: Bytes): ServerMessage {
  for (const name of ["ping", "pong"]) {
    if (!(name in head)) continue;
    const value = textOfLast(text, name);
    need(utf8.encode(value).length <= 125);
    return { [name]: value };
  }
  const { hello, id, credit, error, status, data } = head;
  // Limits that are not known yet may stand beside those that are.
  if (hello !== undefined) need(hello?.protocol && hello.ping_seconds > 0 && hello.limits?.window_bytes > 0);
  // An id of a wrong shape belongs to no request, so such a frame concerns the connection.
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

/** The frame of a ping or pong with this text of JSON. */
export const sign = (name: "ping" | "pong", json: string): string => `{"${name}":${json}}`;

/** The frame for a message of the client; a body of JSON or text goes as such (4.1). */
export function encode({ type, ...message }: ClientMessage): Frame {
  const { body, headers } = message;
  if (body && !message.more) {
    try {
      if (type === "text/plain;charset=UTF-8") return print(message, [`"body":${JSON.stringify(decoder.decode(body))}`]);
      if (type === "application/json") return print(message, [`"data":${jsonOf(decoder.decode(body))}`]);
    } catch {
      // no such text: it goes as bytes
    }
  }
  const head = print({ ...message, headers: { ...headers, ...(type && { "Content-Type": type }) } });
  if (!body) return head;
  const start = utf8.encode(head + "\n");
  const frame = new Uint8Array(start.length + body.length);
  frame.set(start);
  frame.set(body, start.length);
  return frame;
}

/** JSON of the members that say something; `content` stands for the body. */
function print(message: ClientMessage, content: string[] = []): string {
  const members = Object.entries(message).flatMap(([name, value]) => {
    if (name === "body") return content;
    const text = JSON.stringify(value) as string | undefined;
    return text && text !== "{}" ? `"${name}":${text}` : [];
  });
  return `{${members}}`;
}

/** A text of JSON that comes through as it is: without white space around it, half a surrogate pair, or too many levels. Else throws. */
function jsonOf(text: string): string {
  const value: unknown = JSON.parse(text);
  if (isDeep(text, value, MAX_NESTING - 1)) throw value; // the frame around it is a level, too
  if (text !== text.trim() || (/\\ud/i.test(text) && /\\ud/.test(JSON.stringify(value)))) throw value;
  return text;
}
