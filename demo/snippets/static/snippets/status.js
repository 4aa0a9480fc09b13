/** The state of the transport in words and colours: the pill, the switch, the banner. */
import { byId } from "./dom.js";
import { client, transport } from "./transport.js";

const SAYS = {
  socket: "WebSocket open",
  http: "HTTP",
  wait: "Connecting…",
  fallback: "HTTP, until the socket is back",
  refused: "HTTP, the socket was refused",
  offline: "Offline",
};
const BANNERS = {
  fallback: ["The socket was lost.", "Calls go by HTTP meanwhile, and return to the socket by themselves."],
  offline: ["The server cannot be reached.", "What you write here stays. The page tries again by itself."],
};
const BANNER_AFTER_MS = 400; // what comes back at once needs no words
const RETRY_MS = 3_000;

/** Shows the state, wires the switch; `back` is called when the server is there again. */
export function showStatus(back) {
  let timer = 0;
  let retries = 0;
  let wasOffline = false;
  const banner = byId("banner");

  const show = () => {
    const { way } = transport;
    const text = SAYS[way];
    byId("status").dataset.way = way;
    if (byId("status-text").textContent !== text) byId("status-text").textContent = text; // or it is read out again
    clearTimeout(timer);
    const words = BANNERS[way];
    if (words) timer = setTimeout(() => say(words), banner.hidden ? BANNER_AFTER_MS : 0);
    else banner.hidden = true;
    if (wasOffline !== transport.isOffline) follow(transport.isOffline);
  };
  const say = ([title, rest]) => {
    byId("banner-title").textContent = title;
    byId("banner-text").textContent = rest;
    banner.hidden = false;
  };
  const follow = (isOffline) => {
    wasOffline = isOffline;
    clearInterval(retries);
    if (isOffline) retries = setInterval(retry, RETRY_MS);
    else back();
  };
  const retry = () => {
    transport.retry();
    // Nothing is asked but whether there is an answer, which the transport sees by itself.
    client.fetch("/api/session/").catch(() => {});
  };

  transport.addEventListener("change", show);
  byId("banner-retry").addEventListener("click", retry);
  addEventListener("online", retry);
  byId("switch").addEventListener("change", ({ target }) => transport.choose(target.value));
  show();
}
