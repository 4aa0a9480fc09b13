/**
 * A request whose body goes in parts, none of them ahead of the server's credit (PROTOCOL.md 4.3, 4.4); and one that is
 * a stream, for HTTP.
 *
 * A file of its own, which client.js loads with the first of them.
 */
import type { Progress } from "./exchange.js";
import { EMPTY, type Bytes, type ClientMessage } from "./messages.js";

const PART_BYTES = 65_536;

export interface Upload {
  /** The request, without its body. */
  message: ClientMessage;
  /** Its body. */
  source: Bytes | ReadableStreamDefaultReader<Bytes>;
  /** How many bytes of it the server takes at first. */
  credit: number;
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
export function upload({ message, source, credit, tell, isOver, why, failed, progress }: Upload): (count: number) => void {
  const { id } = message;
  const reader = "read" in source ? source : null;
  let rest = reader ? EMPTY : (source as Bytes); // views of what is there: nothing is copied but into frames
  const total = reader ? null : rest.length;
  let acknowledged = 0;
  let wake: (() => void) | undefined;
  const stop = (reason: unknown): void => void reader?.cancel(reason).catch(() => {});

  const send = async (): Promise<void> => {
    tell({ ...message, more: true, body: EMPTY });
    while (!isOver()) {
      if (!rest.length) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) return isOver() ? undefined : tell({ id, body: EMPTY });
        checkPart(value);
        rest = value;
      } else if (!credit) await new Promise<void>((resolve) => (wake = resolve));
      else {
        const body = rest.subarray(0, Math.min(PART_BYTES, credit));
        rest = rest.subarray(body.length);
        credit -= body.length;
        tell({ id, more: true, body });
      }
    }
  };

  const fail = (error: unknown): void => {
    stop(error); // it may have more, which nobody wants now
    failed(error);
  };

  if (isOver()) stop(why()); // while this file was loaded
  else send().catch(fail);
  return (count) => {
    credit += count;
    acknowledged += count;
    wake?.();
    if (isOver()) stop(why());
    else progress?.(acknowledged, total);
  };
}
