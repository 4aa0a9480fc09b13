/**
 * A change form, which is never drawn anew: it says that its object was saved or deleted by somebody else.
 *
 * "Show" loads the page if nothing was typed. Otherwise it lists what differs now, and what was typed stays.
 */
import { parseDocument } from "../pages/html.js";
import { createBar } from "./bar.js";
import { controlsOf, isChanged, sentValue } from "./controls.js";
import { factsOf, type FormFacts } from "./facts.js";
import { watchMoves } from "./moved.js";

export interface Form {
  /** Compares a new version of the page with what the form was made of. Draws nothing of it. */
  take(html: string): [];
  /** The object is no more. `by`: who deleted it, or "" if that is not known. */
  deleted(by: string): void;
  /** The visitor may not see the form any more. Returns whether it stays, because something was typed. */
  keep(): boolean;
}

interface Field {
  label: string;
  value: string;
}

/** Characters of a value that the bar shows. */
const MAX_SHOWN = 200;

const UNSHOWN = /(^|-)(csrfmiddlewaretoken|TOTAL_FORMS|INITIAL_FORMS|MIN_NUM_FORMS|MAX_NUM_FORMS|__prefix__.*)$|-__prefix__-|-\d+-DELETE$|^_|^initial-/;

/**
 * The fields of a form as the server sent them, by name. Those of an inline's row by the key of its object, as their
 * numbers are those of other rows after a deletion.
 */
function readFields(page: Document, id: string): Map<string, Field> {
  const fields = new Map<string, Field>();
  const form = page.getElementById(id);
  if (!form) return fields;
  const keys = new Map<string, string>(); // of the inlines' rows, by "lines-0-"
  for (const control of controlsOf(form)) {
    const row = /^(.+-\d+-)(id|.*_ptr|uuid)$/.exec(control.name);
    if (row && control.type === "hidden" && control.value) keys.set(row[1]!, control.value);
  }
  for (const control of controlsOf(form)) {
    const { name, type } = control;
    if (!name || UNSHOWN.test(name) || /^(hidden|submit|button|file|password)$/.test(type)) continue;
    const row = /^(.+)-(\d+)-(.+)$/.exec(name);
    const key = row && keys.get(`${row[1]}-${row[2]}-`);
    if (row && !key) continue; // an empty row, to add an object
    const path = row ? `${row[1]}[${key}].${row[3]}` : name;
    const found = fields.get(path);
    const value = type === "radio" ? (sentValue(control) && labelOf(page, control)) : sentValue(control);
    if (found) found.value = [found.value, value].filter(Boolean).join(", ");
    else fields.set(path, { label: labelOf(page, type === "radio" ? (control.closest("[id]") ?? control) : control, name), value });
  }
  for (const text of form.querySelectorAll<HTMLElement>(".readonly")) {
    const box = text.closest<HTMLElement>("[class*=field-]");
    const name = [...(box?.classList ?? [])].find((each) => each.startsWith("field-"));
    if (name) fields.set(`${name} ${fields.size}`, { label: box!.querySelector("label")?.textContent?.trim() ?? name, value: text.textContent!.trim() });
  }
  return fields;
}

function labelOf(page: ParentNode, control: Element, name = ""): string {
  const label = page.querySelector(`label[for="${CSS.escape(control.id)}"]`) ?? control.closest("label");
  const text = label?.textContent?.trim().replace(/[\s:*]+$/, "");
  return text || control.getAttribute("aria-label") || name.replace(/^.*-\d+-/, "").replaceAll("_", " ");
}

export function createForm(facts: FormFacts): Form {
  const bar = createBar();
  const { words } = facts;
  const served = readFields(document, facts.form);
  let isSent = false;
  const formOf = (): HTMLFormElement | null => document.getElementById(facts.form) as HTMLFormElement | null;
  const hasMoved = watchMoves(formOf());

  const isDirty = (): boolean => {
    const form = formOf();
    return !!form && (hasMoved() || controlsOf(form).some((control) => control.name !== "csrfmiddlewaretoken" && isChanged(control)));
  };

  document.addEventListener("submit", (event) => {
    isSent ||= !event.defaultPrevented && event.target === formOf();
  });
  addEventListener("pageshow", ({ persisted }) => (isSent &&= !persisted));

  function take(html: string): [] {
    const page = parseDocument(html);
    const next = factsOf(page);
    if (isSent || next?.page !== "change") return [];
    const now = readFields(page, next.form);
    const changed = [...new Set([...served.keys(), ...now.keys()])].filter((path) => served.get(path)?.value !== now.get(path)?.value);
    const entry = next.saved && next.saved.id !== facts.saved?.id ? next.saved : null;
    if (!entry && !changed.length) {
      bar.hide();
      return [];
    }
    const text = !entry ? words.changed : entry.own ? words.changedByYou : words.changedBy.replace("%s", entry.by);
    bar.show(text, { label: words.show, click: () => (isDirty() ? list() : load()) });
    return [];

    function list(): void {
      const details = document.createElement("dl");
      for (const path of changed) {
        const field = (now.get(path) ?? served.get(path))!;
        details.append(
          Object.assign(document.createElement("dt"), { textContent: field.label }),
          Object.assign(document.createElement("dd"), { textContent: `${short(served.get(path))} → ${short(now.get(path))}` }),
        );
      }
      bar.show(text, { label: words.load, click: load }, details);
    }
  }

  function short(field: Field | undefined): string {
    const value = field?.value || words.empty;
    return value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)} …` : value;
  }

  function load(): void {
    formOf()?.reset(); // or a browser would restore it
    location.reload();
  }

  return {
    take,
    deleted(by) {
      if (!isSent) bar.show(by ? words.deletedBy.replace("%s", by) : words.deleted);
    },
    keep() {
      const keeps = isSent || isDirty();
      if (keeps && !isSent) bar.show(words.ended);
      return keeps;
    },
  };
}
