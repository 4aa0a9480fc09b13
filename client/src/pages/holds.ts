/**
 * Elements that versions leave alone for a while, and how many wait.
 *
 * A formset with an unsent entry is always held: its rows have numbers in place of identities, so a row that comes or goes
 * would move the entry to another row.
 */
import { isDirty } from "./fields.js";

export interface HoldOptions {
  /** Whether versions must leave the element alone now. */
  isHeld(): boolean;
  /** Called with the number of versions that wait, and with 0 when they are drawn. */
  changed?(count: number): void;
}

export interface Hold {
  /** Draw what waits, although it is held. */
  draw(): void;
  /** End the hold, and draw what waits. */
  release(): void;
}

interface State extends HoldOptions {
  count: number;
  /** What the last version has for the element. */
  next: Element | null | undefined;
  isForced: boolean;
}

export interface Holds {
  hold(element: Element, options: HoldOptions): Hold;
  /** Whether a version must leave an element alone. */
  holdsBack(element: Element, next: Element | null): boolean;
  /** Draw everything that waits. */
  draw(): void;
}

const isFormset = (element: Element): boolean => element.localName === "form" && !!element.querySelector("input[name$=-TOTAL_FORMS]");

/** @param redraw - draws the latest versions again */
export function createHolds(redraw: () => void): Holds {
  const holds = new Map<Element, State>();

  function setCount(element: Element, state: State, count: number): void {
    if (state.count === count) return;
    state.count = count;
    if (count) element.setAttribute("data-live-held", String(count));
    else element.removeAttribute("data-live-held");
    state.changed?.(count);
    element.dispatchEvent(new CustomEvent("wsrequest:held", { bubbles: true, detail: { count } }));
  }

  function hold(element: Element, options: HoldOptions): Hold {
    const state: State = { ...options, isHeld: () => options.isHeld(), count: 0, next: undefined, isForced: false };
    holds.set(element, state);
    return {
      draw: () => drawAll([state]),
      release() {
        drawAll([state]);
        if (holds.get(element) === state) holds.delete(element);
      },
    };
  }

  function holdsBack(element: Element, next: Element | null): boolean {
    if (!holds.has(element) && isFormset(element)) hold(element, { isHeld: () => isDirty(element) });
    const state = holds.get(element);
    if (!state) return false;
    if (state.isForced || !state.isHeld()) {
      setCount(element, state, 0);
      state.next = undefined;
      return false;
    }
    // The same version drawn again is no new one.
    const isNew = state.next === undefined || !(next && state.next ? next.isEqualNode(state.next) : next === state.next);
    state.next = next;
    if (isNew) setCount(element, state, state.count + 1);
    return true;
  }

  function drawAll(states: State[]): void {
    for (const state of states) state.isForced = true;
    redraw();
    for (const state of states) state.isForced = false;
  }

  /** Draws what waits where nothing holds it any more. */
  function look(): void {
    for (const [element, state] of holds) {
      if (!element.isConnected) holds.delete(element);
      else if (state.count && !state.isHeld()) return redraw();
    }
  }

  for (const type of ["input", "change", "reset"]) document.addEventListener(type, () => setTimeout(look));
  return { hold, holdsBack, draw: () => drawAll([...holds.values()]) };
}
