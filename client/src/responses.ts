/** Real Responses of what came over the socket, with the properties that a constructor cannot give them. */
import type { Answer } from "./exchange.js";
import { EMPTY, type Bytes } from "./messages.js";
import { PHRASES } from "./phrases.js";
import { originOf } from "./urls.js";

const NULL_BODY = [204, 205, 304];
const READERS = ["text", "json", "blob", "arrayBuffer", "formData", "bytes"] as const;

export function headersOf({ headers }: Pick<Answer, "headers">): Headers {
  const found = new Headers();
  for (const [name, value] of Object.entries(headers)) for (const each of [value].flat()) found.append(name, each);
  return found;
}

/** The Response of an answer to `request`, as fetch would give it; an abort ends its body also when that is all there. */
export function responseOf(answer: Answer, headers: Headers, request: Request, redirected: boolean, isAbortable = false): Response {
  const { url, method, signal } = request;
  const { status, body } = answer;
  // An empty body is a body all the same, but for these.
  const hasNone = NULL_BODY.includes(status) || method === "HEAD";
  const content = decoded(body, headers);
  const given = hasNone ? null : isAbortable && content instanceof Uint8Array ? abortable(content, signal, answer) : content;
  const response = new Response(given, { status, headers, statusText: PHRASES[status] ?? "" });
  const isForeign = globalThis.location && originOf(url) !== globalThis.location.origin;
  // The fragment is no part of it (Fetch standard, "url" of a Response).
  return dressed(response, { url: url.split("#")[0], redirected, type: isForeign ? "cors" : "basic" }, answer);
}

/**
 * Bytes that are all there, as a body that an abort of `signal` still ends. Its reason is noted in `answer`.
 *
 * A body that nobody reads is not held by the signal, which may outlive it by far.
 */
function abortable(bytes: Bytes, signal: AbortSignal, answer: Pick<Answer, "reason">): ReadableStream<Bytes> {
  let end!: () => void;
  return new ReadableStream(
    {
      type: "bytes",
      start(controller) {
        const held = new WeakRef(controller);
        const abort = (): void => {
          answer.reason = signal.reason;
          held.deref()?.error(signal.reason);
        };
        end = () => signal.removeEventListener("abort", abort);
        signal.addEventListener("abort", abort);
      },
      pull(controller) {
        end();
        if (bytes.length) controller.enqueue(bytes);
        controller.close();
        controller.byobRequest?.respond(0);
      },
      cancel: () => end(),
    },
    { highWaterMark: 0 },
  );
}

/** The same response at the end of a chain of redirects that began elsewhere. */
export function asRedirected(response: Response): Response {
  return dressed(response, { redirected: true }, {});
}

/** What the application itself has compressed, as fetch would show it; other codings a browser cannot unpack here. */
function decoded(body: Answer["body"], headers: Headers): Bytes | ReadableStream<Bytes> {
  const coding = headers.get("content-encoding")?.toLowerCase() as CompressionFormat;
  if (!body || !/^(gzip|deflate)$/.test(coding)) return body ?? EMPTY;
  return new Response(body).body!.pipeThrough(new DecompressionStream(coding));
}

/** What fetch gives for a redirect that is not followed: nothing of it can be read. */
export function opaqueRedirect(url: string): Response {
  return dressed(Response.error(), { url, type: "opaqueredirect" }, {});
}

/** What changes the headers of a Response fails where fetch has made it (Fetch standard, guard "immutable"). */
const immutable = (): never => {
  throw new TypeError("The headers of a fetched Response cannot be changed.");
};
const IMMUTABLE = Object.fromEntries(["append", "delete", "set"].map((name) => [name, { value: immutable }]));

function dressed(response: Response, facts: object, answer: Pick<Answer, "reason">): Response {
  const define = (name: string, value: unknown): unknown => Object.defineProperty(response, name, { value });
  for (const [name, value] of Object.entries(facts)) define(name, value);
  Object.defineProperties(response.headers, IMMUTABLE);
  const { clone } = response;
  for (const name of READERS) {
    const read = response[name];
    // Chromium makes a TypeError of whatever a stream failed with, of an AbortError too.
    const told = (error: unknown): never => {
      throw answer.reason ?? error;
    };
    if (!read) continue;
    define(name, () => {
      const found = read.call(response).catch(told);
      if (answer.reason === undefined) return found;
      found.catch(() => {});
      return Promise.reject(answer.reason as Error); // at once, as one that has ended before
    });
  }
  define("clone", () => dressed(clone.call(response), facts, answer));
  return response;
}
