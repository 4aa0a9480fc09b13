/** Live pages: the bundle that `{% wsrequest_client live=True %}` loads after client.js. */
import type { Client } from "../client.js";
import { createHolds, type Holds } from "./holds.js";
import { COUNTING_ID, followPage } from "./page.js";
import { defineRegion } from "./region.js";
import { watchForms, type Succeed } from "./sending.js";
import { createParts } from "./state.js";

/** What pages.js adds to `window.wsrequest`. */
export interface LivePages {
  /** Take no more versions until `resume()`. */
  pause(): void;
  resume(): void;
  pages: {
    hold: Holds["hold"];
    /** Draw all versions that wait. */
    draw(): void;
    /** A form was sent in another way than by `wsrequest.fetch`: the server is right about its fields. */
    release(form: HTMLFormElement): void;
  };
}

const { wsrequest: client } = globalThis as { wsrequest?: Client & Partial<LivePages> };
if (!client) console.error("wsrequest: pages.js needs client.js.");
else if (!client.pages) {
  const parts = createParts();
  const holds = createHolds(parts.redraw);
  const page = followPage(client, parts, holds);
  const regions = defineRegion(client, parts, {
    before: (element, _, next) => !holds.holdsBack(element, next),
    ignoresId: ({ id }) => COUNTING_ID.test(id),
  });
  const sending = (form: HTMLFormElement): Succeed => {
    const ofPage = page.sending(form);
    const ofRegion = regions.sending(form);
    return (response) => {
      ofRegion();
      return ofPage(response);
    };
  };
  watchForms(client, sending);
  const { pause, resume } = parts;
  const { hold, draw } = holds;
  const pages: LivePages["pages"] = { hold, draw, release: (form) => void sending(form)() };
  Object.assign(client, { pause, resume, pages });
}
