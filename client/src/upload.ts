/**
 * A request whose body goes in parts, none of them ahead of the server's credit (PROTOCOL.md 4.3, 4.4).
 *
 * A file of its own, which client.js loads with the first of them.
 */
import { EMPTY, type Bytes, type ClientMessage } from "./messages.js";
import { checkPart } from "./streams.js";

const PART_BYTES = 65_536;

/**
 * Send `message` with the bytes of `reader`, at first `credit` of them; `failed` gets what the stream fails with.
 *
 * What it returns is to be called with how many more the server takes, and once `isOver` says that it is to end;
 * `reader` is told `why` then.
 */
export function upload(
  message: ClientMessage,
  reader: ReadableStreamDefaultReader<Bytes>,
  credit: number,
  tell: (message: ClientMessage) => void,
  isOver: () => boolean,
  why: () => unknown,
  failed: (error: unknown) => void,
): (count: number) => void {
  const { id } = message;
  let wake: (() => void) | undefined;
  const stop = (): void => void reader.cancel(why()).catch(() => {});

  const send = async (): Promise<void> => {
    tell({ ...message, more: true, body: EMPTY });
    for (let rest = EMPTY; !isOver(); ) {
      if (!rest.length) {
        const { done, value } = await reader.read();
        if (done) return isOver() ? undefined : tell({ id, body: EMPTY });
        checkPart(value);
        rest = value;
      } else if (!credit) await new Promise<void>((resolve) => (wake = resolve));
      else {
        const body = rest.slice(0, Math.min(PART_BYTES, credit));
        rest = rest.subarray(body.length);
        credit -= body.length;
        tell({ id, more: true, body });
      }
    }
  };

  const fail = (error: unknown): void => {
    reader.cancel(error).catch(() => {}); // it may have more, which nobody wants now
    failed(error);
  };

  if (isOver()) stop(); // while this file was loaded
  else send().catch(fail);
  return (count) => {
    credit += count;
    wake?.();
    if (isOver()) stop();
  };
}
