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

/** Called with how many bytes of a request's body the server has taken, and how many there are; null: not known. */
export type Progress = (sentBytes: number, totalBytes: number | null) => void;

// Of an answer that the page has not read yet, at first and at most. It grows while the page reads half of it within
// FAST_MS: what a line carries in one round trip may not be less than what the line could carry.
const WINDOW_BYTES = 262_144;
const MOST_WINDOW_BYTES = 2_097_152;
const FAST_MS = 250;
// Refusals of these may come when a view has run already; no other does (5.1, 5.2).
const MAYBE_BEGUN = [undefined, 500, 504];

/**
 * Send the request `message` with `body`; gives the promise of its answer, and what is to get the messages for it.
 *
 * The promise rejects with Lost when there is no answer. `ended` is called once, when nothing more is to come.
 *
 * An abort of `signal` cancels it on the server too, also while the body of the answer is read. A body whose `progress`
 * somebody wants goes in parts, since only those are acknowledged.
 */
export function exchange(
  message: ClientMessage,
  body: Body,
  signal: AbortSignal,
  limits: Limits,
  send: (frame: Frame) => void,
  ended: () => void,
  progress?: Progress,
): [Promise<Answer>, (message: ServerMessage) => void] {
  const { id } = message;
  let isOver = false;
  let found: Answer | undefined;
  let stream: ReadableStreamDefaultController<Bytes> | undefined;
  let credited: ((count: number) => void) | undefined;
  let windowBytes = WINDOW_BYTES;
  let granted = WINDOW_BYTES; // body bytes of the answer that the server may send still
  let grantedAt = 0;
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
    const unread = MOST_WINDOW_BYTES - stream!.desiredSize!;
    if (isOver || windowBytes - unread - granted < windowBytes / 2) return;
    const now = performance.now();
    if (now - grantedAt < FAST_MS) windowBytes = Math.min(windowBytes * 2, MOST_WINDOW_BYTES);
    grantedAt = now;
    const count = windowBytes - unread - granted;
    granted += count;
    tell({ id, credit: count });
  };

  const streamed = (): ReadableStream<Bytes> => {
    grantedAt = performance.now();
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
      { highWaterMark: MOST_WINDOW_BYTES, size: (part) => part.length },
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
    if (stream!.desiredSize !== MOST_WINDOW_BYTES) return;
    unlisten();
    stream!.close();
  };

  const first = { ...message, credit: WINDOW_BYTES };
  const goesInParts = body && (body instanceof ReadableStream || progress || body.length > limits.message_bytes);
  const frame = goesInParts ? null : encode({ ...first, body });
  // One that is too large without a body is the server's to refuse.
  if (frame && (!body || fits(frame, limits.message_bytes))) send(frame);
  else {
    const source = body instanceof ReadableStream ? body.getReader() : body!;
    // No part of client.js, since few requests need it; nothing was sent before it is there.
    import("./upload.js").then(
      ({ upload }) => {
        const why = (): unknown => signal.reason;
        credited = upload({ message: first, source, limits, send, tell, isOver: () => isOver, why, failed: cancel, progress });
      },
      () => {
        if ("cancel" in source) void source.cancel();
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

/** Whether a frame has at most so many bytes. A character has at most three of UTF-8, so most texts need not be counted. */
function fits(frame: Frame, most: number): boolean {
  if (typeof frame !== "string") return frame.length <= most;
  return frame.length * 3 <= most || new TextEncoder().encode(frame).length <= most;
}
