/**
 * A small client of PROTOCOL.md: requests and their answers over one WebSocket that comes back.
 *
 * Owns the connection: greeting, ids, cancelling, ping, cookie tickets, reconnecting. Takes no
 * answers in parts. Knows nothing of the page, which listens to its events: "state", "frame", "ticket".
 */
const SUBPROTOCOL = "wsrequest.v1";
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 15_000;
const STEADY_MS = 5_000; // a connection that lived shorter does not reset the backoff
const PONG_MS = 10_000;

/** There is no connection, or it was lost before the answer came. */
export class SocketDown extends Error {}

export class Socket extends EventTarget {
  state = "down"; // or "connecting", "open", "closed"
  #path; #socket = null; #hello = null; #calls = new Map(); #lastId = 0;
  #attempt = 0; #openedAt = 0; #retryTimer = 0; #silenceTimer = 0;

  constructor(path) {
    super();
    this.#path = path;
  }

  /** Connects now, unless it is connected or about to be. */
  open() {
    if (this.#socket) return;
    clearTimeout(this.#retryTimer);
    const socket = new WebSocket(new URL(this.#path, location.href.replace(/^http/, "ws")), SUBPROTOCOL);
    this.#socket = socket;
    this.#become("connecting");
    this.#silenceTimer = setTimeout(() => this.#lose(1006, "no greeting"), PONG_MS);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(data);
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#lose(code, reason);
  }

  /**
   * Sends a message and resolves with its answer, whatever the status: {status, headers, data}, or
   * {status, error} for a refusal (section 5). Rejects with SocketDown, or as `signal` says.
   */
  request(message, { signal } = {}) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.state !== "open") throw new SocketDown("The socket is not connected.");
      const { in_flight: running, waiting, message_bytes: most } = this.#hello.limits;
      if (this.#calls.size >= running + waiting) throw new Error("Too many requests are unfinished.");
      const id = ++this.#lastId;
      const text = JSON.stringify({ id, ...message });
      if (byteLength(text) > most) throw new Error(`The message is longer than ${most} bytes.`);
      this.#calls.set(id, { resolve, reject });
      signal?.addEventListener("abort", () => {
        if (!this.#calls.delete(id)) return; // answered already
        this.#send(JSON.stringify({ id, cancel: true }));
        reject(signal.reason);
      });
      this.#send(text);
    });
  }

  #send(text) {
    this.#socket.send(text);
    this.#emit("frame", { from: "client", message: JSON.parse(text), bytes: byteLength(text) });
  }

  #receive(frame) {
    const message = parse(frame);
    const bytes = frame.byteLength ?? byteLength(frame);
    this.#emit("frame", { from: "server", message, bytes });
    if ("hello" in message) this.#greet(message.hello);
    else if ("ping" in message) this.#send(JSON.stringify({ pong: message.ping }));
    else if (this.#calls.has(message.id) && "status" in message) this.#answer(message);
    this.#watch();
  }

  #greet(hello) {
    this.#hello = hello;
    this.#openedAt = performance.now();
    this.#become("open");
  }

  async #answer(message) {
    const { resolve } = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    if (message.cookies) await this.#redeem(message.cookies);
    resolve(message);
  }

  /** Makes cookies that were set over the socket the browser's (section 6.2). */
  async #redeem(ticket) {
    const options = { method: "POST", headers: { "X-WSRequest-Ticket": ticket } };
    const status = await fetch(this.#path, options).then((response) => response.status, () => 0);
    this.#emit("ticket", { path: this.#path, status });
  }

  /** Asks for a sign of life after a silence, and gives the connection up when none comes. */
  #watch() {
    if (!this.#hello) return;
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      this.#send('{"ping":"alive?"}');
      this.#silenceTimer = setTimeout(() => this.#lose(1006, "silence"), PONG_MS);
    }, this.#hello.ping_seconds * 1000 + PONG_MS); // the server's own ping comes first
  }

  #lose(code, reason) {
    this.#socket.close();
    this.#socket = this.#hello = null;
    clearTimeout(this.#silenceTimer);
    if (this.state === "open" && performance.now() - this.#openedAt > STEADY_MS) this.#attempt = 0;
    const forGood = code === 1000 || (code >= 4500 && code <= 4999); // section 7
    // Full jitter: a thousand pages that lost one server do not come back in the same second.
    const retryMs = Math.random() * Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** this.#attempt++);
    if (!forGood) this.#retryTimer = setTimeout(() => this.open(), retryMs);
    this.#become(forGood ? "closed" : "down", { code, reason, retryMs });
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { reject } of calls) reject(new SocketDown("The connection was lost before the answer came."));
  }

  #become(state, facts = {}) {
    this.state = state;
    this.#emit("state", { state, ...facts });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const byteLength = (text) => new TextEncoder().encode(text).length;

/** Reads a frame: JSON, or in a binary one a line of JSON and a body, which becomes `body` (section 2). */
function parse(frame) {
  if (typeof frame === "string") return JSON.parse(frame);
  const bytes = new Uint8Array(frame);
  const end = bytes.indexOf(0x0a);
  return { ...JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))), body: bytes.subarray(end + 1) };
}
