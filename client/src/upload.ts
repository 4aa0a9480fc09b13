/**
 * Sends a body in parts, as far as the server's credit allows (PROTOCOL.md 4.3, 4.4). Also reads a stream for HTTP.
 *
 * This file is a bundle of its own. client.js loads it for the first such body.
 */
import { EMPTY, type Bytes, type ClientMessage, type Frame, type Limits } from "./messages.js";
import type { Progress } from "./request.js";

// Large parts cost less per byte. A body with progress goes in at least 32 parts, if each then has at least 64 KiB.
const PART_BYTES = 262_144;
const MIN_PART_BYTES = 65_536;
const PROGRESS_STEPS = 32;

export interface Upload {
  /** The request, without its body. */
  message: ClientMessage;
  source: Bytes | ReadableStreamDefaultReader<Bytes>;
  /** The limits from Hello. */
  limits: Limits;
  send(frame: Frame): void;
  sendMessage(message: ClientMessage): void;
  isOver(): boolean;
  /** Its reason cancels a source that is a stream. */
  signal: AbortSignal;
  /** Called with the error of a source that is a stream. */
  fail(error: unknown): void;
  progress: Progress | undefined;
}

/** Throws a TypeError unless `part` is a Uint8Array, of this window or another. */
function checkPart(part: unknown): asserts part is Bytes {
  if (Object.prototype.toString.call(part) === "[object Uint8Array]") return;
  throw new TypeError("A stream for a body must give Uint8Arrays.");
}

/** Reads a whole stream. An abort of `signal` cancels the stream and rejects, both with the signal's reason. */
export async function readAll(stream: ReadableStream<Bytes>, signal: AbortSignal): Promise<ArrayBuffer> {
  const parts: Bytes[] = [];
  const write = (part: Bytes): void => {
    checkPart(part);
    parts.push(part);
  };
  await stream.pipeTo(new WritableStream({ write }), { signal });
  return new Blob(parts).arrayBuffer();
}

/** Sends a body. Call the returned function with the credit that arrives, and with 0 after `isOver` has changed. */
export function upload({ message, source, limits, send, sendMessage, isOver, signal, fail, progress }: Upload): (credit: number) => void {
  const { id } = message;
  const reader = "read" in source ? source : null;
  let rest = reader ? EMPTY : (source as Bytes); // a view: the bytes are copied only into frames
  const total = reader ? null : rest.length;
  const head = new TextEncoder().encode(`{"id":${id},"more":true}\n`);
  const stepBytes = progress && total ? Math.max(MIN_PART_BYTES, Math.ceil(total / PROGRESS_STEPS)) : PART_BYTES;
  const partBytes = Math.min(PART_BYTES, stepBytes, Math.max(1, limits.message_bytes - head.length));
  // Allocating memory costs more than copying into it, so full frames are reused. A frame must not change before the
  // server has acknowledged it: a WebSocket that compresses may read it late, as the npm package ws does.
  const free: Bytes[] = [];
  const unacknowledged: { end: number; frame: Bytes }[] = [];
  let creditBytes = limits.window_bytes;
  let acknowledged = 0;
  let sentBytes = 0;
  let wake: (() => void) | undefined;
  const cancelSource = (reason: unknown): void => void reader?.cancel(reason).catch(() => {});

  const sendAll = async (): Promise<void> => {
    sendMessage({ ...message, more: true, body: EMPTY });
    while (!isOver()) {
      if (!rest.length) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) return isOver() ? undefined : sendMessage({ id, body: EMPTY });
        checkPart(value);
        rest = value;
      } else if (!creditBytes) await new Promise<void>((resolve) => (wake = resolve));
      else {
        const body = rest.subarray(0, Math.min(partBytes, creditBytes));
        rest = rest.subarray(body.length);
        creditBytes -= body.length;
        sentBytes += body.length;
        const isFull = body.length === partBytes;
        const frame = (isFull && free.pop()) || new Uint8Array(head.length + body.length);
        frame.set(head);
        frame.set(body, head.length);
        if (isFull) unacknowledged.push({ end: sentBytes, frame });
        send(frame);
      }
    }
  };

  if (isOver()) cancelSource(signal.reason); // it ended while this file was loaded
  else {
    sendAll().catch((error: unknown) => {
      cancelSource(error); // the stream may have more
      fail(error);
    });
  }
  return (credit) => {
    creditBytes += credit;
    acknowledged += credit;
    while (unacknowledged.length && unacknowledged[0]!.end <= acknowledged) free.push(unacknowledged.shift()!.frame);
    wake?.();
    if (isOver()) cancelSource(signal.reason);
    else progress?.(acknowledged, total);
  };
}
