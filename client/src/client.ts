/** What a page uses: `fetch`, and what it may want to know and to end. Wires the parts together. */
import { RequestFailed } from "./errors.js";
import { fetchBy, type Fetch } from "./fetch.js";
import { httpBy } from "./http.js";
import type { LiveCall } from "./live.js";
import { decode } from "./messages.js";
import type { Options } from "./options.js";
import { headersOf, responseOf } from "./responses.js";
import { socketTo, type State } from "./socket.js";
import { standInBy, type StandIn } from "./standin.js";
import { subscribe, type Subscription } from "./subscription.js";
import { tokensOf } from "./tokens.js";
import { originOf, trusting } from "./urls.js";

export class Client extends EventTarget implements StandIn {
  /** As `window.fetch`. It and the others can be passed on without their client. */
  declare readonly fetch: Fetch;
  /** A GET that is answered again whenever its answer has become another: docs/client.md, "Live". */
  declare readonly live: (...call: LiveCall) => Subscription;
  /** Connect now instead of at the first call; also after `close()`. */
  declare readonly open: () => void;
  /** End the connection, and forget the token. Calls in flight end as with a lost connection; later ones go by HTTP until `open()`. */
  declare readonly close: () => void;
  declare readonly install: StandIn["install"];
  declare readonly uninstall: StandIn["uninstall"];
  state: State = "idle";
  /**
   * Whether a login over the socket becomes the browser's. False once the server has said that it does not, as to
   * a page of another site: log in by HTTP there, and `close()` and `open()` then.
   */
  keepsCookies = true;
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
    const tokens = tokensOf(options.token);
    const changed = (state: State, hasEnded?: boolean): void => {
      if (hasEnded) tokens.forget();
      this.state = state;
      this.dispatchEvent(new Event("statechange"));
    };
    const trusts = trusting([url, ...(options.trustedOrigins ?? [])]);
    const loseCookies = (): void => void (this.keepsCookies = false);
    const http = httpBy(plain, url, trusts, options, loseCookies);
    const bind = (): Promise<void> => http.redeem("");
    const socket = socketTo(socketUrl, socketClass, options.queueLimit ?? 256, changed, bind, loseCookies);
    const fetch = fetchBy(socket, http, tokens, baseUrl, trusts, options);
    const parts = { client: this, socket, http, tokens, socketUrl: url, baseUrl, options, decode, headersOf, responseOf, RequestFailed };
    const live = (...call: LiveCall): Subscription => subscribe(parts, call);
    const { open, count } = socket;
    const close = (): void => {
      tokens.forget();
      socket.close();
    };
    this.#count = count;
    Object.assign(this, { fetch, live, open, close }, standInBy(fetch, baseUrl));
  }

  /** How many calls wait for the socket, or are unfinished on it. */
  get unfinishedCount(): number {
    return this.#count();
  }
}
