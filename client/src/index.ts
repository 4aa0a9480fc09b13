/** The public names. On a page with `{% wsrequest_client %}`, also creates the client of the page, `window.wsrequest`. */
import { Client } from "./client.js";

export { Client };
export { RequestFailed, RequestInDoubt } from "./errors.js";
export type { Fetch, FetchInit } from "./fetch.js";
export type { LiveCallback, LiveOptions } from "./live.js";
export type { Member } from "./messages.js";
export type { Options } from "./options.js";
export type { Room, RoomCall, RoomEvent, RoomOptions } from "./room.js";
export type { State } from "./socket.js";
export type { EndReason, LiveState, Subscription } from "./subscription.js";

const tag = globalThis.document?.querySelector<HTMLScriptElement>("script[data-wsrequest]");
if (tag) {
  (globalThis as { wsrequest?: Client }).wsrequest = new Client(JSON.parse(tag.dataset["wsrequest"]!) as object);
}
