/**
 * The boxes and "select all" of the admin's actions.js, for rows that come later.
 *
 * It collects the boxes once, when the page has loaded, and then counts and ticks only those: a click with Shift on a new
 * row would tick others. Here it is given an array, whose boxes change with the rows. Our script runs before that, and in
 * some themes before actions.js is there.
 */
type Boxes = HTMLInputElement[];
type Start = (boxes: Boxes, options?: object) => void;

/** What the catalog of the admin's texts and actions.js make global. */
interface AdminGlobals {
  Actions?: Start;
  ngettext?(one: string, many: string, count: number): string;
  interpolate?(text: string, values: object, isNamed: boolean): string;
}

const admin = globalThis as AdminGlobals;
const all = <T extends HTMLElement>(selector: string): T[] => [...document.querySelectorAll<T>(selector)];
const LINKS = ".actions .question a, .actions .clear a";

/** Returns a function to call when the rows have changed and none is ticked. */
export function followBoxes(): () => void {
  let start = admin.Actions;
  let boxes: Boxes = [];
  let toggle: HTMLElement | null = null; // that it listens to
  let links = new WeakSet<Element>(); // to select all pages, that it listens to
  const begin: Start = (given, options) => {
    boxes = [...given];
    toggle = document.getElementById("action-toggle");
    links = new WeakSet(all(LINKS));
    start?.(boxes, options);
  };
  Object.defineProperty(admin, "Actions", { configurable: true, get: () => start && begin, set: (value: Start) => void (start = value) });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest(LINKS);
    if (!link || links.has(link)) return; // it came when there was a second page
    event.preventDefault();
    if (link.closest(".clear")) toggle?.click();
    else chooseAll();
  });
  return () => {
    boxes.splice(0, boxes.length, ...all<HTMLInputElement>("tr input.action-select"));
    if (start && boxes.length && document.getElementById("action-toggle") !== toggle) begin(boxes); // the list was empty before
    count();
  };
}

/** What actions.js does at a click on "Select all 12 notes". */
function chooseAll(): void {
  for (const input of all<HTMLInputElement>("div.actions input.select-across")) input.value = "1";
  const hide = (selector: string, isHidden: boolean): void => all(selector).forEach(({ classList }) => classList.toggle("hidden", isHidden));
  hide("div.actions span.question, span.action-counter", true);
  hide("div.actions span.clear, div.actions span.all", false);
}

/** Writes "0 of 12 selected" as actions.js does, which has put its own text in the place of the server's. */
function count(): void {
  const { ngettext, interpolate } = admin;
  if (!ngettext || !interpolate) return;
  const text = "%(sel)s of %(cnt)s selected";
  for (const counter of all("span.action-counter")) {
    counter.textContent = interpolate(ngettext(text, text, 0), { sel: 0, cnt: Number(counter.dataset["actionsIcnt"]) }, true);
  }
}
