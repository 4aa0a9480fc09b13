/** The admin's own widgets in rows that come later. Its scripts start them when a page has loaded, and for new rows of inlines. */
interface AdminGlobals {
  DateTimeShortcuts?: Record<"addCalendar" | "addClock", (input: Element) => void>;
  django?: { jQuery?(elements: Element[]): { trigger(event: string): void } };
}

const admin = globalThis as AdminGlobals;

/** @param units - rows that have just come into the page */
export function startWidgets(units: Element[]): void {
  const find = (selector: string): Element[] => units.flatMap((unit) => [...unit.querySelectorAll(selector)]);
  for (const unit of units) {
    // autocomplete.js listens to it.
    if (unit.querySelector(".admin-autocomplete")) unit.dispatchEvent(new CustomEvent("formset:added", { bubbles: true, detail: { formsetName: "form" } }));
  }
  for (const input of find("input.vDateField")) admin.DateTimeShortcuts?.addCalendar(input);
  for (const input of find("input.vTimeField")) admin.DateTimeShortcuts?.addClock(input);
  // By jQuery alone, because to actions.js a change is one of the user's. It sets the links beside a foreign key.
  const selects = find(".related-widget-wrapper select");
  if (selects.length) admin.django?.jQuery?.(selects).trigger("change");
}
