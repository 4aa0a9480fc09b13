/**
 * Frames to messages, and messages to frames (PROTOCOL.md 2 to 5).
 *
 * Owns shapes only: a client decodes what the server sends and encodes what it sends itself. The text
 * of JSON goes through untouched, because a body must arrive byte for byte. Knows no socket.
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
  type: "Hello";
  protocol: string;
  ping_seconds: number;
  limits: Limits;
}
/** `value` is the text of its JSON. */
export interface Ping {
  type: "Ping" | "Pong";
  value: string;
}
export interface Credit {
  type: "Credit";
  id: Id;
  count: number;
}
export interface Part {
  type: "Part";
  id: Id;
  body: Bytes;
  more?: boolean;
}
export interface Response {
  type: "Response";
  status: number;
  headers: Headings;
  id?: Id;
  body?: Bytes;
  more?: true;
  cookies?: string;
  version?: number;
  /** `body` is no body then, but JSON that changes that of the version before (4.7). */
  patch?: "json" | "merge";
  settled?: boolean;
}
export interface Refusal {
  type: "Refusal";
  code: string;
  detail: string;
  temporary: boolean;
  status?: number;
  id?: Id;
  about?: Id;
}
export interface Request {
  type: "Request";
  method: string;
  url: string;
  id?: Id;
  headers?: Record<string, string>;
  body?: Bytes;
  content_type?: string;
  token?: string;
  credit?: number;
  more?: boolean;
  subscribe?: boolean;
  patch?: "json" | "merge";
  settled?: boolean;
}
export interface Cancel {
  type: "Cancel";
  id: Id;
}
export type ServerMessage = Hello | Ping | Credit | Part | Response | Refusal;
export type ClientMessage = Request | Ping | Credit | Part | Cancel;

/** The server sent what is no frame of this protocol. `id`: the request that it was for, if that could be read. */
export class BadFrame extends Error {
  constructor(
    readonly code: "bad_json" | "bad_message",
    readonly id?: Id,
  ) {
    super(`The server sent what is not of wsrequest.v1: ${code}.`);
  }
}

const LINE_FEED = 10;
const TEXT_TYPE = "text/plain;charset=UTF-8";
const JSON_TYPE = "application/json";
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Bytes => encoder.encode(text);

/**
 * The text of the last member of one valid JSON object, if that is `name`.
 *
 * Not every occurrence of the name is a member, but what is before one can be closed by one brace.
 */
function textOfLast(text: string, name: string): string | undefined {
  const mark = `"${name}":`;
  for (let start = text.indexOf(mark); start >= 0; start = text.indexOf(mark, start + 1)) {
    try {
      JSON.parse(`${text.slice(0, start)}${mark}0}`);
      return text.slice(start + mark.length, text.lastIndexOf("}")).trim();
    } catch {
      // it was inside of another member
    }
  }
  return undefined;
}

const isId = (id: unknown): id is Id =>
  typeof id === "string" ? [...id].length <= 64 : Number.isSafeInteger(id);

const isText = (value: unknown): value is string => typeof value === "string";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The message that a server's frame carries; null for one that is to be ignored (2.6).
 *
 * Throws BadFrame for what is no JSON or of another shape.
 */
export function decode(frame: string | ArrayBuffer): ServerMessage | null {
  let text: string;
  let body: Bytes | undefined;
  let head: unknown;
  try {
    if (typeof frame === "string") text = frame;
    else {
      const bytes = new Uint8Array(frame);
      const end = bytes.indexOf(LINE_FEED);
      text = decoder.decode(bytes.subarray(0, Math.max(end, 0)));
      body = bytes.subarray(end + 1);
    }
    head = JSON.parse(text);
  } catch {
    throw new BadFrame("bad_json");
  }
  if (!isObject(head)) throw new BadFrame("bad_message");
  return message(head, text, body);
}

function message(head: Record<string, unknown>, text: string, body?: Bytes): ServerMessage | null {
  const { id: told, credit, error, status, more } = head;
  // An id of a wrong shape belongs to no request, so such a frame concerns the connection.
  const id = isId(told) ? told : undefined;
  const need = (holds: unknown): void => {
    if (!holds) throw new BadFrame("bad_message");
  };
  for (const type of ["Ping", "Pong"] as const) {
    const value = textOfLast(text, type.toLowerCase());
    if (value === undefined) continue;
    need(utf8(value).length <= 125);
    return { type, value };
  }
  if ("hello" in head) return hello(head["hello"]);
  need(told === undefined || id !== undefined);
  const known = id !== undefined && { id };
  if (credit !== undefined) {
    need(known && Number.isSafeInteger(credit) && (credit as number) >= 0);
    return { type: "Credit", id: id!, count: credit as number };
  }
  need(status === undefined || Number.isInteger(status));
  if (error !== undefined) {
    need(isObject(error));
    const { code, detail, temporary, id: about } = error as unknown as Refusal;
    need(isText(code) && isText(detail));
    return {
      ...{ type: "Refusal", code, detail, temporary: temporary === true },
      ...(status !== undefined && { status: status as number }),
      ...known,
      ...(isId(about) && { about }),
    };
  }
  if (status !== undefined) return response(head, status as number, text, body, id);
  return body && known ? { type: "Part", ...known, body, ...(more === true && { more }) } : null;
}

