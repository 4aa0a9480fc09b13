/**
 * One WebSocket that opens when it is needed, and comes back (PROTOCOL.md 1, 3, 7).
 *
 * Owns connecting, the greeting, signs of life, close codes and the backoff. The requests on it are the
 * session's; what to do while there is none is the caller's.
 */
import { decode, NOT_OURS, sign, type Frame, type Hello, type Id, type ServerMessage } from "./messages.js";
import { begin, type Session } from "./session.js";

/**
 * idle: not needed yet; connecting; open; waiting: lost, and to be opened again; closed: for good, by
 * `close()`, by a close code from 4500 on, or since the server does not speak wsrequest.v1.
 */
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";

export interface Socket {
  /** How many calls wait for the greeting, or are unfinished. */
  count(): number;
  /** Connect now, unless it is connected or about to be. */
  open(): void;
  close(): void;
  /** The session, once there is one; null when there is none `timeoutMs` after connecting began. */
  ready(timeoutMs: number, signal: AbortSignal): Promise<Session | null>;
}

const SUBPROTOCOL = "wsrequest.v1";
const PATIENCE_MS = 10_000; // for the greeting
const SLACK_MS = 5000; // how long the server's own ping may take
// A line that is in use is checked after BUSY_MS of silence, and given up PONG_MS later: 5 s together.
const BUSY_MS = 2000;
const PONG_MS = 3000;
const MOST_PONG_MS = 30_000;
const SLOW_BYTES = 65_536; // a second: the slowest uplink that is not taken for a dead one
const LATE_MS = 1000; // a timer that is so late was held up with the frames that it waits for
const SESSION_ENDED = 4003; // the close code of a logout elsewhere (7)
const STEADY_MS = 10_000;
const MOST_BACKOFF_MS = 30_000;
// What tells that the network, or the page, is another than a moment ago.
const SIGNS = ["offline", "online", "pageshow", "visibilitychange"];

/**
 * A socket to `url`, for which at most `queueLimit` calls wait; `changed` hears of each new state, and whether the visitor's
 * session has ended with it.
 *
 * `bind` fetches the cookie that tickets are bound to, and `loseCookies` is called where it does not come back (6.4).
 */
