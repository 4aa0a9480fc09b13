/**
 * One WebSocket that opens when it is needed, and comes back (PROTOCOL.md 1, 3, 7).
 *
 * Owns connecting, the greeting, signs of life, close codes and the backoff. The requests on it are the
 * session's; what to do while there is none is the caller's.
 */
import { decode, NOT_OURS, sign, type Hello, type Id, type ServerMessage } from "./messages.js";
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
const PATIENCE_MS = 10_000; // for the greeting, and for a pong
const STEADY_MS = 10_000;
const MOST_BACKOFF_MS = 30_000;

/**
 * A socket to `url`, for which at most `queueLimit` calls wait; `changed` hears of each new state.
 *
 * `bind` fetches the cookie that tickets are bound to, and `loseCookies` is called where it does not come back (6.4).
 */
export function socketTo(
  url: string,
  Class: typeof WebSocket,
  queueLimit: number,
  changed: (state: State) => void,
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
  let wasBound = false;
  // To give up, to ask for a sign of life or to come back: never two of them at once.
  let timer: ReturnType<typeof setTimeout> | undefined;

  const open = (): void => {
    if (socket) return;
    let made: WebSocket;
    try {
      made = socket = new Class(url, SUBPROTOCOL);
    } catch {
      return become("closed"); // an address that this environment does not allow
    }
    openedAt = Date.now();
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
        const patience = setTimeout(done, openedAt + timeoutMs - Date.now());
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
    // After a silence ask for a sign of life, and give the connection up when none comes.
    if (!session) return;
    after(pingMs, () => {
      socket!.send(sign("ping", "1"));
      after(PATIENCE_MS, () => lose(1006, "it was silent"));
    });
  };

  const greet = ({ protocol, ping_seconds: pingSeconds, limits, tickets }: Hello): void => {
    if (session) return;
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
    session = begin(limits, (frame) => greeted.readyState > 1 || greeted.send(frame)); // a browser warns
    openedAt = Date.now();
    pingMs = pingSeconds * 1000 + PATIENCE_MS; // the server's own ping comes first
    become("open");
  };

  const lose = (code: number, why = `close code ${code}`, next: State = nextState(code)): void => {
    const [lost, old] = [session, socket];
    session = socket = null;
    clearTimeout(timer);
    old?.close();
    if (lost && Date.now() - openedAt >= STEADY_MS) attempt = 0;
    if (next === "waiting") {
      // Full jitter: a thousand pages that lost one server do not come back in the same moment (7.2).
      after(Math.random() * Math.min(MOST_BACKOFF_MS, 1000 * 2 ** attempt++), open);
    }
    become(next);
    // 4004: what has neither answer nor refusal was not begun (section 7).
    lost?.lose({ error: { code: "connection_lost", detail: why }, status: code === 4004 ? 503 : undefined });
  };

  const after = (delayMs: number, act: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(act, delayMs);
  };

  const become = (next: State): void => {
    if (state === next) return;
    state = next;
    changed(next);
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
