/**
 * One WebSocket, which opens when it is needed and reconnects (PROTOCOL.md 1, 3, 7).
 *
 * Owns connecting, Hello, pings, close codes and the backoff. session.ts has the requests. The caller decides what to
 * do without a session.
 */
import { decode, INVALID_FRAME, pingFrame, type Frame, type Hello, type Id, type ServerMessage } from "./messages.js";
import { createSession, type Session } from "./session.js";

/**
 * - `idle`: not needed yet
 * - `connecting`
 * - `open`
 * - `waiting`: lost, and about to reconnect
 * - `closed`: by `close()`, by a close code of 4500 or above, or because the server does not support wsrequest.v1
 */
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";

export interface Socket {
  /** The number of calls that wait for Hello or are unfinished. */
  count(): number;
  /** Connect now, unless the socket is open or opening. */
  open(): void;
  close(): void;
  /** Get the session, or null if the socket has not opened within `timeoutMs` of connecting. */
  ready(timeoutMs: number, signal: AbortSignal): Promise<Session | null>;
}

const SUBPROTOCOL = "wsrequest.v1";
const HELLO_TIMEOUT_MS = 10_000;
const SLACK_MS = 5000; // how late the server's own ping may be
// While the connection is in use, the client sends a ping after BUSY_MS of silence, and gives up PONG_MS later.
const BUSY_MS = 2000;
const PONG_MS = 3000;
const MAX_PONG_MS = 30_000;
const SLOW_BYTES = 65_536; // per second: the slowest uplink that does not count as dead
const LATE_MS = 1000; // a timer that fires this late was blocked, and so were the frames that it waits for
const SESSION_ENDED = 4003; // the close code after a logout elsewhere (7)
const STEADY_MS = 10_000;
const MAX_BACKOFF_MS = 30_000;
// Events after which the network or the page may have changed.
const SIGNS = ["offline", "online", "pageshow", "visibilitychange"];

/**
 * Makes a socket to `url`, for which at most `queueLimit` calls wait.
 *
 * `changed` gets each new state, and whether the visitor's session has ended. `bind` fetches the cookie that tickets are
 * bound to. `loseCookies` is called if the browser does not send it back (6.4).
 */
