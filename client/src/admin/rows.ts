/**
 * The rows of a change list, by primary key.
 *
 * The names and ids of `list_editable` are numbers in order of the rows: after another user's insert, `form-0-title` is
 * another row's. So no row is ever found by them. A row of a new version takes the place of the row with its key, or is new.
 */
import { controlsOf, copyState, isChanged, resetControl, type Control } from "./controls.js";

/** A row, or its `tbody` in themes that give each row one (django-unfold). */
export type Unit = HTMLElement;

export interface Row {
  key: string;
  unit: Unit;
  /** The same text for two rows that look the same. */
  looks: string;
}

export interface Edits {
  /** The changed controls of each row, by key and name without a number. */
  fields: Map<string, Map<string, Control>>;
  ticked: Set<string>;
}

const NUMBER = /^(id_)?(.+?-)\d+-/;
const BOX = 'input[name="_selected_action"]';

/** A name or id without the number of its row. */
export const unnumbered = (name: string): string => name.replace(NUMBER, "$1$2#-");

export const tableOf = (page: ParentNode): HTMLTableElement | null => page.querySelector("table#result_list");
const rowsOf = (table: HTMLTableElement): HTMLElement[] => [...table.tBodies].flatMap((body) => [...body.rows]);

/** Whether each row has a `tbody` of its own. Null: one row does not tell. */
function hasBodies(page: ParentNode, keys: string[]): boolean | null {
  const table = tableOf(page);
  return table === null || keys.length < 2 ? null : table.tBodies.length === keys.length;
}

/**
 * @param keys The primary keys of the rows, in their order, as the page tells them.
 * @param other Another version of the page, and its keys.
 */
export function readRows(page: ParentNode, keys: string[], other?: [ParentNode, string[]]): Row[] {
  const table = tableOf(page);
  if (table === null) return [];
  const units = (hasBodies(page, keys) ?? (other && hasBodies(...other))) ? [...table.tBodies] : rowsOf(table);
  return units.map((unit, index) => {
    const looks = looksOf(unit);
    // A row with a box is that of the box. With rows of a template's own, only the boxes tell.
    const key = unit.querySelector<HTMLInputElement>(BOX)?.value ?? (units.length === keys.length ? keys[index]! : `=${looks}`);
    return { key, unit, looks };
  });
}

const SHOWN = ["class", "href", "src", "alt", "title", "type", "value", "checked", "disabled", "selected"];

/** What a row shows, without what scripts and the numbers of rows add to it. */
export function looksOf(unit: Element): string {
  const parts: string[] = [];
  const walk = (node: Node): void => {
    if (node.nodeType === Node.TEXT_NODE) parts.push(node.nodeValue!.replace(/\s+/g, " ").trim());
    if (!(node instanceof Element)) return;
    const isRow = /^(tbody|tr)$/.test(node.localName); // whose class is that of its place, and of the tick
    parts.push(`<${node.localName}`, unnumbered(node.getAttribute("name") ?? ""));
    for (const name of SHOWN) if (!(isRow && name === "class")) parts.push(`${name}=${node.getAttribute(name) ?? "-"}`);
    node.childNodes.forEach(walk);
    parts.push(">");
  };
  walk(unit);
  return parts.join("\u0001");
}

/** How many rows came, went or changed. */
export function countChanges(before: Row[], after: Row[]): number {
  const old = new Map(before.map(({ key, looks }) => [key, looks]));
  let count = 0;
  for (const { key, looks } of after) {
    if (old.get(key) !== looks) count++;
    old.delete(key);
  }
  return count + old.size;
}

/** What the user has changed in the rows. */
export function editsOf(rows: Row[]): Edits {
  const edits: Edits = { fields: new Map(), ticked: new Set() };
  for (const { key, unit } of rows) {
    const fields = new Map<string, Control>();
    for (const control of controlsOf(unit)) {
      if (!isChanged(control)) continue;
      if (control.matches(BOX)) edits.ticked.add(key);
      else fields.set(unnumbered(control.name), control.cloneNode(true) as Control);
    }
    if (fields.size) edits.fields.set(key, fields);
    for (const [name, copy] of fields) copyState(named(unit, name)!, copy); // a clone of a select forgets it
  }
  return edits;
}

const named = (unit: Unit, name: string): Control | undefined =>
  controlsOf(unit).find((control) => unnumbered(control.name) === name);

/** Gives all rows back what the server sent. */
export function resetRows(rows: Row[]): void {
  for (const { unit } of rows) for (const control of controlsOf(unit)) if (isChanged(control)) resetControl(control);
}

/** Makes the edits again, each in the row with its key. Nothing is done about rows that are gone. */
export function repeatEdits(edits: Edits, rows: Row[]): void {
  const tell = (control: Control): void => {
    control.dispatchEvent(new Event("change", { bubbles: true })); // the admin counts ticks, and warns of unsaved fields
  };
  for (const { key, unit } of rows) {
    for (const [name, copy] of edits.fields.get(key) ?? []) {
      const control = named(unit, name);
      if (control) copyState(copy, control), tell(control);
    }
    const box = edits.ticked.has(key) ? unit.querySelector<HTMLInputElement>(BOX) : null;
    if (box) (box.checked = true), tell(box);
  }
}

/**
 * Brings the rows of the page to those of a new version. Rows that look the same stay the elements that they are.
 *
 * No row may have edits. Returns the rows of the page.
 */
export function drawRows(table: HTMLTableElement, shown: Row[], next: Row[]): Row[] {
  const old = new Map(shown.map((row) => [row.key, row]));
  const focused = document.activeElement;
  const drawn = next.map((row): Row => {
    const before = old.get(row.key);
    old.delete(row.key);
    if (before?.looks === row.looks) {
      renumber(before.unit, row.unit);
      return before;
    }
    const unit = document.importNode(row.unit, true);
    unit.classList.add("wsrequest-changed");
    if (before) {
      const name = before.unit.contains(focused) && unnumbered((focused as Control).name ?? "");
      before.unit.replaceWith(unit);
      if (name) named(unit, name)?.focus({ preventScroll: true });
    }
    return { ...row, unit };
  });
  for (const { unit } of old.values()) unit.remove();
  const parent = drawn[0]?.unit.localName === "tbody" ? table : (table.tBodies[0] ?? table.createTBody());
  let place: Element | null = parent === table ? (table.tBodies[0] ?? null) : parent.firstElementChild;
  for (const { unit } of drawn) {
    if (place === unit) place = unit.nextElementSibling;
    else put(parent, unit, place);
  }
  // The page has drawn a new `tbody` of a row, too.
  if (parent === table && drawn.length) for (const body of [...table.tBodies]) if (!drawn.some(({ unit }) => unit === body)) body.remove();
  return drawn;
}

type Movable = Element & { moveBefore?(node: Element, place: Element | null): void };

function put(parent: Movable, unit: Element, place: Element | null): void {
  if (unit.isConnected && parent.moveBefore) parent.moveBefore(unit, place); // keeps the focus
  else parent.insertBefore(unit, place);
}

/** Gives the controls and labels of a row the numbers that they have in a new version. */
function renumber(unit: Unit, next: Unit): void {
  for (const attribute of ["id", "name", "for"]) {
    const old = new Map([...unit.querySelectorAll(`[${attribute}]`)].map((each) => [unnumbered(each.getAttribute(attribute)!), each]));
    for (const each of next.querySelectorAll(`[${attribute}]`)) {
      const value = each.getAttribute(attribute)!;
      const twin = old.get(unnumbered(value));
      if (twin && twin.getAttribute(attribute) !== value) twin.setAttribute(attribute, value);
    }
  }
}
