/**
 * How long the server will refuse creates, known to all who create.
 *
 * Owns the time of the last Retry-After. Its event "change" comes every second while one runs, and
 * once when it is over.
 */
import { make } from "./dom.js";

class Throttle extends EventTarget {
  #endsAt = 0;
  #seconds = 0;
  #timer = 0;

  /** Whole seconds until a create may succeed again. */
  get left() {
    return Math.max(0, Math.ceil((this.#endsAt - Date.now()) / 1000));
  }

  /** Of how many seconds that is the rest. */
  get of() {
    return this.#seconds;
  }

  /** Takes the seconds of a Retry-After; the longest counts. */
  start(seconds) {
    if (seconds <= this.left) return;
    this.#seconds = seconds;
    this.#endsAt = Date.now() + seconds * 1000;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), 1000);
    this.#tick();
  }

  /** For somebody else, who is counted on their own or not at all. */
  end() {
    this.#endsAt = 0;
    this.#tick();
  }

  #tick() {
    if (this.left === 0) clearInterval(this.#timer);
    this.dispatchEvent(new Event("change"));
  }
}

export const throttle = new Throttle();

/** Shows the throttle in `box`: the seconds left and a bar that empties. Said once, not each second. */
export function showThrottle(box, advice) {
  const seconds = make("strong", {});
  const bar = make("progress", { ariaLabel: "Seconds until a create may succeed" });
  const said = make("p", { role: "status" });
  seconds.setAttribute("aria-hidden", "true");
  box.append(make("p", {}, make("strong", {}, "Throttled (429). "), advice, " ", seconds), bar, said);
  said.className = "unseen";
  throttle.addEventListener("change", () => {
    const { left, of } = throttle;
    box.hidden = left === 0;
    seconds.textContent = `${left} s left`;
    Object.assign(bar, { max: of, value: left });
    if (left === of) said.textContent = `Try again in ${left} seconds.`;
  });
}
