/**
 * One row of the list: a snippet that opens to show its highlighted code and what can be done with it.
 *
 * A pure function of the snippet, called again whenever the data come; what differs from before is
 * marked. What the buttons do is told to `on`: {opened, edit, remove}.
 */
import { ago, make } from "./dom.js";
import { mark, say } from "./marks.js";

const SURE_MS = 4_000;
const current = new WeakMap(); // row -> its snippet, for the buttons

export const keyOf = (snippet) => snippet.id;

export function create(snippet, on) {
  const part = (tag, name, properties) => make(tag, { className: name, dataset: { part: name }, ...properties });
  const row = make("li", { id: `snippet-${snippet.id}` });
  const code = part("div", "code");
  const details = make("details", {},
    make("summary", {},
      part("span", "title"),
      part("span", "chip"),
      make("span", { className: "meta" }, part("span", "owner"), " · ", make("time", { dataset: { part: "time" } }), part("span", "news"))),
    code,
    actions(row, on));
  details.addEventListener("toggle", () => details.open && on.opened(current.get(row), code));
  row.append(details);
  return row;
}

/** Fills a row; `before` is the snippet that it showed. */
export function update(row, snippet, before, on) {
  current.set(row, snippet);
  const part = (name) => row.querySelector(`[data-part="${name}"]`);
  const write = (name, text) => {
    const element = part(name);
    if (element.textContent === text) return;
    element.textContent = text;
    if (before) mark(element);
  };
  write("title", snippet.title);
  write("chip", snippet.language);
  write("owner", snippet.owner ?? "anonymous");
  Object.assign(part("time"), { dateTime: snippet.created, title: new Date(snippet.created).toLocaleString() });
  part("time").textContent = ago(snippet.created); // time goes by: that is no change
  part("http").href = snippet.highlight;
  for (const name of ["edit", "delete"]) part(name).hidden = !snippet.editable;
  const isOther = before && ["code", "language", "linenos", "style"].some((name) => before[name] !== snippet[name]);
  if (isOther && row.firstElementChild.open) {
    mark(part("code"));
    on.opened(snippet, part("code"));
  }
}

/** Says for a moment what became of a row: "new", "edited" or "erased". */
export const tell = (row, word) => say(row, row.querySelector('[data-part="news"]'), word);

function actions(row, on) {
  const link = make("a", { target: "_blank", rel: "noopener", dataset: { part: "http" } }, "Open as a page");
  const edit = make("button", { type: "button", className: "small", dataset: { part: "edit" } }, "Edit");
  edit.addEventListener("click", () => on.edit(current.get(row)));
  return make("div", { className: "actions" }, link, edit, deleteButton(() => on.remove(current.get(row))));
}

/** A button that wants to be pressed twice. */
function deleteButton(remove) {
  const button = make("button", { type: "button", className: "small bad", dataset: { part: "delete" } }, "Delete");
  let timer = 0;
  button.addEventListener("click", () => {
    clearTimeout(timer);
    if (button.dataset.sure) return remove();
    button.dataset.sure = "yes";
    button.textContent = "Really delete?";
    timer = setTimeout(() => {
      delete button.dataset.sure;
      button.textContent = "Delete";
    }, SURE_MS);
  });
  return button;
}
