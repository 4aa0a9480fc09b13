/**
 * One request on the wire, and its response (PROTOCOL.md 4).
 *
 * Owns the stream of the response and its credit. upload.ts sends a body in parts. session.ts knows which frames belong
 * to which request, and fetch.ts decides what to do when a request is lost.
 */
import { ConnectionLost, NotStarted, RequestFailed } from "./errors.js";
import { encode, INVALID_FRAME, utf8, type Bytes, type ClientMessage, type Frame } from "./messages.js";
import type { Limits, Refusal, ServerMessage, WireHeaders } from "./messages.js";

type Head = { status: number; headers: WireHeaders } & Pick<ServerMessage, "cookies" | "csrf">;
/** A response over the socket. If it comes in parts, its body is a stream. */
export interface WireResponse extends Head {
  body: Bytes | ReadableStream<Bytes> | null;
  /** The error of the stream, if it failed. */
  reason?: unknown;
}
export type Body = Bytes | ReadableStream<Bytes> | null;

/** Called with the number of body bytes that the server has taken, and with the size of the body. The size is null if it is unknown. */
export type Progress = (sentBytes: number, totalBytes: number | null) => void;

// How many bytes of a response may wait for the page: at first, and at most. The window doubles while the page reads
// half of it within FAST_MS. So the round trip does not limit a fast connection.
const WINDOW_BYTES = 262_144;
const MAX_WINDOW_BYTES = 2_097_152;
const FAST_MS = 250;
// A refusal with one of these statuses may come after a view has started. Other refusals come before (5.1, 5.2).
const MAY_HAVE_STARTED = [undefined, 500, 504];

/**
 * Sends the request `message` with `body`. Returns a promise of its response, and the function that takes its messages.
 *
 * The promise rejects with ConnectionLost if there is no response. `ended` is called once, when no more messages will
 * come. An abort of `signal` cancels the request on the server too, even while the body of the response is read. A body
 * with `progress` goes in parts, because the server acknowledges only parts.
 */
export function sendRequest(
  message: ClientMessage,
  body: Body,
  signal: AbortSignal,
  limits: Limits,
  send: (frame: Frame) => void,
  ended: () => void,
  progress?: Progress,
): [Promise<WireResponse>, (message: ServerMessage) => void] {
  const { id } = message;
  let isOver = false;
  let response: WireResponse | undefined;
  let stream: ReadableStreamDefaultController<Bytes> | undefined;
  let addCredit: ((count: number) => void) | undefined;
  let windowBytes = WINDOW_BYTES;
  let creditBytes = WINDOW_BYTES; // body bytes that the server may still send
  let grantedAt = 0;
  let resolve!: (response: WireResponse) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<WireResponse>((...callbacks) => ([resolve, reject] = callbacks));

  const sendMessage = (each: ClientMessage): void => send(encode(each));
  const abort = (): void => {
    if (!isOver) return cancel(signal.reason);
    // All parts are here. Drop what the page has not read yet.
    response!.reason = signal.reason;
    stream!.error(signal.reason);
    unlisten();
  };
  const unlisten = (): void => signal.removeEventListener("abort", abort);

  const finish = (): void => {
    isOver = true;
    addCredit?.(0);
    ended();
  };

  const fail = (error: unknown): void => {
    if (isOver) return;
    finish();
    unlisten();
    reject(error);
    if (error instanceof ConnectionLost) error = new RequestFailed(`The response is incomplete: ${error.message}`);
    if (response) response.reason = error;
    stream?.error(error);
  };

  const cancel = (reason?: unknown): void => {
    if (!isOver) sendMessage({ id, cancel: true });
    fail(reason);
  };

  /** Grants credit for what the page has read, in steps that are large enough to be worth a frame (4.4). */
  const grant = (): void => {
    const unread = MAX_WINDOW_BYTES - stream!.desiredSize!;
    if (isOver || windowBytes - unread - creditBytes < windowBytes / 2) return;
    const now = performance.now();
    if (now - grantedAt < FAST_MS) windowBytes = Math.min(windowBytes * 2, MAX_WINDOW_BYTES);
    grantedAt = now;
    const credit = windowBytes - unread - creditBytes;
    creditBytes += credit;
    sendMessage({ id, credit });
  };

  const createStream = (): ReadableStream<Bytes> => {
    grantedAt = performance.now();
    return new ReadableStream(
      {
        start: (controller) => {
          stream = controller;
        },
        pull: () => (isOver ? closeIfRead() : grant()),
        cancel: () => {
          unlisten();
          cancel();
        },
      },
      { highWaterMark: MAX_WINDOW_BYTES, size: (part) => part.length },
    );
  };

  const receive = (message: ServerMessage): void => {
    const { credit, error, status, body, more } = message;
    if (credit !== undefined) return addCredit?.(credit);
    if (error) return fail(refused(error, status));
    if (!status && !body) return; // from a later version
    if (!status === !stream) return fail(new ConnectionLost(INVALID_FRAME));
    if (status) {
      response = { ...(message as Head), body: more ? createStream() : body?.length ? body : null };
      resolve(response);
    }
    if (stream && body?.length) {
      creditBytes -= body.length;
      stream.enqueue(body);
    }
    if (more) return grant();
    finish();
    if (stream) closeIfRead();
    else unlisten();
  };

  /** Closes the stream when the page has read everything. Until then, an abort still ends it. */
  const closeIfRead = (): void => {
    if (stream!.desiredSize !== MAX_WINDOW_BYTES) return;
    unlisten();
    stream!.close();
  };

  const first = { ...message, credit: WINDOW_BYTES };
  const inParts = body && (body instanceof ReadableStream || progress || body.length > limits.message_bytes);
  const frame = inParts ? null : encode({ ...first, body });
  // A frame that is too large without a body is sent, and the server refuses it.
  if (frame && (!body || fits(frame, limits.message_bytes))) send(frame);
  else {
    const source = body instanceof ReadableStream ? body.getReader() : body!;
    // Few requests need upload.js, so it is not part of client.js. Nothing is sent before it is loaded.
    import("./upload.js").then(
      ({ upload }) => {
        addCredit = upload({ message: first, source, limits, send, sendMessage, isOver: () => isOver, signal, fail: cancel, progress });
      },
      () => {
        if ("cancel" in source) void source.cancel();
        fail(new NotStarted("upload.js could not be loaded."));
      },
    );
  }
  signal.addEventListener("abort", abort);
  return [promise, receive];
}

function refused({ code, detail }: Refusal, status?: number): ConnectionLost {
  return new (MAY_HAVE_STARTED.includes(status) ? ConnectionLost : NotStarted)(`${code}: ${detail}.`);
}

/** Whether a frame has at most `maxBytes`. A UTF-16 unit has at most three bytes in UTF-8, so most texts need not be encoded to count. */
function fits(frame: Frame, maxBytes: number): boolean {
  if (typeof frame !== "string") return frame.length <= maxBytes;
  return frame.length * 3 <= maxBytes || utf8.encode(frame).length <= maxBytes;
}
