/**
 * The log of frames: what went over the socket, each way, with its times and sizes.
 *
 * Secrets are masked as they are shown, since a demo is often watched by others.
 */
import { byId, make, size } from "./dom.js";

const MOST = 200;
const SECRET = new Set(["password", "token", "access", "refresh", "cookies"]);
const list = byId("frame-list");
const asked = new Map(); // id -> {what, at} of an unfinished request
let count = 0;

const mask = (key, value) => (SECRET.has(key) && typeof value === "string" ? "•••" : value);

/** Adds one line; `content`, where given, makes it one that opens. */
function add(kind, arrow, what, facts, content) {
  const pinned = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
  const arrowSays = { "↑": "sent", "↓": "received" }[arrow] ?? "note";
  const line = [
    make("span", { className: "arrow", title: arrowSays }, arrow),
    make("span", { className: "what" }, what),
    make("span", { className: "facts" }, facts),
  ];
  const item = make("li", { className: kind });
  if (content) {
    const details = make("details", {}, make("summary", {}, ...line));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(make("pre", { tabIndex: 0 }, content()));
    });
    item.append(details);
  } else {
    item.append(make("div", { className: "line" }, ...line));
  }
  list.append(item);
  if (list.children.length > MOST) list.firstElementChild.remove();
  if (pinned) list.scrollTop = list.scrollHeight;
  byId("frames-last").textContent = `${arrow} ${what} ${facts}`;
}

function describe(from, message, bytes) {
  if ("ping" in message || "pong" in message) return ["quiet", "ping" in message ? "ping" : "pong", size(bytes)];
  if ("hello" in message) return ["quiet", `hello ${message.hello.protocol}`, size(bytes)];
  if ("cancel" in message) {
    const { what = "" } = asked.get(message.id) ?? {};
    asked.delete(message.id);
    return ["quiet", `cancel ${what}`, `#${message.id}`];
  }
  if (from === "client") {
    const what = `${message.method ?? "GET"} ${message.url}`;
    asked.set(message.id, { what, at: performance.now() });
    return ["sent", what, `#${message.id} · ${size(bytes)}`];
  }
  const { what = "", at } = asked.get(message.id) ?? {};
  asked.delete(message.id);
  const kind = message.status === 429 ? "throttled" : message.status >= 400 ? "failed" : "done";
  const took = at === undefined ? "" : `${Math.max(1, Math.round(performance.now() - at))} ms · `;
  return [kind, `${message.status ?? ""} ${what}`, `#${message.id ?? "–"} · ${took}${size(bytes)}`];
}

/** Starts logging what `socket` does. */
export function logFrames(socket) {
  socket.addEventListener("frame", ({ detail: { from, message, bytes } }) => {
    const [kind, what, facts] = describe(from, message, bytes);
    const { body, ...head } = message;
    const content = () => JSON.stringify(head, mask, 2) + (body ? `\n⏎ ${size(body.length)} of body` : "");
    add(kind, from === "client" ? "↑" : "↓", what, facts, content);
    byId("frame-count").textContent = ++count;
  });
  socket.addEventListener("ticket", ({ detail: { path, status } }) => {
    const facts = status === 204 ? "cookies are the browser's now" : "the cookies stay with the socket";
    add(status === 204 ? "note" : "failed", "⇄", `HTTP POST ${path} ${status || "failed"}`, facts);
  });
  socket.addEventListener("state", ({ detail: { state, code, reason, retryMs } }) => {
    if (state === "connecting") return;
    asked.clear();
    const why = [code, reason].filter(Boolean).join(" ");
    const text = { open: "connected", closed: `closed ${why}`, down: `lost ${why}` }[state];
    add("note", "●", text, state === "down" ? `again in ${(retryMs / 1000).toFixed(1)} s` : "");
  });

  byId("frames-clear").addEventListener("click", () => list.replaceChildren());
  const toggle = byId("frames-toggle");
  toggle.addEventListener("click", () => {
    const open = toggle.getAttribute("aria-expanded") !== "true";
    toggle.setAttribute("aria-expanded", open);
    toggle.textContent = open ? "Hide" : "Show";
    list.scrollTop = list.scrollHeight;
  });
}
