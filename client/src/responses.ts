/** Real Responses of what came over the socket, with the properties that a constructor cannot give them. */
import type { Answer } from "./exchange.js";
import { EMPTY } from "./messages.js";
import { originOf } from "./urls.js";

const NULL_BODY = [204, 205, 304];
const READERS = ["text", "json", "blob", "arrayBuffer", "formData", "bytes"] as const;

export function headersOf({ headers }: Pick<Answer, "headers">): Headers {
  const found = new Headers();
  for (const [name, value] of Object.entries(headers)) for (const each of [value].flat()) found.append(name, each);
  return found;
}

/** The Response of an answer to `request`, as fetch would give it. */
export function responseOf(answer: Answer, headers: Headers, { url, method }: Request, redirected: boolean): Response {
  const { status, body } = answer;
  // An empty body is a body all the same, but for these.
  const hasNone = NULL_BODY.includes(status) || method === "HEAD";
  const response = new Response(hasNone ? null : decoded(body, headers), { status, headers });
  const isForeign = globalThis.location && originOf(url) !== globalThis.location.origin;
  // The fragment is no part of it (Fetch standard, "url" of a Response).
  return dressed(response, { url: url.split("#")[0], redirected, type: isForeign ? "cors" : "basic" }, answer);
}

/** What the application itself has compressed, as fetch would show it; other codings a browser cannot unpack here. */
function decoded(body: Answer["body"], headers: Headers): BodyInit {
  const coding = headers.get("content-encoding")?.toLowerCase() as CompressionFormat;
  if (!body || !/^(gzip|deflate)$/.test(coding)) return body ?? EMPTY;
  return new Response(body).body!.pipeThrough(new DecompressionStream(coding));
}

/** What fetch gives for a redirect that is not followed: nothing of it can be read. */
export function opaqueRedirect(url: string): Response {
  return dressed(Response.error(), { url, type: "opaqueredirect" }, {});
}

function dressed(response: Response, facts: object, answer: Pick<Answer, "reason">): Response {
  const define = (name: string, value: unknown): unknown => Object.defineProperty(response, name, { value });
  for (const [name, value] of Object.entries(facts)) define(name, value);
  const { clone } = response;
  for (const name of READERS) {
    const read = response[name];
    // Chromium makes a TypeError of whatever a stream failed with, of an AbortError too.
    const told = (error: unknown): never => {
      throw answer.reason ?? error;
    };
    if (read) define(name, () => read.call(response).catch(told));
  }
  define("clone", () => dressed(clone.call(response), facts, answer));
  return response;
}
