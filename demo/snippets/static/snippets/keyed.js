/**
 * Brings a list on the page in line with data, keeping the element of each key.
 *
 * So focus, an opened row and the place of a scroll survive when the data come again, and a row can
 * show what is new in it. It holds no state: what was shown is kept with the elements.
 */
const shown = new WeakMap(); // element -> the item that it shows

/**
 * Shows `items` as the children of `parent`.
 *
 * `keyOf(item)` names it; `create(item)` makes its element; `update(element, item, before)` fills it,
 * where `before` is the item that it showed, or undefined in a new one. Returns the new elements.
 */
export function showItems(parent, items, { keyOf, create, update }) {
  const old = new Map([...parent.children].map((element) => [keyOf(shown.get(element)), element]));
  const made = [];
  const elements = items.map((item) => {
    const element = old.get(keyOf(item)) ?? create(item);
    if (!old.delete(keyOf(item))) made.push(element);
    update(element, item, shown.get(element));
    shown.set(element, item);
    return element;
  });
  for (const gone of old.values()) gone.remove();
  elements.forEach((element, index) => {
    // Only what is out of place is moved, since moving takes the focus away.
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
  return made;
}

const MARKED_MS = 2_500;
const timers = new WeakMap();

/** Marks an element as changed, for a moment. */
export function mark(element) {
  clearTimeout(timers.get(element));
  element.classList.add("changed");
  timers.set(element, setTimeout(() => element.classList.remove("changed"), MARKED_MS));
}
