/**
 * The bundle of the live admin (docs/howto/live-admin.md): follows change lists and change forms.
 *
 * `pages.js` follows its other pages. These two have forms that must not lose what the user has entered, nor give it to
 * another object: `list.ts` and `form.ts` say when a version is drawn.
 */
import type { Client } from "../client.js";
import type { EndReason } from "../subscription.js";
import { follow, nonceTest, type PartOptions } from "../pages/follow.js";
import { createMorph } from "../pages/morph.js";
import { reloadOnce } from "../pages/reload.js";
import { createParts } from "../pages/state.js";
import { factsOf } from "./facts.js";
import { createForm } from "./form.js";
import { createList } from "./list.js";

const DELETED_HEADER = "X-WSRequest-Deleted-By";

const { wsrequest: client } = globalThis as { wsrequest?: Client };
const tag = document.querySelector<HTMLMetaElement>('meta[name="wsrequest-live"][content="admin"]');
const facts = factsOf(document);
if (client && tag) {
  const drawn = facts?.page === "changelist" ? list(facts) : facts?.page === "change" ? form(facts) : undefined;
  if (drawn) start(client, tag, drawn);
}

type Drawn = Required<Pick<PartOptions, "draw" | "lost">>;

function start(client: Client, { dataset }: HTMLMetaElement, drawn: Drawn): void {
  const url = new URL(dataset["url"] || location.href, location.href).href;
  const parts = createParts();
  parts.add(follow(client, { root: document.documentElement, url, etag: dataset["etag"], rerun: dataset["proof"], ...drawn }));
  Object.assign(client, { pause: parts.pause, resume: parts.resume });
}

function list(facts: Parameters<typeof createList>[0]): Drawn {
  const messages = (JSON.parse(tag!.dataset["messages"] || "[]") as string[]).map(collapsed);
  let isTrusted: ReturnType<typeof nonceTest> = () => undefined;
  const root = document.documentElement;
  const morph = createMorph(root, root, {
    // The rows are drawn by their keys, and so are the hidden fields that say which row is whose. Messages are in no
    // version, and stay as long as the page does.
    before: (element, change) => !element.matches('#result_list > tbody, #changelist-form input[type="hidden"][name*="-"]') && !(change === "remove" && messages.some((text) => collapsed(element.textContent).includes(text))),
    ignoresId: ({ id }) => /-\d+-/.test(id),
    isTrusted: (nonce) => isTrusted(nonce),
  });
  const shown = createList(facts, (html) => morph.apply(html));
  return {
    draw(html, response) {
      isTrusted = nonceTest(response);
      return shown.take(html);
    },
    lost(reason, wasLive) {
      if (isForbidden(reason, wasLive)) leave();
    },
  };
}

function form(facts: Parameters<typeof createForm>[0]): Drawn {
  const shown = createForm(facts);
  return {
    draw: (html) => shown.take(html),
    lost(reason, wasLive, error) {
      const by = (error as { response?: Response } | undefined)?.response?.headers.get(DELETED_HEADER) ?? null;
      if (by !== null) shown.deleted(decodeURIComponent(by));
      else if (isForbidden(reason, wasLive) && !shown.keep()) leave();
    },
  };
}

/** Whether the visitor could see the page and may no longer. If it never was live, the server has not changed its mind. */
const isForbidden = (reason: EndReason | null, wasLive: boolean): boolean => reason === null || (wasLive && /denied|moved/.test(reason));

/** Nobody else's rows stay on the screen. */
function leave(): void {
  document.body.replaceChildren();
  document.documentElement.setAttribute("data-live-state", "ended");
  reloadOnce();
}

function collapsed(text: string | null): string {
  return (text ?? "").replace(/\s+/g, " ").trim();
}
