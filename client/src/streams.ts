/** Bodies of requests that are streams: what they may give, and how one is read whole. */
import type { Bytes } from "./messages.js";

/** Throws a TypeError for what is no Uint8Array; one of another window is. */
export function checkPart(part: unknown): asserts part is Bytes {
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
