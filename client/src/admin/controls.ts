/** The controls of a form: what the user has changed in them, compared with what the server sent. */

export type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

export const controlsOf = (root: ParentNode): Control[] => [...root.querySelectorAll<Control>("input, select, textarea")];

const isInput = (control: Control): control is HTMLInputElement => control.localName === "input";
const isTicked = (control: Control): control is HTMLInputElement => isInput(control) && /^(checkbox|radio)$/.test(control.type);
const options = (control: Control): HTMLOptionElement[] =>
  control.localName === "select" ? [...(control as HTMLSelectElement).options] : [];

/** A select without a selected option shows the first one. */
function defaultsOf(control: HTMLSelectElement): boolean[] {
  const found = options(control).map(({ defaultSelected }) => defaultSelected);
  if (!control.multiple && control.size <= 1 && found.length && !found.includes(true)) found[0] = true;
  // Of several in a select for one, the last counts.
  return control.multiple ? found : found.map((each, index) => each && index === found.lastIndexOf(true));
}

/** Whether what a control holds is not what the server sent. A hidden input never is: scripts write those. */
export function isChanged(control: Control): boolean {
  if (control.localName === "select") {
    const defaults = defaultsOf(control as HTMLSelectElement);
    return options(control).some(({ selected }, index) => selected !== defaults[index]);
  }
  if (isTicked(control)) return control.checked !== control.defaultChecked;
  if (isInput(control) && control.type === "file") return control.value !== "";
  // Browsers clean a value ("1e3 " of a number, line ends), so compare with a clean one.
  return control.value !== cleanDefault(control as HTMLInputElement | HTMLTextAreaElement);
}

function cleanDefault(control: HTMLInputElement | HTMLTextAreaElement): string {
  if (control.value === control.defaultValue) return control.value;
  const copy = control.cloneNode() as typeof control;
  copy.value = control.defaultValue;
  return copy.value;
}

/** What the server sent, as text. */
export function sentValue(control: Control): string {
  if (control.localName === "select") {
    const defaults = defaultsOf(control as HTMLSelectElement);
    return options(control).filter((_, index) => defaults[index]).map(({ text }) => text.trim()).join(", ");
  }
  if (isTicked(control)) return control.defaultChecked ? "✓" : control.type === "radio" ? "" : "✗";
  return (control as HTMLInputElement | HTMLTextAreaElement).defaultValue;
}

/** Gives a control what another one of the same kind holds. */
export function copyState(from: Control, to: Control): void {
  if (from.localName !== to.localName) return;
  if (isTicked(from)) (to as HTMLInputElement).checked = from.checked;
  else if (from.localName === "select") {
    const chosen = new Set(options(from).filter(({ selected }) => selected).map(({ value }) => value));
    for (const option of options(to)) option.selected = chosen.has(option.value);
  } else if (!isInput(from) || from.type !== "file") to.value = from.value;
}

/** Gives a control back what the server sent. */
export function resetControl(control: Control): void {
  if (control.localName === "select") {
    const defaults = defaultsOf(control as HTMLSelectElement);
    options(control).forEach((option, index) => (option.selected = defaults[index]!));
  } else if (isTicked(control)) control.checked = control.defaultChecked;
  else control.value = isInput(control) && control.type === "file" ? "" : (control as HTMLTextAreaElement).defaultValue;
}
