/**
 * One request of a connection, and its answer (PROTOCOL.md 4).
 *
 * Owns the answer's stream and its credit; the request's body, where it needs parts, is upload's. Which frames
 * are for it is the session's to know, and fetch's what to do when it is lost.
 */
import { Lost, RequestFailed, Unbegun } from "./errors.js";
import { encode, NOT_OURS, type Bytes, type ClientMessage, type Frame } from "./messages.js";
import type { Headings, Limits, Refusal, ServerMessage } from "./messages.js";

type Head = { status: number; headers: Headings } & Pick<ServerMessage, "cookies" | "csrf">;
/** An answer; its body is a stream where it comes in parts. */
export interface Answer extends Head {
  body: Bytes | ReadableStream<Bytes> | null;
  /** What its stream failed with. */
  reason?: unknown;
}
export type Body = Bytes | ReadableStream<Bytes> | null;

const WINDOW_BYTES = 262_144; // of an answer that the page has not read yet
// Refusals of these may come when a view has run already; no other does (5.1, 5.2).
const MAYBE_BEGUN = [undefined, 500, 504];

/**
 * Send the request `message` with `body`; gives the promise of its answer, and what is to get the messages for it.
 *
 * The promise rejects with Lost when there is no answer. `ended` is called once, when nothing more is to come.
 *
 * An abort of `signal` cancels it on the server too, also while the body of the answer is read.
 */
export function exchange(
  message: ClientMessage,
  body: Body,
  signal: AbortSignal,
  limits: Limits,
  send: (frame: Frame) => void,
  ended: () => void,
): [Promise<Answer>, (message: ServerMessage) => void] {
  const { id } = message;
  let isOver = false;
  let found: Answer | undefined;
  let stream: ReadableStreamDefaultController<Bytes> | undefined;
  let credited: ((count: number) => void) | undefined;
  let granted = WINDOW_BYTES; // body bytes of the answer that the server may send still
  let resolve!: (answer: Answer) => void;
  let reject!: (error: unknown) => void;
  const answer = new Promise<Answer>((...ends) => ([resolve, reject] = ends));

  const tell = (told: ClientMessage): void => send(encode(told));
  const abort = (): void => {
    if (!isOver) return cancel(signal.reason);
    // All is in, and is lost with what was not read yet.
    found!.reason = signal.reason;
    stream!.error(signal.reason);
    unlisten();
  };
  const unlisten = (): void => signal.removeEventListener("abort", abort);

  const finish = (): void => {
    isOver = true;
    credited?.(0);
    ended();
  };

  const fail = (error: unknown): void => {
    if (isOver) return;
    finish();
    unlisten();
    reject(error);
    if (error instanceof Lost) error = new RequestFailed(`The answer is not whole: ${error.message}`);
    if (found) found.reason = error;
    stream?.error(error);
  };

  const cancel = (reason?: unknown): void => {
    if (!isOver) tell({ id, cancel: true });
    fail(reason);
  };

  /** Let the server send as much as was read, in steps large enough to be worth a frame (4.4). */
  const grant = (): void => {
    const count = stream!.desiredSize! - granted;
    if (count < WINDOW_BYTES / 2 || isOver) return;
    granted += count;
    tell({ id, credit: count });
  };

  const streamed = (): ReadableStream<Bytes> => {
    return new ReadableStream(
      {
        start: (controller) => {
          stream = controller;
        },
        pull: () => (isOver ? drained() : grant()),
        cancel: () => {
          unlisten();
          cancel();
        },
      },
      { highWaterMark: WINDOW_BYTES, size: (part) => part.length },
    );
  };

  const receive = (message: ServerMessage): void => {
    const { credit, error, status, body, more } = message;
    if (credit !== undefined) return credited?.(credit);
    if (error) return fail(refused(error, status));
    if (!status && !body) return; // of a later version
    if (!status === !stream) return fail(new Lost(NOT_OURS));
    if (status) {
      found = { ...(message as Head), body: more ? streamed() : body?.length ? body : null };
      resolve(found);
    }
    if (stream && body?.length) {
      granted -= body.length;
      stream.enqueue(body);
    }
    if (more) return grant();
    finish();
    if (stream) drained();
    else unlisten();
  };

  /** Close the stream once the page has read all: until then an abort still ends it. */
  const drained = (): void => {
    if (stream!.desiredSize !== WINDOW_BYTES) return;
    unlisten();
    stream!.close();
  };

  const first = { ...message, credit: WINDOW_BYTES };
  const isStream = body instanceof ReadableStream;
  const frame = isStream ? null : encode({ ...first, body });
  // One that is too large without a body is the server's to refuse.
  if (frame && (!body || sizeOf(frame) <= limits.message_bytes)) send(frame);
  else {
    const reader = (isStream ? body : new Response(body).body!).getReader();
    // No part of client.js, since few requests need it; nothing was sent before it is there.
    import("./upload.js").then(
      ({ upload }) => {
        credited = upload(first, reader, limits.window_bytes, tell, () => isOver, () => signal.reason as unknown, cancel);
      },
      () => {
        void reader.cancel();
        fail(new Unbegun("upload.js is not there."));
      },
    );
  }
  signal.addEventListener("abort", abort);
  return [answer, receive];
}

function refused({ code, detail }: Refusal, status?: number): Lost {
  return new (MAYBE_BEGUN.includes(status) ? Lost : Unbegun)(`${code}: ${detail}.`);
}

// A character has at most three bytes of UTF-8, so most texts need not be counted.
function sizeOf(frame: Frame): number {
  return typeof frame === "string" ? frame.length * 3 : frame.length;
}
