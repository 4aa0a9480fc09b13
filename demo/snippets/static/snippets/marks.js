/**
 * What changed, made visible for a moment: with a mark and a word, not by colour alone.
 *
 * The motion is the stylesheets', which have none where less of it is wanted; the times are the same.
 */
const MARKED_MS = 2_500;
const WORD_MS = 8_000;
const LEAVING_MS = 1_200;
const timers = new WeakMap();
const leaving = new WeakSet();

/** Marks an element as changed. */
export function mark(element) {
  clearTimeout(timers.get(element));
  element.classList.add("changed");
  timers.set(element, setTimeout(() => element.classList.remove("changed"), MARKED_MS));
}

/** Says `word` of a row in its element `label`: "new", "edited". */
export function say(row, label, word) {
  clearTimeout(timers.get(label));
  row.dataset.news = word;
  label.textContent = word;
  const unsay = () => {
    delete row.dataset.news;
    label.textContent = "";
  };
  timers.set(label, setTimeout(unsay, WORD_MS));
}

/** Takes a row away that can be seen for a moment more, and not be used. */
export function leave(row) {
  leaving.add(row);
  row.removeAttribute("id"); // it may come again
  row.inert = true;
  setTimeout(() => row.remove(), LEAVING_MS);
}

export const isLeaving = (element) => leaving.has(element);
