/**
 * A request whose body goes in parts, none of them ahead of the server's credit (PROTOCOL.md 4.3, 4.4); and one that is
 * a stream, for HTTP.
 *
 * A file of its own, which client.js loads with the first of them.
 */
import type { Progress } from "./exchange.js";
import { EMPTY, type Bytes, type ClientMessage, type Frame, type Limits } from "./messages.js";

// A large part costs less for each byte. A body whose progress is shown goes in at least 32, if each has the least then.
const PART_BYTES = 262_144;
const LEAST_PART_BYTES = 65_536;
const PROGRESS_STEPS = 32;

export interface Upload {
  /** The request, without its body. */
  message: ClientMessage;
  /** Its body. */
  source: Bytes | ReadableStreamDefaultReader<Bytes>;
  /** What the server takes. */
  limits: Limits;
  send(frame: Frame): void;
  tell(message: ClientMessage): void;
  /** Whether it is to end; a stream is told `why` then. */
  isOver(): boolean;
  why(): unknown;
  /** Gets what the stream fails with. */
  failed(error: unknown): void;
  progress: Progress | undefined;
}

/** Throws a TypeError for what is no Uint8Array; one of another window is. */
function checkPart(part: unknown): asserts part is Bytes {
  if (Object.prototype.toString.call(part) === "[object Uint8Array]") return;
  throw new TypeError("A stream that is a body must give Uint8Arrays.");
}

/** All bytes of a stream. An abort of `signal` cancels it with its reason, which this rejects with then. */
export async function gathered(stream: ReadableStream<Bytes>, signal: AbortSignal): Promise<ArrayBuffer> {
  const parts: Bytes[] = [];
  const write = (part: Bytes): void => {
    checkPart(part);
    parts.push(part);
  };
  await stream.pipeTo(new WritableStream({ write }), { signal });
  return new Blob(parts).arrayBuffer();
}

/** Send it. What it returns is to be called with how many bytes more the server takes, and once `isOver` has changed. */
export function upload({ message, source, limits, send, tell, isOver, why, failed, progress }: Upload): (count: number) => void {
  const { id } = message;
  const reader = "read" in source ? source : null;
  let rest = reader ? EMPTY : (source as Bytes); // views of what is there: nothing is copied but into frames
  const total = reader ? null : rest.length;
  const head = new TextEncoder().encode(`{"id":${id},"more":true}\n`);
  const stepBytes = progress && total ? Math.max(LEAST_PART_BYTES, Math.ceil(total / PROGRESS_STEPS)) : PART_BYTES;
  const partBytes = Math.min(PART_BYTES, stepBytes, Math.max(1, limits.message_bytes - head.length));
  // New memory costs more than the copy into it, so the frame of a full part is used again. It must not change before the
  // server has acknowledged it: a WebSocket that compresses may read it late, as that of the npm package ws does.
  const free: Bytes[] = [];
  const unacknowledged: { end: number; frame: Bytes }[] = [];
  let credit = limits.window_bytes;
  let acknowledged = 0;
  let sentBytes = 0;
  let wake: (() => void) | undefined;
  const stop = (reason: unknown): void => void reader?.cancel(reason).catch(() => {});

  const sendAll = async (): Promise<void> => {
    tell({ ...message, more: true, body: EMPTY });
    while (!isOver()) {
      if (!rest.length) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) return isOver() ? undefined : tell({ id, body: EMPTY });
        checkPart(value);
        rest = value;
      } else if (!credit) await new Promise<void>((resolve) => (wake = resolve));
      else {
        const body = rest.subarray(0, Math.min(partBytes, credit));
        rest = rest.subarray(body.length);
        credit -= body.length;
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

  const fail = (error: unknown): void => {
    stop(error); // it may have more, which nobody wants now
    failed(error);
  };

  if (isOver()) stop(why()); // while this file was loaded
  else sendAll().catch(fail);
  return (count) => {
    credit += count;
    acknowledged += count;
    while (unacknowledged.length && unacknowledged[0]!.end <= acknowledged) free.push(unacknowledged.shift()!.frame);
    wake?.();
    if (isOver()) stop(why());
    else progress?.(acknowledged, total);
  };
}