function hello(found: unknown): Hello {
  const told = found as Hello | null;
  // Limits that are not known yet may stand beside those that are.
  if (!(told?.protocol && told.ping_seconds > 0 && told.limits?.window_bytes > 0)) throw new BadFrame("bad_message");
  return { ...told, type: "Hello" };
}

function response(head: Record<string, unknown>, status: number, text: string, body?: Bytes, id?: Id): Response {
  const { headers: found, data, cookies, more, version, patch, settled } = head as Partial<Response & { data: unknown }>;
  const headers = (found ?? {}) as Headings;
  const need = (holds: unknown, concerned?: Id): void => {
    if (!holds) throw new BadFrame("bad_message", concerned);
  };
  need(isObject(headers) && Object.values(headers).flat().every(isText));
  need(status > 99 && status < 600, id);
  need(more !== true || (body && id !== undefined), id);
  const isPatch = version !== undefined && patch !== undefined && !body;
  let content = body;
  if (!body && data !== undefined) {
    const isRaw = isPatch || isJson(headers);
    need(isRaw || isText(data));
    content = utf8(isRaw ? (textOfLast(text, "data") ?? "") : (data as string));
  }
  return {
    ...{ type: "Response", status, headers },
    ...(id !== undefined && { id }),
    ...(content?.length && { body: content }),
    ...(more === true && { more }),
    ...(isText(cookies) && { cookies }),
    ...(version !== undefined && { version }),
    ...(isPatch && { patch }),
    ...(settled !== undefined && { settled }),
  };
}

function isJson(headers: Headings): boolean {
  const type = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-type")?.[1];
  return /^\s*(application\/json|[^;,]+\+json)\s*(;|$)/i.test(String(type));
}

/** The frame for a message of the client; a body of JSON or text goes as such (4.1). */
export function encode(message: ClientMessage): Frame {
  if (message.type === "Request") return request(message);
  if (message.type === "Part") return binary(print({ id: message.id, more: message.more }), message.body);
  if (message.type === "Cancel") return print({ id: message.id, cancel: true });
  if (message.type === "Credit") return print({ id: message.id, credit: message.count });
  return `{"${message.type.toLowerCase()}":${message.value}}`;
}

/** JSON of the members that are there; `data` is JSON already. */
function print(head: Record<string, unknown>): string {
  const there = Object.entries(head).filter(([, value]) => value !== undefined && value !== false);
  return `{${there.map(([name, value]) => `"${name}":${name === "data" ? value : JSON.stringify(value)}`)}}`;
}

function request(message: Request): Frame {
  const { id, method, url, body, content_type: type, token, credit, more, subscribe, patch, settled } = message;
  let { headers = {} } = message;
  const head = (data?: string, text?: string): string =>
    print({
      ...{ id, method: method !== "GET" && method, url, headers: Object.keys(headers).length > 0 && headers },
      ...{ data, body: text, token, credit, more, subscribe, patch, settled },
    });
  if (!body) return head();
  const text = !more && (type === JSON_TYPE || type === TEXT_TYPE) ? textOf(body) : null;
  if (text !== null && type === TEXT_TYPE) return head(undefined, text);
  if (text !== null && isJsonText(text)) return head(text);
  const isTyped = Object.keys(headers).some((name) => name.toLowerCase() === "content-type");
  if (type !== undefined && !isTyped) headers = { ...headers, "Content-Type": type };
  return binary(head(), body);
}

function textOf(body: Bytes): string | null {
  try {
    return decoder.decode(body);
  } catch {
    return null;
  }
}

/** Whether a text is JSON that comes through as it is: without white space around it, or half a surrogate pair in it. */
function isJsonText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return !/^\s|\s$/.test(text) && !(/\\ud/i.test(text) && /\\ud/.test(JSON.stringify(value)));
  } catch {
    return false;
  }
}

function binary(head: string, body: Bytes): Bytes {
  const start = utf8(head + "\n");
  const frame = new Uint8Array(start.length + body.length);
  frame.set(start);
  frame.set(body, start.length);
  return frame;
}
