/**
 * What the user has entered: which form controls differ from what the server sent, and how they stay as they are.
 *
 * Compares properties with their defaults (`value`, `checked`, `selected`), because attributes tell only the defaults.
 */
export type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const CONTROLS = "input,select,textarea";
const isSelect = (control: Element): control is HTMLSelectElement => control.localName === "select";
export const isInput = (element: Element): element is HTMLInputElement => element.localName === "input";
/** Whether the control is a box or a radio button, whose state is `checked` and not its value. */
export const isBox = (control: Element): boolean => isInput(control) && /^(checkbox|radio)$/.test(control.type);

/** The options that a select shows if nobody chooses one. */
function defaultOptions(select: HTMLSelectElement): HTMLOptionElement[] {
  const options = [...select.options];
  const marked = options.filter((option) => option.defaultSelected);
  if (select.multiple) return marked;
  const first = select.size > 1 ? undefined : options.find((option) => !option.disabled);
  return [marked.at(-1) ?? first].filter((option) => option !== undefined);
}

/** The state of a control as a text that can be compared. */
function stateOf(control: Control): string {
  if (isSelect(control)) return JSON.stringify([...control.selectedOptions].map(({ value }) => value));
  return isInput(control) && isBox(control) ? String(control.checked) : control.value;
}

function defaultOf(control: Control): string {
  if (isSelect(control)) return JSON.stringify(defaultOptions(control).map(({ value }) => value));
  return isInput(control) && isBox(control) ? String(control.defaultChecked) : control.defaultValue;
}

/** The default as the browser corrects it: a colour or a range always has a value, and a date is never a word. */
function correctedDefault(input: HTMLInputElement): string {
  const copy = input.cloneNode() as HTMLInputElement;
  copy.value = copy.defaultValue;
  return copy.value;
}

/** Whether the control shows something else than the server sent. */
const isChanged = (control: Control): boolean => {
  if (isInput(control) && control.type === "file") return !!control.files?.length;
  if (isInput(control) && /^(submit|button|reset|image|hidden)$/.test(control.type)) return false;
  const state = stateOf(control);
  return state !== defaultOf(control) && (!isInput(control) || isBox(control) || state !== correctedDefault(control));
};

/** The controls in an element, and the element itself if it is one. */
export function controlsIn(root: Element): Control[] {
  const inside = [...root.querySelectorAll<Control>(CONTROLS)];
  return root.matches(CONTROLS) ? [root as Control, ...inside] : inside;
}

/** Whether the user has entered or chosen something in an element that is not sent or reset yet. */
export const isDirty = (element: Element): boolean => controlsIn(element).some(isChanged);

/** The radio buttons that exclude each other belong together: if one is changed, all are. */
const groupOf = (control: Control, all: Control[]): Control[] =>
  isInput(control) && control.type === "radio" && control.name
    ? all.filter((each) => isInput(each) && each.type === "radio" && each.name === control.name && each.form === control.form)
    : [control];

/** The state of all controls of a part of the page while a new version is drawn. */
export interface Fields {
  /** Whether the user's entry in this control, or in the select of this option, must stay. */
  isDirty(element: Element): boolean;
  /** Whether an element has a control whose entry must stay. */
  holds(element: Element): boolean;
  /** Restores what the user has entered, and shows the defaults where nobody has. */
  finish(): void;
}

export interface FieldKeeper {
  /** Call before a version is drawn. */
  capture(root: Element): Fields;
  /** Notes what a form sends. Call the function that it returns once that has succeeded: it then counts as the server's until the user changes it again. */
  sending(form: HTMLFormElement): () => void;
}

export function createFieldKeeper(): FieldKeeper {
  let released = new Map<Control, string>();

  function capture(root: Element): Fields {
    const all = controlsIn(root);
    const sent = released;
    released = new Map();
    const isSent = (control: Control): boolean => sent.get(control) === stateOf(control);
    const dirty = new Set(all.filter((control) => isChanged(control) && !isSent(control)).flatMap((control) => groupOf(control, all)));
    const chosen = [...dirty].map((control) => {
      if (isSelect(control)) {
        const options = new Set(control.selectedOptions);
        return () => [...control.options].forEach((option) => (option.selected = options.has(option)));
      }
      const { checked } = control as HTMLInputElement;
      return isBox(control) ? () => void ((control as HTMLInputElement).checked = checked) : () => {};
    });
    // A select whose choice the user took back no longer follows its options by itself.
    const clean = all.filter((control) => isSelect(control) && !dirty.has(control)) as HTMLSelectElement[];
    const controlOf = (element: Element): Element => element.closest("select") ?? element;
    return {
      isDirty: (element) => dirty.has(controlOf(element) as Control),
      holds: (element) => [...dirty].some((control) => element.contains(control)),
      finish() {
        for (const restore of chosen) restore();
        for (const control of sent.keys()) if (!dirty.has(control)) reset(control);
        for (const select of clean) if (isChanged(select)) reset(select);
      },
    };
  }

  function sending(form: HTMLFormElement): () => void {
    const controls = [...form.elements].filter((element) => element.matches(CONTROLS)) as Control[];
    const sent = controls.map((control) => [control, stateOf(control)] as const);
    return () => sent.forEach(([control, state]) => released.set(control, state));
  }

  return { capture, sending };
}

/** Shows the default of one control, as a reset of its form does. */
function reset(control: Control): void {
  if (isSelect(control)) {
    const options = defaultOptions(control);
    [...control.options].forEach((option) => (option.selected = options.includes(option)));
  } else if (isInput(control) && isBox(control)) control.checked = control.defaultChecked;
  else if (isInput(control) && control.type === "file") control.value = "";
  else if (control.value !== control.defaultValue) control.value = control.defaultValue;
}
