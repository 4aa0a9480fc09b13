/** Shorthand for the DOM: elements by id, new elements, and text for people. */

export const byId = (id) => document.getElementById(id);

/** Makes an element. Strings among the children are text, never HTML. */
export function make(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

/** "2 hours ago", for an ISO date. */
export function ago(iso) {
  const seconds = (Date.now() - new Date(iso)) / 1000;
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? [];
  return unit ? relative.format(-Math.floor(seconds / size), unit) : "just now";
}

/** "812 B" or "3.1 kB". */
export const sizeText = (bytes) => (bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`);

/** "4.2 ms" or "130 ms". */
export const msText = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

/** Says something to everybody, screen readers included, for some seconds. */
export function announce(text, kind = "info") {
  const notice = make("p", { className: `notice ${kind}` }, text);
  const notices = byId("notices");
  notices.append(notice);
  if (notices.children.length > 2) notices.firstElementChild.remove();
  setTimeout(() => notice.remove(), 6_000);
}
