/** Makes real Responses from what came over the socket, with the properties that a constructor cannot set. */
import { EMPTY, type Bytes } from "./messages.js";
import { originOf } from "./origins.js";
import { phraseOf } from "./phrases.js";
import type { WireResponse } from "./request.js";

const NULL_BODY = [204, 205, 304];
const READERS = ["text", "json", "blob", "arrayBuffer", "formData", "bytes"] as const;

export function headersOf({ headers }: Pick<WireResponse, "headers">): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) for (const each of [value].flat()) result.append(name, each);
  return result;
}

/** Makes the Response to `request` as fetch would. If `isAbortable`, an abort ends the body even if all of it is here. */
export function responseOf(from: WireResponse, headers: Headers, request: Request, redirected: boolean, isAbortable = false): Response {
  const { url, method, signal } = request;
  const { status, body } = from;
  // With these, fetch gives no body. Otherwise even an empty body is a body.
  const hasNone = NULL_BODY.includes(status) || method === "HEAD";
  const content = decoded(body, headers);
  const given = hasNone ? null : isAbortable && content instanceof Uint8Array ? abortable(content, signal, from) : content;
  const response = new Response(given, { status, headers, statusText: phraseOf(status) });
  const isForeign = globalThis.location && originOf(url) !== globalThis.location.origin;
  // A Response's URL has no fragment (Fetch standard, "url" of a Response).
  return withFacts(response, { url: url.split("#")[0], redirected, type: isForeign ? "cors" : "basic" }, from);
}

/**
 * Makes a stream of bytes that are all here, so that an abort of `signal` can still end it. Notes the reason in `from`.
 *
 * The signal may live much longer than the stream, so it holds only a weak reference to it.
 */
function abortable(bytes: Bytes, signal: AbortSignal, from: Pick<WireResponse, "reason">): ReadableStream<Bytes> {
  let end!: () => void;
  return new ReadableStream(
    {
      type: "bytes",
      start(controller) {
        const reference = new WeakRef(controller);
        const abort = (): void => {
          from.reason = signal.reason;
          reference.deref()?.error(signal.reason);
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

/** Decompresses what the application has compressed, as fetch does. A script cannot decompress other codings. */
function decoded(body: WireResponse["body"], headers: Headers): Bytes | ReadableStream<Bytes> {
  const coding = headers.get("content-encoding")?.toLowerCase() as CompressionFormat;
  if (!body || !/^(gzip|deflate)$/.test(coding)) return body ?? EMPTY;
  return new Response(body).body!.pipeThrough(new DecompressionStream(coding));
}

/** The headers of a fetched Response cannot be changed (Fetch standard, guard "immutable"). */
const immutable = (): never => {
  throw new TypeError("The headers of a fetched Response cannot be changed.");
};
const IMMUTABLE = Object.fromEntries(["append", "delete", "set"].map((name) => [name, { value: immutable }]));

/** Gives a Response and its clones these properties. If `from` has a reason, reading the body rejects with it. */
export function withFacts(response: Response, facts: object, from: Pick<WireResponse, "reason"> = {}): Response {
  const define = (name: string, value: unknown): unknown => Object.defineProperty(response, name, { value });
  for (const [name, value] of Object.entries(facts)) define(name, value);
  Object.defineProperties(response.headers, IMMUTABLE);
  const { clone } = response;
  for (const name of READERS) {
    const read = response[name];
    // Chromium turns every error of a stream into a TypeError, even an AbortError.
    const rethrow = (error: unknown): never => {
      throw from.reason ?? error;
    };
    if (!read) continue;
    define(name, () => {
      const result = read.call(response).catch(rethrow);
      if (from.reason === undefined) return result;
      result.catch(() => {});
      return Promise.reject(from.reason as Error); // at once, because it failed before
    });
  }
  define("clone", () => withFacts(clone.call(response), facts, from));
  return response;
}
