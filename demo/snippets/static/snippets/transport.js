/**
 * The client, and the switch of what carries its calls.
 *
 * Owns the one Client of the page. HTTP is what the client takes by itself when it is closed, so the
 * switch is `close()` and `open()`; whoever calls `fetch` notices nothing. Its event "change" says
 * that `way` may be another.
 */
import { Client } from "../wsrequest/client.js";
import { watchedFetch, WatchedSocket, wire } from "./watch.js";

const { wsrequest: options } = document.querySelector("script[data-wsrequest]").dataset;

/** As the template tag makes it, but with ears. In the console, too, it is `wsrequest`. */
export const client = new Client({ ...JSON.parse(options), WebSocket: WatchedSocket, fetch: watchedFetch });
globalThis.wsrequest = client;

class Transport extends EventTarget {
  /** What was chosen: "socket" or "http". */
  choice = "socket";
  /** Whether the last call by HTTP found no server, and nothing came by the socket since. */
  isOffline = false;

  constructor() {
    super();
    client.addEventListener("statechange", () => this.#tell());
    wire.addEventListener("seen", ({ detail }) => this.#noteReached(detail));
  }

  /**
   * How calls go now: "socket"; "http", as was chosen; "wait" while the socket opens; "fallback", by
   * HTTP until it is back; "refused", by HTTP for good; "offline".
   */
  get way() {
    if (client.state === "open") return "socket";
    if (this.isOffline) return "offline";
    if (this.choice === "http") return "http";
    return { waiting: "fallback", closed: "refused" }[client.state] ?? "wait";
  }

  choose(choice) {
    this.choice = choice;
    if (choice === "http") client.close();
    else client.open();
    this.#tell();
  }

  /** Connects now, where the socket is what was chosen. */
  retry() {
    if (this.choice === "socket") client.open();
  }

  #noteReached({ from, status, error }) {
    if (from !== "server" || error?.name === "AbortError") return;
    const isOffline = status === 0;
    if (this.isOffline === isOffline) return;
    this.isOffline = isOffline;
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

export const transport = new Transport();
