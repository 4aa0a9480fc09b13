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
    super(`The server sent a frame that is not of wsrequest.v1 (${code}).`);
  }
}

const LINE_FEED = 10;
const TEXT_TYPE = "text/plain;charset=UTF-8";
const JSON_TYPE = "application/json";
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Bytes => encoder.encode(text);

/** The text of each member of one JSON object, which is known to be valid. */
function members(text: string, isDataLast: boolean): Record<string, string> {
  const found: Record<string, string> = {};
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/g;
  let depth = 0;
  let name = "";
  let start = -1;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [mark] = match;
    const closes = mark === "}" || mark === "]";
    if (depth === 1 && start >= 0 && (mark === "," || closes)) {
      found[name] = text.slice(start, match.index).trim();
      start = -1;
    } else if (depth === 1 && start < 0 && mark[0] === '"') name = JSON.parse(mark) as string;
    else if (depth === 1 && mark === ":") {
      start = token.lastIndex;
      // A body may be long, and need not be looked at.
      if (isDataLast && name === "data") token.lastIndex = text.lastIndexOf("}");
    }
    if (mark === "{" || mark === "[") depth++;
    if (closes) depth--;
  }
  return found;
}

const isId = (id: unknown): id is Id =>
  typeof id === "string" ? [...id].length <= 64 : Number.isSafeInteger(id);

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
  const raw = members(text, Object.keys(head).at(-1) === "data");
  return message(head, raw, body);
}

function message(head: Record<string, unknown>, raw: Record<string, string>, body?: Bytes): ServerMessage | null {
  const known = isId(head["id"]) ? head["id"] : undefined;
  // An id of a wrong shape belongs to no request, so such a frame concerns the connection.
  const need = (holds: boolean, id?: Id): void => {
    if (!holds) throw new BadFrame("bad_message", id);
  };
  const isWhole = (name: string): boolean => /^-?\d+$/.test(raw[name] ?? "");
  for (const name of ["ping", "pong"] as const) {
    const value = raw[name];
    if (value === undefined) continue;
    need(utf8(value).length <= 125);
    return { type: name === "ping" ? "Ping" : "Pong", value };
  }
  if ("hello" in head) return hello(head["hello"], need);
  need(!("id" in head) || (known !== undefined && (typeof known === "string" || isWhole("id"))));
  const id = known === undefined ? {} : { id: known };
  if ("credit" in head) {
    const count = head["credit"] as number;
    need(known !== undefined && isWhole("credit") && Number.isSafeInteger(count) && count >= 0);
    return { type: "Credit", id: known as Id, count };
  }
  const status = head["status"] as number;
  if ("status" in head) need(isWhole("status"));
  if ("error" in head) {
    const error = head["error"];
    need(isObject(error));
    const { code, detail, temporary, id: about } = error as Record<string, unknown>;
    need(typeof code === "string" && typeof detail === "string");
    return {
      ...{ type: "Refusal", code: code as string, detail: detail as string, temporary: temporary === true },
      ...("status" in head && { status }),
      ...id,
      ...(isId(about) && { about }),
    };
  }
  if ("status" in head) return response(head, status, raw["data"], body, known);
  return body && known !== undefined ? { type: "Part", id: known, body, ...(head["more"] === true && { more: true }) } : null;
}

function hello(found: unknown, need: (holds: boolean) => void): Hello {
  need(isObject(found) && typeof found["protocol"] === "string" && typeof found["ping_seconds"] === "number");
  const { protocol, ping_seconds, limits } = found as unknown as Hello;
  const names = ["message_bytes", "body_bytes", "in_flight", "waiting", "part_bytes", "window_bytes"] as const;
  need(isObject(limits) && names.every((name) => Number.isSafeInteger(limits[name])));
  const known = Object.fromEntries(names.map((name) => [name, limits[name]])) as unknown as Limits;
  return { type: "Hello", protocol, ping_seconds, limits: known };
}

function response(head: Record<string, unknown>, status: number, data?: string, body?: Bytes, id?: Id): Response {
  const headers = (head["headers"] ?? {}) as Headings;
  const isText = (value: unknown): boolean => typeof value === "string";
  const isRight =
    isObject(headers) &&
    Object.values(headers).every((value) => isText(value) || (Array.isArray(value) && value.every(isText)));
  if (!isRight) throw new BadFrame("bad_message");
  if (status < 100 || status > 599) throw new BadFrame("bad_message", id);
  const more = head["more"] === true;
  if (more && (!body || id === undefined)) throw new BadFrame("bad_message", id);
  let content = body;
  if (!content && data !== undefined) {
    if (isJson(headers)) content = utf8(data);
    else if (isText(head["data"])) content = utf8(head["data"] as string);
    else throw new BadFrame("bad_message");
  }
  return {
    ...{ type: "Response", status, headers },
    ...(id !== undefined && { id }),
    ...(content?.length && { body: content }),
    ...(more && { more }),
    ...(isText(head["cookies"]) && { cookies: head["cookies"] as string }),
  };
}

function isJson(headers: Headings): boolean {
  const type = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-type")?.[1];
  return /^\s*(application\/json|[^;,]+\+json)\s*(;|$)/i.test(String(type));
}

/** The frame for a message of the client; a body of JSON or text goes as such (4.1). */
export function encode(message: ClientMessage): Frame {
  switch (message.type) {
    case "Ping":
    case "Pong":
      return `{"${message.type.toLowerCase()}":${message.value}}`;
    case "Cancel":
      return JSON.stringify({ id: message.id, cancel: true });
    case "Credit":
      return JSON.stringify({ id: message.id, credit: message.count });
    case "Part":
      return binary(JSON.stringify({ id: message.id, ...(message.more && { more: true }) }), message.body);
    case "Request":
      return request(message);
  }
}

function request(message: Request): Frame {
  const { id, method, url, body, content_type: type, token, credit, more } = message;
  let headers = message.headers ?? {};
  const head = (data?: string, text?: string): string => {
    const front = JSON.stringify({
      ...{ id, method: method === "GET" ? undefined : method, url },
      headers: Object.keys(headers).length ? headers : undefined,
    });
    const back = JSON.stringify({ body: text, token, credit, more: more || undefined });
    const spliced = data === undefined ? "" : `,"data":${data}`;
    return front.slice(0, -1) + spliced + (back === "{}" ? "}" : "," + back.slice(1));
  };
  if (!body) return head();
  if (!more && (type === JSON_TYPE || type === TEXT_TYPE)) {
    const text = textOf(body);
    if (text !== null && type === TEXT_TYPE) return head(undefined, text);
    if (text !== null && isJsonText(text)) return head(text);
  }
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
