/**
 * One WebSocket that opens when it is needed, and comes back (PROTOCOL.md 1, 3, 7).
 *
 * Owns connecting, the greeting, signs of life, close codes and the backoff. The requests on it are the
 * session's; what to do while there is none is the caller's.
 */
import { Lost } from "./errors.js";
import { BadFrame, decode, encode, type Hello } from "./messages.js";
import { Session } from "./session.js";

/**
 * idle: not needed yet; connecting; open; waiting: lost, and to be opened again; closed: for good, by
 * `close()`, by a close code from 4500 on, or since the server does not speak wsrequest.v1.
 */
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";

const SUBPROTOCOL = "wsrequest.v1";
const GREETING_MS = 10_000;
const PONG_MS = 10_000;
const STEADY_MS = 10_000;
const MOST_BACKOFF_MS = 30_000;

export class Socket {
  state: State = "idle";
  session: Session | null = null;
  #WebSocket: typeof WebSocket;
  #url: string;
  #changed: (state: State) => void;
  #queueLimit: number;
  #socket: WebSocket | null = null;
  #waiters = new Set<(session: Session | null) => void>();
  #attempt = 0;
  /** When it was greeted; while it connects, when that began. */
  #openedAt = 0;
  #pingMs = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, WebSocketClass: typeof WebSocket, queueLimit: number, changed: (state: State) => void) {
    this.#url = url;
    this.#WebSocket = WebSocketClass;
    this.#queueLimit = queueLimit;
    this.#changed = changed;
  }

  /** How many calls wait for the greeting. */
  get waitingCount(): number {
    return this.#waiters.size;
  }

  /** Connect now, unless it is connected or about to be. */
  open(): void {
    if (this.#socket) return;
    clearTimeout(this.#retryTimer);
    let socket: WebSocket;
    try {
      socket = new this.#WebSocket(this.#url, SUBPROTOCOL);
    } catch {
      return this.#become("closed"); // an address that this environment does not allow
    }
    this.#socket = socket;
    this.#openedAt = Date.now();
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(data as string | ArrayBuffer);
    socket.onclose = ({ code }) => socket === this.#socket && this.#lose(code);
    socket.onerror = () => {}; // close follows
    this.#silenceTimer = setTimeout(() => this.#lose(1006, "it sent no greeting"), GREETING_MS);
    this.#become("connecting");
  }

  /** Resolve with a session that takes a request, or with null when there is none `timeoutMs` after connecting began. */
  ready(timeoutMs: number, signal: AbortSignal): Promise<Session | null> | Session | null {
    if (this.state === "idle") this.open();
    if (this.session) return this.session.isEnding || this.session.isFull ? null : this.session;
    if (this.state !== "connecting" || this.#waiters.size >= this.#queueLimit) return null;
    return new Promise((resolve) => {
      const done = (session: Session | null): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", stop);
        this.#waiters.delete(done);
        resolve(session && !session.isFull ? session : null);
      };
      const stop = (): void => done(null);
      const timer = setTimeout(stop, this.#openedAt + timeoutMs - Date.now());
      signal.addEventListener("abort", stop);
      this.#waiters.add(done);
    });
  }

  close(): void {
    this.#lose(1000, "it was closed by close()", "closed");
  }

  #receive(frame: string | ArrayBuffer): void {
    try {
      const message = decode(frame);
      if (message?.type === "Hello") this.#greet(message);
      else if (message?.type === "Ping") this.#socket!.send(encode({ ...message, type: "Pong" }));
      else if (message) this.session?.receive(message);
    } catch (error) {
      if (!(error instanceof BadFrame)) throw error;
      if (error.id === undefined) return this.#lose(1002, error.message);
      this.session?.fail(error.id, new Lost(error.message, false));
    }
    this.#watch();
  }

  #greet(hello: Hello): void {
    if (this.session) return;
    if (hello.protocol !== SUBPROTOCOL) return this.#lose(1002, `it speaks ${hello.protocol}`, "closed");
    const socket = this.#socket!;
    this.session = new Session(hello, (frame) => socket.readyState === 1 && socket.send(frame));
    this.#openedAt = Date.now();
    this.#pingMs = hello.ping_seconds * 1000 + PONG_MS; // the server's own ping comes first
    this.#become("open");
    this.#wake(this.session);
  }

  /** Ask for a sign of life after a silence, and give the connection up when none comes. */
  #watch(): void {
    if (!this.session) return;
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      this.#socket?.send(encode({ type: "Ping", value: "1" }));
      this.#silenceTimer = setTimeout(() => this.#lose(1006, "it was silent"), PONG_MS);
    }, this.#pingMs);
  }

  #lose(code: number, why = `close code ${code}`, next: State = nextState(code)): void {
    const socket = this.#socket;
    const { session } = this;
    this.#socket = this.session = null;
    clearTimeout(this.#silenceTimer);
    clearTimeout(this.#retryTimer);
    socket?.close();
    if (session && Date.now() - this.#openedAt >= STEADY_MS) this.#attempt = 0;
    if (next === "waiting") {
      // Full jitter: a thousand pages that lost one server do not come back in the same moment (7.2).
      const delayMs = Math.random() * Math.min(MOST_BACKOFF_MS, 1000 * 2 ** this.#attempt++);
      this.#retryTimer = setTimeout(() => this.open(), delayMs);
    }
    this.#become(next);
    this.#wake(null);
    // 4004: what has neither answer nor refusal was not begun (section 7).
    session?.lose(new Lost(`The connection was lost: ${why}.`, code === 4004));
  }

  #wake(session: Session | null): void {
    for (const done of [...this.#waiters]) done(session);
  }

  #become(state: State): void {
    if (this.state === state) return;
    this.state = state;
    this.#changed(state);
  }
}

function nextState(code: number): State {
  if (code === 1000) return "idle";
  return code >= 4500 && code <= 4999 ? "closed" : "waiting";
}
