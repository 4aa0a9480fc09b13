/**
 * A change list that follows the database.
 *
 * While a field is edited or a row is ticked, new versions are held: they are counted, and drawn when the form is clean
 * again or the user asks. So what the user is about to send is what is on the screen.
 */
import { parseDocument } from "../pages/html.js";
import { followBoxes } from "./actions.js";
import { createBar } from "./bar.js";
import { controlsOf, copyState, isChanged } from "./controls.js";
import { factsOf, type ListFacts } from "./facts.js";
import { countChanges, drawRows, editsOf, readRows, repeatEdits, resetRows, tableOf, unnumbered, type Edits, type Row } from "./rows.js";
import { startWidgets } from "./widgets.js";

export interface List {
  /** Draws a version, or holds it. Returns the rows that came or changed. */
  take(html: string): Element[];
}

const formOf = (page: ParentNode): HTMLFormElement | null => page.querySelector("form#changelist-form");

/** @param drawPage Draws all of a version but the rows of the list. */
export function createList(facts: ListFacts, drawPage: (html: string) => void): List {
  const bar = createBar();
  const boxesChanged = followBoxes();
  const { words } = facts;
  let keys = facts.keys;
  let shown = readRows(document, keys);
  let held: { html: string; page: Document; keys: string[] } | null = null;
  let isPointed = false; // a button is down in the list: the row under it must not move
  let isComposing = false;
  let isSent = false;

  // A browser that restores a form does so by the numbers of its fields, and the rows may be others then.
  formOf(document)?.setAttribute("autocomplete", "off");

  const isDirty = (): boolean => controlsOf(formOf(document) ?? document.createElement("p")).some(isChanged);

  function take(html: string): Element[] {
    const page = parseDocument(html);
    const next = factsOf(page);
    if (next?.page !== "changelist") return []; // a page of another kind: what is shown stays
    held = { html, page, keys: next.keys };
    const before = new Set(shown);
    settle();
    return shown.filter((row) => !before.has(row)).map(({ unit }) => unit);
  }

  /** Draws the held version if nothing is in its way, or tells about it. */
  function settle(): void {
    if (!held || isPointed || isComposing || isSent) return;
    if (isDirty()) tell();
    else draw();
  }

  function tell(): void {
    const next = readRows(held!.page, held!.keys, [document, keys]);
    const count = Math.max(1, countChanges(shown, next));
    const text = count === 1 ? words.one : words.many.replace("%s", String(count));
    const gone = lost(next);
    const details = gone.length ? Object.assign(document.createElement("p"), { textContent: words.gone.replace("%s", gone.join(", ")) }) : undefined;
    bar.show(text, { label: words.show, click: draw }, details);
  }

  /** What the rows with edits say that a version no longer has. */
  function lost(next: Row[]): string[] {
    const there = new Set(next.map(({ key }) => key));
    const { fields } = editsOf(shown);
    return shown.filter(({ key }) => fields.has(key) && !there.has(key)).map(({ key, unit }) => titleOf(unit) || key);
  }

  function draw(): void {
    if (!held) return;
    const { html, page, keys: next } = held;
    held = null;
    const edits: Edits = editsOf(shown);
    resetRows(shown);
    const rows = readRows(page, next, [document, keys]);
    const before = new Set(shown);
    const table = tableOf(document);
    drawPage(html);
    // A table that comes, goes or is another is drawn with the page.
    shown = table !== null && table === tableOf(document) ? drawRows(table, shown, rows) : readRows(document, next);
    keys = next;
    drawHidden(page);
    startWidgets(shown.filter((row) => !before.has(row)).map(({ unit }) => unit));
    boxesChanged();
    repeatEdits(edits, shown);
    bar.hide();
  }

  /** The hidden fields say which row is whose: `form-0-id`. */
  function drawHidden(page: Document): void {
    const [form, next] = [formOf(document), formOf(page)];
    if (!form || !next) return;
    const hidden = (root: ParentNode): HTMLInputElement[] => [...root.querySelectorAll<HTMLInputElement>('input[type="hidden"][name*="-"]')];
    const old = new Map(hidden(form).map((input) => [input.name, input]));
    for (const input of hidden(next)) {
      const twin = old.get(input.name);
      old.delete(input.name);
      if (twin) twin.value = input.value;
      else form.prepend(document.importNode(input));
    }
    for (const input of old.values()) input.remove();
  }

  /** A field that the user has not touched is saved as it is now, and not as it was when the list was drawn. */
  function freshen(): void {
    if (!held) return;
    const next = new Map(readRows(held.page, held.keys, [document, keys]).map(({ key, unit }) => [key, unit]));
    for (const { key, unit } of shown) {
      const controls = new Map(controlsOf(next.get(key) ?? document.createElement("p")).map((control) => [unnumbered(control.name), control]));
      for (const control of controlsOf(unit)) {
        const twin = controls.get(unnumbered(control.name));
        if (twin && control.type !== "hidden" && !isChanged(control)) copyState(twin, control);
      }
    }
  }

  const later = (): void => void setTimeout(settle);
  const inForm = ({ target }: Event): boolean => target instanceof Node && !!formOf(document)?.contains(target);
  for (const type of ["input", "change", "click", "reset"]) document.addEventListener(type, later);
  document.addEventListener("pointerdown", (event) => (isPointed = inForm(event)), true);
  const released = (): void => void setTimeout(() => ((isPointed = false), settle())); // the click comes after it, and ticks
  for (const type of ["pointerup", "pointercancel", "change"]) document.addEventListener(type, released, true);
  document.addEventListener("pointermove", ({ buttons }) => isPointed && !buttons && released(), true); // a select's menu keeps the end
  document.addEventListener("compositionstart", (event) => (isComposing = inForm(event)), true);
  document.addEventListener("compositionend", () => ((isComposing = false), later()), true);
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || !inForm(event)) return;
    freshen();
    isSent = true;
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) (isSent = false), settle();
  });
  return { take };
}

/** What a row is called: the text of its link, or what the server sent for its first field. */
function titleOf(unit: Element): string {
  const link = unit.querySelector("th a, td a");
  return link?.textContent?.trim() || unit.querySelector("th")?.textContent?.trim() || "";
}