export function createSocket(
  url: string,
  Class: typeof WebSocket,
  queueLimit: number,
  changed: (state: State, sessionEnded?: boolean) => void,
  bind: () => Promise<void>,
  loseCookies: () => void,
): Socket {
  let state: State = "idle";
  let session: Session | null = null;
  let socket: WebSocket | null = null;
  const waiters = new Set<() => void>();
  let attempt = 0;
  let openedAt = 0; // the time of Hello, and before it the time when connecting started
  let pingMs = 0;
  let receivedAt = 0;
  let unansweredAt = 0; // the time of the first frame that was sent after the last one was received, or 0
  let unansweredBytes = 0; // the bytes sent since then
  let pingedAt = 0; // the time of the ping that has no pong yet, or 0
  let pongMs = PONG_MS;
  let wasBound = false;
  // One timer for the timeout of Hello, for pings and for reconnecting. Only one of them is due at a time.
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dueAt = 0; // when it fires

  const open = (): void => {
    if (socket) return;
    for (const type of SIGNS) globalThis.addEventListener?.(type, check);
    let created: WebSocket;
    try {
      created = socket = new Class(url, SUBPROTOCOL);
    } catch {
      return setState("closed"); // this environment does not allow the URL
    }
    openedAt = performance.now();
    created.binaryType = "arraybuffer";
    created.onmessage = ({ data }) => created === socket && receive(data as string | ArrayBuffer);
    created.onclose = ({ code }) => created === socket && lose(code);
    created.onerror = () => {}; // a close event follows
    after(HELLO_TIMEOUT_MS, () => lose(1006, "the server sent no Hello"));
    setState("connecting");
  };

  const ready = async (timeoutMs: number, signal: AbortSignal): Promise<Session | null> => {
    if (state === "idle") open();
    if (state === "connecting" && waiters.size < queueLimit) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timeout);
          signal.removeEventListener("abort", done);
          waiters.delete(done);
          resolve();
        };
        const timeout = setTimeout(done, openedAt + timeoutMs - performance.now());
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
      if (id === undefined) return lose(1002, INVALID_FRAME);
      message = { id, error: { code: "bad_message", detail: INVALID_FRAME } };
    }
    if (message.hello) greet(message.hello);
    else if (message.ping) socket!.send(pingFrame("pong", message.ping));
    else session?.receive(message);
    if (!session) return;
    receivedAt = performance.now();
    unansweredAt = unansweredBytes = 0;
    if (!pingedAt) return;
    if (receivedAt < pingedAt + PONG_MS) pongMs = PONG_MS;
    pingedAt = 0;
    watch();
  };

  /** Sends a frame, and pings soon if nothing comes back. */
  const send = (to: WebSocket, frame: Frame): void => {
    if (to.readyState > 1) return; // a browser would log a warning
    to.send(frame);
    unansweredAt ||= performance.now();
    unansweredBytes += frame.length;
    if (!pingedAt && dueAt > unansweredAt + BUSY_MS) watch();
  };

  /** Sets the timer for the next ping. Every frame that arrives postpones it. */
  const watch = (): void => {
    const isBusy = unansweredAt || session!.count();
    const pingAt = isBusy ? Math.max(receivedAt, unansweredAt) + BUSY_MS : receivedAt + pingMs;
    const leftMs = pingAt - performance.now();
    if (leftMs > 0) after(leftMs, watch);
    else ping();
  };

  /** Sends a ping, and gives the connection up if nothing comes back. */
  const ping = (): void => {
    if (pingedAt) return;
    pingedAt = performance.now();
    socket!.send(pingFrame("ping", "1"));
    const expire = (): void => {
      if (performance.now() > dueAt + LATE_MS) return after(LATE_MS, expire);
      pongMs = Math.min(pongMs * 2, MAX_PONG_MS);
      lose(1006, "the server was silent");
    };
    // The bytes sent before the ping must arrive first.
    after(pongMs + 1000 * Math.floor(unansweredBytes / SLOW_BYTES), expire);
  };

  /** Checks the connection, because the network or the page may have changed. */
  const check = ({ type }: Event): void => {
    if (session) ping();
    else if (state === "waiting" && type !== "offline" && globalThis.document?.visibilityState !== "hidden") open();
  };

  const greet = (hello: Hello): void => {
    if (session) return;
    const { protocol, ping_seconds: pingSeconds, tickets } = hello;
    if (protocol !== SUBPROTOCOL) return lose(1002, `the server speaks ${protocol}`, "closed");
    const greeted = socket!;
    if (tickets === "bind" && !wasBound) {
      // The server could not set the cookie in the handshake. The next handshake brings it.
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
    session = createSession(hello, (frame) => send(greeted, frame));
    openedAt = performance.now();
    pingMs = pingSeconds * 1000 + SLACK_MS; // the server's own ping comes first
    receivedAt = openedAt;
    after(pingMs, watch);
    setState("open");
  };

  const lose = (code: number, why = `close code ${code}`, next: State = nextState(code)): void => {
    const [lostSession, lostSocket] = [session, socket];
    session = socket = null;
    clearTimeout(timer);
    pingedAt = unansweredAt = unansweredBytes = 0;
    lostSocket?.close();
    if (lostSession && performance.now() - openedAt >= STEADY_MS) attempt = 0;
    if (next !== "waiting") for (const type of SIGNS) globalThis.removeEventListener?.(type, check);
    if (next === "waiting") {
      // Full jitter, so that a thousand pages of one server do not return at the same moment (7.2).
      after(Math.random() * Math.min(MAX_BACKOFF_MS, 1000 * 2 ** attempt++), open);
    }
    setState(next, code === SESSION_ENDED);
    // After 4004, a request that has neither a response nor a refusal was not started (7).
    const reason = code === SESSION_ENDED ? "session_ended" : "connection_lost";
    lostSession?.lose({ error: { code: reason, detail: why }, status: code === 4004 ? 503 : undefined });
  };

  const after = (delayMs: number, act: () => void): void => {
    clearTimeout(timer);
    dueAt = performance.now() + delayMs;
    timer = setTimeout(act, delayMs);
  };

  const setState = (next: State, sessionEnded?: boolean): void => {
    if (state === next) return;
    state = next;
    changed(next, sessionEnded);
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
