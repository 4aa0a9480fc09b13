/** Reads tests/wire/*.json; the format is told in the README there. */
import { readdirSync, readFileSync } from "node:fs";
import { utf8, type Bytes, type ClientMessage, type ServerMessage } from "../src/messages.js";

type Spec = Record<string, unknown>;
type LongText = string | (string | [string, number])[];
export interface Case {
  name: string;
  from: "client" | "server";
  frame: string | Bytes;
  encoded: string | Bytes;
  message: (ServerMessage & ClientMessage) | null;
  refused: { code: string; id?: string | number } | null;
  only: "decode" | "encode" | undefined;
}

const DIRECTORY = new URL("../../tests/wire/", import.meta.url);

const text = (value: LongText): string =>
  typeof value === "string"
    ? value
    : value.map((piece) => (typeof piece === "string" ? piece : piece[0].repeat(piece[1]))).join("");

const base64 = (value: unknown): Bytes => Uint8Array.from(Buffer.from(value as string, "base64"));

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
  return message as unknown as Case["message"];
}

function replaced(value: unknown, item: string): unknown {
  if (typeof value === "string") return value.replaceAll("<each>", () => item);
  if (Array.isArray(value)) return value.map((element) => replaced(element, item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, found]) => [replaced(name, item), replaced(found, item)]));
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
