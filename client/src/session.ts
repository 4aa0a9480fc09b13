/**
 * The requests of one greeted connection: ids, credit, parts, cancel (PROTOCOL.md 2.3 to 2.5, 4, 5).
 *
 * Owns which exchanges are unfinished, and the streams of their bodies. Frames go out by a function that
 * it is given; opening, pinging and coming back are the socket's, what to do with a lost request is fetch's.
 */
import { Lost, RequestFailed } from "./errors.js";
import { encode, type Bytes, type ClientMessage, type Hello, type Id, type Limits, type Part } from "./messages.js";
import type { Refusal, Request, Response as Message, ServerMessage } from "./messages.js";

/** An answer; its body is a stream where it comes in parts. */
export interface Answer {
  status: number;
  headers: Message["headers"];
  cookies: string | undefined;
  body: Bytes | ReadableStream<Bytes> | null;
  /** What its stream failed with. */
  error?: unknown;
}
export type Body = Bytes | ReadableStream<Uint8Array> | null;

const WINDOW_BYTES = 262_144; // of an answer that the page has not read yet
const PART_BYTES = 65_536;
// These may come when a view has run already; no other refusal does (5.1, 5.2).
const MAYBE_BEGUN = ["deadline_exceeded", "internal_error", "answer_too_large"];

interface Exchange {
  answered(answer: Answer): void;
  failed(error: unknown): void;
  stream?: ReadableStreamDefaultController<Bytes>;
  answer?: Answer;
  /** Body bytes of the answer that the server may send still. */
  granted: number;
  /** Body bytes of the request that may be sent still. */
  credit: number;
  credited?: () => void;
  reader?: ReadableStreamDefaultReader<Uint8Array>;
  stopListening(): void;
}

export class Session {
  /** The server is about to close: nothing more may be begun (7.1). */
  isEnding = false;
  readonly limits: Limits;
  #exchanges = new Map<Id, Exchange>();
  #lastId = 0;
  #send: (frame: string | Bytes) => void;

  constructor(hello: Hello, send: (frame: string | Bytes) => void) {
    this.limits = hello.limits;
    this.#send = send;
  }

  /** How many exchanges are unfinished; bodies that are being read count. */
  get count(): number {
    return this.#exchanges.size;
  }

  get isFull(): boolean {
    return this.count >= this.limits.in_flight + this.limits.waiting;
  }

  /**
   * Send a request; resolve with the head of its answer.
   *
   * Rejects with Lost when no answer came, or the reason of `signal`, which cancels on the server too,
   * also while the body of the answer is read.
   */
  request(message: Omit<Request, "type" | "id" | "body">, body: Body, signal: AbortSignal): Promise<Answer> {
    return new Promise((answered, failed) => {
      signal.throwIfAborted();
      const id = ++this.#lastId;
      const abort = (): void => this.#cancel(id, signal.reason);
      const exchange: Exchange = {
        ...{ answered, failed, granted: WINDOW_BYTES, credit: this.limits.window_bytes },
        stopListening: () => signal.removeEventListener("abort", abort),
      };
      const whole = { type: "Request", id, credit: WINDOW_BYTES, ...message } as const;
      const isStream = body instanceof ReadableStream;
      const frame = isStream ? null : encode(body ? { ...whole, body } : whole);
      signal.addEventListener("abort", abort);
      this.#exchanges.set(id, exchange);
      if (frame && sizeOf(frame) <= this.limits.message_bytes) this.#send(frame);
      else this.#upload(whole, isStream ? body : new Response(body).body!, exchange);
    });
  }

  receive(message: Exclude<ServerMessage, Hello>): void {
    if (message.type === "Refusal" && message.code === "shutting_down") this.isEnding = true;
    const id = "id" in message ? message.id : undefined;
    const exchange = id === undefined ? undefined : this.#exchanges.get(id);
    if (id === undefined || !exchange) return; // finished, or never ours: crossing is no error (2.4)
    if (message.type === "Response") this.#answer(id, exchange, message);
    else if (message.type === "Part") this.#part(id, exchange, message);
    else if (message.type === "Refusal") this.fail(id, refused(message));
    else if (message.type === "Credit") {
      exchange.credit += message.count;
      exchange.credited?.();
    }
  }

