/** The client that a page uses. Creates the parts and connects them. */
import { RequestFailed } from "./errors.js";
import { createFetch, type Fetch } from "./fetch.js";
import { createHttp } from "./http.js";
import type { LiveCall } from "./live.js";
import { decode } from "./messages.js";
import type { Options } from "./options.js";
import { originOf, trustOriginsOf } from "./origins.js";
import { patchFetch, type FetchPatch } from "./patchFetch.js";
import { headersOf, responseOf } from "./responses.js";
import type { Room, RoomCall } from "./room.js";
import { createSocket, type State } from "./socket.js";
import { subscribe, type Subscription } from "./subscription.js";
import { createTokens } from "./tokens.js";

/** You can pass its methods on without the client. */
export class Client extends EventTarget implements FetchPatch {
  /** The same as `window.fetch`, over the socket. */
  declare readonly fetch: Fetch;
  /** Subscribe to a GET, and get its response again whenever it changes. See docs/client.md, "Live". */
  declare readonly live: (...call: LiveCall) => Subscription;
  /** Take part in a room: get its events and members. See docs/client.md, "Rooms". */
  declare readonly room: (...call: RoomCall) => Room;
  /** Connect now instead of at the first call, or again after `close()`. */
  declare readonly open: () => void;
  /** Close the connection, and forget the token. Calls in flight end as with a lost connection. Later calls go over HTTP until `open()`. */
  declare readonly close: () => void;
  declare readonly install: FetchPatch["install"];
  declare readonly uninstall: FetchPatch["uninstall"];
  /** The state of the socket. When it changes, the client fires a `statechange` event. */
  state: State = "idle";
  /**
   * Whether a login over the socket becomes the browser's. It is false if the server has said that it does not, for
   * example to a page of another site. Then log in over HTTP, and call `close()` and `open()`.
   */
  keepsCookies = true;
  #count: () => number;

  constructor(options: Options = {}) {
    super();
    const page = globalThis.document?.baseURI ?? globalThis.location?.href;
    const socketUrl = new URL(options.url ?? "/ws/", page).href.replace(/^http/, "ws");
    const url = socketUrl.replace(/^ws/, "http");
    // If the page has the socket's origin, URLs are relative to the page.
    const baseUrl = page && originOf(page) === originOf(url) ? page : url;
    const originalFetch = options.fetch ?? globalThis.fetch; // the one from before install()
    const socketClass = (options.WebSocket ?? globalThis.WebSocket) as typeof WebSocket;
    const tokens = createTokens(options.token);
    const changed = (state: State, sessionEnded?: boolean): void => {
      if (sessionEnded) tokens.forget();
      this.state = state;
      this.dispatchEvent(new Event("statechange"));
    };
    const isTrusted = trustOriginsOf([url, ...(options.trustedOrigins ?? [])]);
    const loseCookies = (): void => void (this.keepsCookies = false);
    const http = createHttp(originalFetch, url, isTrusted, options, loseCookies);
    const bind = (): Promise<void> => http.redeem("");
    const socket = createSocket(socketUrl, socketClass, options.queueLimit ?? 256, changed, bind, loseCookies);
    const fetch = createFetch(socket, http, tokens, baseUrl, isTrusted, options);
    const context = { client: this, socket, http, tokens, socketUrl: url, baseUrl, options, decode, headersOf, responseOf, RequestFailed };
    const live = (...call: LiveCall): Subscription => subscribe(context, call);
    const room = (...call: RoomCall): Room => subscribe(context, call, import("./room.js"));
    const { open, count } = socket;
    const close = (): void => {
      tokens.forget();
      socket.close();
    };
    this.#count = count;
    Object.assign(this, { fetch, live, room, open, close }, patchFetch(fetch, baseUrl));
  }

  /** The number of calls that wait for the socket, or are unfinished on it. */
  get unfinishedCount(): number {
    return this.#count();
  }
}
