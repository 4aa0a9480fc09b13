/**
 * Brings a list on the page in line with data, keeping the element of each key.
 *
 * So focus, an opened row and the place of a scroll survive when the data come again, and a row can
 * show what is new in it. It holds no state: what was shown is kept with the elements.
 */
import { isLeaving } from "./marks.js";

const shown = new WeakMap(); // element -> the item that it shows

/**
 * Shows `items` as the children of `parent`.
 *
 * `keyOf(item)` names it; `create(item)` makes its element; `update(element, item, before)` fills it,
 * where `before` is the item that it showed, or undefined in a new one; `remove(element, item)` takes
 * one away, at once or with `leave` of marks.js.
 */
export function showItems(parent, items, { keyOf, create, update, remove }) {
  const present = [...parent.children].filter((element) => !isLeaving(element));
  const old = new Map(present.map((element) => [keyOf(shown.get(element)), element]));
  const elements = items.map((item) => {
    const element = old.get(keyOf(item)) ?? create(item);
    old.delete(keyOf(item));
    update(element, item, shown.get(element));
    shown.set(element, item);
    return element;
  });
  for (const gone of old.values()) remove(gone, shown.get(gone));
  let place = parent.firstElementChild;
  for (const element of elements) {
    while (place && isLeaving(place)) place = place.nextElementSibling;
    // Only what is out of place is moved, since moving takes the focus away.
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
}
