/** What a page uses: `fetch`, and what it may want to know and to end. Wires the parts together. */
import { Fetcher } from "./fetch.js";
import { Http } from "./http.js";
import type { Options } from "./options.js";
import { Socket, type State } from "./socket.js";

export class Client extends EventTarget {
  #socket: Socket;
  #fetcher: Fetcher;
  #origin: string;
  #replaced: typeof globalThis.fetch | null = null;

  constructor(options: Options = {}) {
    super();
    const page = globalThis.document?.baseURI ?? globalThis.location?.href;
    const url = new URL(options.url ?? "/ws/", page);
    url.protocol = url.protocol.replace("http", "ws");
    const socketUrl = url.href;
    url.protocol = url.protocol.replace("ws", "http");
    // The function must be called without a this, and be the one from before install().
    const plain = options.fetch ?? globalThis.fetch;
    const socketClass = (options.WebSocket ?? globalThis.WebSocket) as typeof WebSocket;
    const changed = (): void => void this.dispatchEvent(new Event("statechange"));
    this.#socket = new Socket(socketUrl, socketClass, options.queueLimit ?? 256, changed);
    this.#origin = url.origin;
    // Relative addresses are those of the page, where it is of the socket's origin.
    const base = page && new URL(page).origin === this.#origin ? page : url.href;
    this.#fetcher = new Fetcher(this.#socket, new Http((...call) => plain(...call), url.href, options), base, options);
  }

  get state(): State {
    return this.#socket.state;
  }

  /** How many calls wait for the socket, or are unfinished on it. */
  get unfinishedCount(): number {
    return this.#socket.waitingCount + (this.#socket.session?.count ?? 0);
  }

  /** As `window.fetch`. Bound, so that it can be passed on. */
  fetch = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => this.#fetcher.fetch(input, init);

  /** Connect now instead of at the first call; also after `close()`. */
  open(): void {
    this.#socket.open();
  }

  /** End the connection. Calls in flight end as with a lost connection; later ones go by HTTP until `open()`. */
  close(): void {
    this.#socket.close();
  }

  /** Take the place of `window.fetch` for paths of the socket's origin that begin with one of `paths`. */
  install({ paths }: { paths: readonly string[] }): void {
    this.uninstall();
    const before = (this.#replaced = globalThis.fetch);
    globalThis.fetch = (input, init) => {
      const { origin, pathname } = new URL(input instanceof Request ? input.url : input, this.#fetcher.baseUrl);
      const isOurs = origin === this.#origin && paths.some((path) => pathname.startsWith(path));
      return isOurs ? this.fetch(input, init) : before(input, init);
    };
  }

  uninstall(): void {
    if (this.#replaced) globalThis.fetch = this.#replaced;
    this.#replaced = null;
  }
}
