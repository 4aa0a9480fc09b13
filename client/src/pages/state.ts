/** When the live parts of a document take versions: not while the page has paused them, and not for long in a hidden tab. */
import type { Part } from "./follow.js";

const HIDDEN_SECONDS = 30;

export interface Parts {
  add(part: Part): void;
  /** Closes a part. */
  remove(part: Part): void;
  /** Draws what was held back. */
  redraw(): void;
  pause(): void;
  resume(): void;
}

export function createParts(): Parts {
  const parts = new Set<Part>();
  let isPaused = false;
  let isAsleep = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const update = (): void => parts.forEach((part) => part.setActive(!isPaused && !isAsleep));

  function look(): void {
    clearTimeout(timer);
    const sleep = (): void => {
      isAsleep = true;
      update();
    };
    const seconds = Number(document.documentElement.dataset["liveHiddenSeconds"] ?? HIDDEN_SECONDS);
    if (document.visibilityState === "hidden") timer = setTimeout(sleep, seconds * 1000);
    else {
      isAsleep = false;
      update();
    }
  }

  document.addEventListener("visibilitychange", look);
  addEventListener("pageshow", look); // from the back/forward cache
  look();
  return {
    add(part) {
      parts.add(part);
      part.setActive(!isPaused && !isAsleep);
    },
    remove(part) {
      parts.delete(part);
      part.close();
    },
    redraw: () => parts.forEach((part) => void part.redraw()),
    pause() {
      isPaused = true;
      update();
    },
    resume() {
      isPaused = false;
      update();
    },
  };
}
