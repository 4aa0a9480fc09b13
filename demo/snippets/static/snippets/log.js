/**
 * The log of what goes over the wire: frames of the socket and requests by HTTP, with times and sizes.
 *
 * Owns the list and whether it is folded; what a line says is describe.js's.
 */
import { describer } from "./describe.js";
import { byId, make } from "./dom.js";
import { wire } from "./watch.js";

const MOST = 200;
const FOLDED = "snippets-log-folded";
const SAID = { "↑": "sent", "↓": "received", "●": "note" };

/** Starts logging what `wire` sees. */
export function logWire() {
  const list = byId("log-list");
  const describe = describer(() => performance.now());
  let count = 0;
  let lines = [];
  let isAtEnd = true; // as the last scroll left it
  list.addEventListener("scroll", () => {
    isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
  }, { passive: true });
  // What comes within one frame of the screen is drawn at once: the layout is asked for once, not for each line.
  const draw = () => {
    const last = lines.at(-1);
    if (!last) return; // cleared meanwhile
    list.append(...lines.map(entry));
    lines = [];
    while (list.children.length > MOST) list.firstElementChild.remove();
    byId("log-last").textContent = `${last.arrow} ${last.what}`;
    byId("log-count").textContent = count;
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  };
  wire.addEventListener("seen", ({ detail }) => {
    count += 1;
    lines.push(describe(detail));
    if (lines.length === 1) whenDrawn(draw);
    if (lines.length > MOST) lines.shift();
  });
  byId("log-clear").addEventListener("click", () => {
    isAtEnd = true;
    lines = [];
    list.replaceChildren();
  });
  wireToggle(list);
}

/** With the next frame of the screen; a hidden page has none, and must not pile up lines. */
function whenDrawn(draw) {
  if (document.hidden) setTimeout(draw);
  else requestAnimationFrame(draw);
}

function entry({ kind, arrow, way, what, facts, content }) {
  const line = [
    make("span", { className: "arrow", title: SAID[arrow] }, arrow),
    make("span", { className: `way ${way === "HTTP" ? "http" : "socket"}` }, way),
    make("span", { className: "what" }, what),
    make("span", { className: "facts" }, facts),
  ];
  if (!content) return make("li", { className: kind }, make("div", { className: "line" }, ...line));
  const details = make("details", {}, make("summary", {}, ...line));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(make("pre", { tabIndex: 0 }, content()));
  });
  return make("li", { className: kind }, details);
}

/** Folded as it was left; at first open only where there is room. */
function wireToggle(list) {
  const toggle = byId("log-toggle");
  const fold = (isFolded) => {
    toggle.setAttribute("aria-expanded", !isFolded);
    toggle.textContent = isFolded ? "Show" : "Hide";
    list.hidden = isFolded;
    list.scrollTop = list.scrollHeight;
  };
  toggle.addEventListener("click", () => {
    const isFolded = !list.hidden;
    fold(isFolded);
    localStorage.setItem(FOLDED, isFolded ? "yes" : "no");
  });
  const left = localStorage.getItem(FOLDED);
  fold(left ? left === "yes" : !matchMedia("(min-width: 48rem) and (min-height: 44rem)").matches);
}