  /** Give one exchange up. */
  fail(id: Id, error: unknown): void {
    const exchange = this.#finish(id);
    if (!exchange) return;
    exchange.failed(error);
    if (error instanceof Lost) error = new RequestFailed(`The answer is not whole: ${error.message}`);
    if (exchange.answer) exchange.answer.error = error;
    exchange.stream?.error(error);
  }

  /** Give all of them up, since the connection is gone. */
  lose(error: Lost): void {
    this.isEnding = true;
    for (const id of [...this.#exchanges.keys()]) this.fail(id, error);
  }

  #cancel(id: Id, reason: unknown): void {
    if (!this.#exchanges.has(id)) return;
    this.#tell({ type: "Cancel", id });
    this.fail(id, reason);
  }

  #finish(id: Id): Exchange | undefined {
    const exchange = this.#exchanges.get(id);
    this.#exchanges.delete(id);
    exchange?.stopListening();
    exchange?.credited?.();
    exchange?.reader?.cancel().catch(() => {});
    return exchange;
  }

  #tell(message: ClientMessage): void {
    this.#send(encode(message));
  }

  #answer(id: Id, exchange: Exchange, { status, headers, cookies, body, more }: Message): void {
    if (exchange.stream) return this.fail(id, new Lost("the server answered twice", false));
    const answer = { status, headers, cookies, body: body ?? null };
    if (!more) {
      this.#finish(id);
      return exchange.answered(answer);
    }
    const stream = new ReadableStream<Bytes>(
      {
        start: (controller) => {
          exchange.stream = controller;
        },
        pull: () => this.#grant(id, exchange),
        cancel: () => this.#cancel(id, undefined),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WINDOW_BYTES }),
    );
    exchange.answered((exchange.answer = { ...answer, body: stream }));
    this.#take(exchange, body);
  }

  #part(id: Id, exchange: Exchange, { body, more }: Part): void {
    if (!exchange.stream) return this.fail(id, new Lost("the server sent a part before the answer", false));
    this.#take(exchange, body);
    if (more) return this.#grant(id, exchange);
    exchange.stream.close();
    this.#finish(id);
  }

  #take(exchange: Exchange, body?: Bytes): void {
    if (!body?.length) return;
    exchange.granted -= body.length;
    exchange.stream?.enqueue(body);
  }

  /** Let the server send as much as was read, in steps large enough to be worth a frame (4.4). */
  #grant(id: Id, exchange: Exchange): void {
    const count = (exchange.stream?.desiredSize ?? 0) - exchange.granted;
    if (count < WINDOW_BYTES / 2 || !this.#exchanges.has(id)) return;
    exchange.granted += count;
    this.#tell({ type: "Credit", id, count });
  }

  /** Send a body in parts, none of them ahead of the server's credit (4.3, 4.4). */
  async #upload(first: Request & { id: Id }, stream: ReadableStream<Uint8Array>, exchange: Exchange): Promise<void> {
    const { id } = first;
    const isOver = (): boolean => !this.#exchanges.has(id);
    try {
      const reader = (exchange.reader = stream.getReader());
      this.#tell({ ...first, more: true, body: new Uint8Array(0) });
      for (;;) {
        const { done, value } = await reader.read();
        if (isOver()) return;
        if (done) break;
        for (let start = 0; start < value.length; ) {
          while (!exchange.credit && !isOver()) await new Promise<void>((resolve) => (exchange.credited = resolve));
          if (isOver()) return;
          const part = value.slice(start, start + Math.min(PART_BYTES, exchange.credit));
          exchange.credit -= part.length;
          start += part.length;
          this.#tell({ type: "Part", id, body: part, more: true });
        }
      }
      this.#tell({ type: "Part", id, body: new Uint8Array(0) });
    } catch (error) {
      this.#cancel(id, error);
    }
  }
}

function refused({ code, detail, status }: Refusal): Lost {
  const isUnsent = status !== undefined && !MAYBE_BEGUN.includes(code);
  return new Lost(`${detail} (${code})`, isUnsent);
}

// A character has at most three bytes of UTF-8, so most texts need not be counted.
function sizeOf(frame: string | Bytes): number {
  return typeof frame === "string" ? frame.length * 3 : frame.length;
}
