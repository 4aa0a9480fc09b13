/** Reads tests/wire/*.json; the README there describes the format. */
import { readdirSync, readFileSync } from "node:fs";
import { encode, pingFrame, type Bytes, type ClientMessage, type Frame, type ServerMessage } from "../src/messages.js";

type Spec = Record<string, unknown>;
type LongText = string | (string | [string, number])[];
export interface Case {
  name: string;
  from: "client" | "server";
  frame: string | Bytes;
  encoded: string | Bytes;
  message: Spec | null;
  refused: { code: string; id?: string | number } | null;
  only: "decode" | "encode" | undefined;
}

const DIRECTORY = new URL("../../tests/wire/", import.meta.url);

const text = (value: LongText): string =>
  typeof value === "string"
    ? value
    : value.map((piece) => (typeof piece === "string" ? piece : piece[0].repeat(piece[1]))).join("");

const base64 = (value: unknown): Bytes => Uint8Array.from(Buffer.from(value as string, "base64"));

const utf8 = (value: string): Bytes => new TextEncoder().encode(value);

function bodyOf(spec: Spec): Bytes {
  return "body_base64" in spec ? base64(spec["body_base64"]) : utf8(text(spec["body"] as LongText));
}

function frameOf(value: unknown): string | Bytes {
  if (typeof value === "string" || Array.isArray(value)) return text(value as LongText);
  const spec = value as Spec;
  if ("base64" in spec) return base64(spec["base64"]);
  return Uint8Array.from([...utf8(text(spec["head"] as LongText) + "\n"), ...bodyOf(spec)]);
}

function messageOf(spec: Spec): Case["message"] {
  const { body_base64, query, ...message } = spec;
  if ("body" in spec || body_base64 !== undefined) message["body"] = bodyOf(spec);
  for (const name of ["value", "url"]) if (name in spec) message[name] = text(spec[name] as LongText);
  const headers = spec["headers"] as Record<string, LongText> | undefined;
  if (headers && spec["type"] === "Request")
    message["headers"] = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, text(value)]));
  // What `data` adds to the query of a GET this client writes into its url at once.
  if (query) message["url"] = `${message["url"] as string}${String(message["url"]).includes("?") ? "&" : "?"}${query as string}`;
  return message;
}

function replaced(value: unknown, item: string): unknown {
  if (typeof value === "string") return value.replaceAll("<each>", () => item);
  if (Array.isArray(value)) return value.map((element) => replaced(element, item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [replaced(name, item), replaced(each, item)]));
}

function caseOf(file: string, spec: Spec): Case {
  const frame = frameOf(spec["frame"]);
  return {
    name: JSON.stringify(`${file}: ${spec["name"] as string}`).slice(0, 120),
    from: spec["from"] as Case["from"],
    frame,
    encoded: "encoded" in spec ? frameOf(spec["encoded"]) : frame,
    message: spec["message"] ? messageOf(spec["message"] as Spec) : null,
    refused: (spec["refused"] as Case["refused"] | undefined) ?? null,
    only: spec["only"] as Case["only"],
  };
}

export function cases(): Case[] {
  const files = readdirSync(DIRECTORY).filter((name) => name.endsWith(".json"));
  return files.flatMap((file) => {
    const { cases } = JSON.parse(readFileSync(new URL(file, DIRECTORY), "utf8")) as { cases: Spec[] };
    return cases.flatMap((spec) => {
      const { each, ...rest } = spec;
      const items = each as string[] | undefined;
      return items ? items.map((item) => caseOf(file, replaced(rest, item) as Spec)) : [caseOf(file, rest)];
    });
  });
}

/** What the client decoded, in the words of the tables; null: it is to be ignored. */
export function tabled(message: ServerMessage): Spec | null {
  const { id, ping, pong, hello, uncertain, credit, error, status, body, headers, more, cookies, csrf, version, patch, settled, rerun } = message;
  const { rooms, event, data, room, position, to, presence, joined, left, missed } = message as Spec;
  if (ping !== undefined) return { type: "Ping", value: ping };
  if (pong !== undefined) return { type: "Pong", value: pong };
  if (hello) return { type: "Hello", ...hello };
  if (uncertain !== undefined) return { type: "Uncertain", uncertain };
  if (credit !== undefined) return { type: "Credit", id, count: credit };
  if (error) {
    const { code, detail, temporary, id: about } = error;
    return { type: "Refusal", id, status, code, detail, temporary: temporary === true, about };
  }
  const common = { id, ...(more && { more }) };
  if (status !== undefined) {
    const live = { version, patch: version === undefined ? undefined : patch, settled, rerun };
    const bytes = body?.length ? body : undefined;
    return { type: "Response", ...common, status, headers, body: bytes, cookies: cookies ?? undefined, csrf: csrf ?? undefined, ...live };
  }
  if (rooms) return { type: "Rooms", id, rooms };
  if (event !== undefined) return { type: "Event", event, data: JSON.stringify(data), room, position, to };
  if (presence !== undefined) return { type: "Presence", presence, joined: joined ?? [], left: left ?? [] };
  if (missed !== undefined) return { type: "Missed", missed, position, to };
  return body && id !== undefined ? { type: "Part", ...common, body } : null;
}

/** The frame that the client makes of a message of the tables; what is the default it does not write. */
export function encoded({ type: kind, value, count, ...message }: Spec): Frame {
  if (kind === "Ping") return pingFrame("ping", value as string);
  if (kind === "Pong") return pingFrame("pong", value as string);
  if (kind === "Cancel") return encode({ ...message, cancel: true });
  if (kind === "Credit") return encode({ ...message, credit: count as number });
  if (kind === "Part") return encode(message);
  const { id, method, url, headers, body, content_type: type, ...rest } = message;
  return encode({ id, method: method === "GET" ? undefined : method, url, headers, body, type, ...rest } as ClientMessage);
}