export function socketTo(
  url: string,
  Class: typeof WebSocket,
  queueLimit: number,
  changed: (state: State, hasEnded?: boolean) => void,
  bind: () => Promise<void>,
  loseCookies: () => void,
): Socket {
  let state: State = "idle";
  let session: Session | null = null;
  let socket: WebSocket | null = null;
  const waiters = new Set<() => void>();
  let attempt = 0;
  let openedAt = 0; // when it was greeted; while it connects, when that began
  let pingMs = 0;
  let heardAt = 0;
  let askedAt = 0; // when the first frame was sent to which nothing was heard yet; 0: none
  let askedBytes = 0; // what was sent since then
  let probedAt = 0; // when the ping was sent that is unanswered; 0: none is
  let pongMs = PONG_MS;
  let wasBound = false;
  // To give up, to ask for a sign of life or to come back: never two of them at once.
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dueAt = 0; // when it fires

  const open = (): void => {
    if (socket) return;
    for (const type of SIGNS) globalThis.addEventListener?.(type, look);
    let made: WebSocket;
    try {
      made = socket = new Class(url, SUBPROTOCOL);
    } catch {
      return become("closed"); // an address that this environment does not allow
    }
    openedAt = performance.now();
    made.binaryType = "arraybuffer";
    made.onmessage = ({ data }) => made === socket && receive(data as string | ArrayBuffer);
    made.onclose = ({ code }) => made === socket && lose(code);
    made.onerror = () => {}; // close follows
    after(PATIENCE_MS, () => lose(1006, "it sent no hello"));
    become("connecting");
  };

  const ready = async (timeoutMs: number, signal: AbortSignal): Promise<Session | null> => {
    if (state === "idle") open();
    if (state === "connecting" && waiters.size < queueLimit) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(patience);
          signal.removeEventListener("abort", done);
          waiters.delete(done);
          resolve();
        };
        const patience = setTimeout(done, openedAt + timeoutMs - performance.now());
        signal.addEventListener("abort", done);
        waiters.add(done);
      });
    }
    return session;
  };

  const receive = (frame: string | ArrayBuffer): void => {
    let message: ServerMessage;
    try {
      message = decode(frame);
    } catch (error) {
      const id = (error as Error).cause as Id | undefined;
      if (id === undefined) return lose(1002, NOT_OURS);
      message = { id, error: { code: "bad_message", detail: NOT_OURS } };
    }
    if (message.hello) greet(message.hello);
    else if (message.ping) socket!.send(sign("pong", message.ping));
    else session?.receive(message);
    if (!session) return;
    heardAt = performance.now();
    askedAt = askedBytes = 0;
    if (!probedAt) return;
    if (heardAt < probedAt + PONG_MS) pongMs = PONG_MS;
    probedAt = 0;
    watch();
  };

  /** Send a frame, and see to it that the server is heard of soon. */
  const send = (to: WebSocket, frame: Frame): void => {
    if (to.readyState > 1) return; // a browser warns
    to.send(frame);
    askedAt ||= performance.now();
    askedBytes += frame.length;
    if (!probedAt && dueAt > askedAt + BUSY_MS) watch();
  };

  /** Arm the timer for when the line has been silent for too long. What is heard puts that off. */
  const watch = (): void => {
    const isBusy = askedAt || session!.count();
    const quietAt = isBusy ? Math.max(heardAt, askedAt) + BUSY_MS : heardAt + pingMs;
    const leftMs = quietAt - performance.now();
    if (leftMs > 0) after(leftMs, watch);
    else probe();
  };

  /** Ask for a sign of life, and give the connection up if none comes. */
  const probe = (): void => {
    if (probedAt) return;
    probedAt = performance.now();
    socket!.send(sign("ping", "1"));
    const expire = (): void => {
      if (performance.now() > dueAt + LATE_MS) return after(LATE_MS, expire);
      pongMs = Math.min(pongMs * 2, MOST_PONG_MS);
      lose(1006, "it was silent");
    };
    // What was sent before it must arrive first.
    after(pongMs + 1000 * Math.floor(askedBytes / SLOW_BYTES), expire);
  };

  /** Something has happened to the network or the page: see whether the line is still there. */
  const look = ({ type }: Event): void => {
    if (session) probe();
    else if (state === "waiting" && type !== "offline" && globalThis.document?.visibilityState !== "hidden") open();
  };

  const greet = (hello: Hello): void => {
    if (session) return;
    const { protocol, ping_seconds: pingSeconds, tickets } = hello;
    if (protocol !== SUBPROTOCOL) return lose(1002, `it speaks ${protocol}`, "closed");
    const greeted = socket!;
    if (tickets === "bind" && !wasBound) {
      // The server could not set the cookie with the handshake. It counts from the next one on.
      wasBound = true;
      void bind().then(() => {
        if (greeted !== socket) return;
        socket = null;
        greeted.close();
        open();
      });
      return;
    }
    if (tickets) loseCookies();
    session = begin(hello, (frame) => send(greeted, frame));
    openedAt = performance.now();
    pingMs = pingSeconds * 1000 + SLACK_MS; // the server's own ping comes first
    heardAt = openedAt;
    after(pingMs, watch);
    become("open");
  };

  const lose = (code: number, why = `close code ${code}`, next: State = nextState(code)): void => {
    const [lost, old] = [session, socket];
    session = socket = null;
    clearTimeout(timer);
    probedAt = askedAt = askedBytes = 0;
    old?.close();
    if (lost && performance.now() - openedAt >= STEADY_MS) attempt = 0;
    if (next !== "waiting") for (const type of SIGNS) globalThis.removeEventListener?.(type, look);
    if (next === "waiting") {
      // Full jitter: a thousand pages that lost one server do not come back in the same moment (7.2).
      after(Math.random() * Math.min(MOST_BACKOFF_MS, 1000 * 2 ** attempt++), open);
    }
    become(next, code === SESSION_ENDED);
    // 4004: what has neither answer nor refusal was not begun (section 7).
    const what = code === SESSION_ENDED ? "session_ended" : "connection_lost";
    lost?.lose({ error: { code: what, detail: why }, status: code === 4004 ? 503 : undefined });
  };

  const after = (delayMs: number, act: () => void): void => {
    clearTimeout(timer);
    dueAt = performance.now() + delayMs;
    timer = setTimeout(act, delayMs);
  };

  const become = (next: State, hasEnded?: boolean): void => {
    if (state === next) return;
    state = next;
    changed(next, hasEnded);
    for (const done of waiters) done();
  };

  return {
    count: () => waiters.size + (session?.count() ?? 0),
    open,
    close: () => lose(1000, "close()", "closed"),
    ready,
  };
}

function nextState(code: number): State {
  if (code === 1000) return "idle";
  return code >= 4500 ? "closed" : "waiting";
}
