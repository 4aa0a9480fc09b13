/** Live pages: the bundle that `{% wsrequest_client live=True %}` loads after client.js. */
import type { Client } from "../client.js";
import { createHolds, type Holds } from "./holds.js";
import { COUNTING_ID, followPage } from "./page.js";
import { defineRegion } from "./region.js";
import { watchForms } from "./sending.js";
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
if (!client) console.error("wsrequest: pages.js needs client.js before it, as {% wsrequest_client live=True %} writes it.");
else if (!client.pages) {
  const parts = createParts();
  const holds = createHolds(parts.redraw);
  const page = followPage(client, parts, holds);
  const regions = defineRegion(client, parts, {
    before: (element, _, next) => !holds.holdsBack(element, next),
    ignoresId: ({ id }) => COUNTING_ID.test(id),
  });
  const sending = (form: HTMLFormElement): (() => void) => {
    const succeed = [page, regions].map((each) => each.sending(form));
    return () => succeed.forEach((each) => each());
  };
  watchForms(client, sending);
  const { pause, resume } = parts;
  const { hold, draw } = holds;
  const pages: LivePages["pages"] = { hold, draw, release: (form) => sending(form)() };
  Object.assign(client, { pause, resume, pages });
}
