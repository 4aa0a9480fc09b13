/** What a page uses: `fetch`, and what it may want to know and to end. Wires the parts together. */
import { fetchBy } from "./fetch.js";
import { httpBy } from "./http.js";
import type { Options } from "./options.js";
import { socketTo, type State } from "./socket.js";
import { standInBy, type StandIn } from "./standin.js";
import { originOf } from "./urls.js";

export class Client extends EventTarget implements StandIn {
  /** As `window.fetch`. It and the others can be passed on without their client. */
  declare readonly fetch: typeof globalThis.fetch;
  /** Connect now instead of at the first call; also after `close()`. */
  declare readonly open: () => void;
  /** End the connection. Calls in flight end as with a lost connection; later ones go by HTTP until `open()`. */
  declare readonly close: () => void;
  declare readonly install: StandIn["install"];
  declare readonly uninstall: StandIn["uninstall"];
  state: State = "idle";
  #count: () => number;

  constructor(options: Options = {}) {
    super();
    const page = globalThis.document?.baseURI ?? globalThis.location?.href;
    const socketUrl = new URL(options.url ?? "/ws/", page).href.replace(/^http/, "ws");
    const url = socketUrl.replace(/^ws/, "http");
    // Relative addresses are those of the page, where it is of the socket's origin.
    const baseUrl = page && originOf(page) === originOf(url) ? page : url;
    const plain = options.fetch ?? globalThis.fetch; // the one from before install()
    const socketClass = (options.WebSocket ?? globalThis.WebSocket) as typeof WebSocket;
    const changed = (state: State): void => {
      this.state = state;
      this.dispatchEvent(new Event("statechange"));
    };
    const socket = socketTo(socketUrl, socketClass, options.queueLimit ?? 256, changed);
    const fetch = fetchBy(socket, httpBy(plain, url, options), baseUrl, options);
    const { open, close, count } = socket;
    this.#count = count;
    Object.assign(this, { fetch, open, close }, standInBy(fetch, baseUrl));
  }

  /** How many calls wait for the socket, or are unfinished on it. */
  get unfinishedCount(): number {
    return this.#count();
  }
}
