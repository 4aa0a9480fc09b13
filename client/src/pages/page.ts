/**
 * The life of a live page: it follows the URL that its tag names, and other tags and URLs as scripts navigate.
 *
 * The tag is `<meta name="wsrequest-live" content="page">`. What it brings more, the server fills in (docs/live-pages.md).
 */
import type { Client } from "../client.js";
import type { EndReason } from "../subscription.js";
import { follow, nonceTest, type Part } from "./follow.js";
import type { Holds } from "./holds.js";
import { parseDocument } from "./html.js";
import { createMorph, type Morph, type MorphHooks } from "./morph.js";
import { reloadOnce } from "./reload.js";
import type { Succeed } from "./sending.js";
import type { Parts } from "./state.js";

const TAG = "meta[name=wsrequest-live]";
/** How long a script's navigation may take to bring its page. */
const SETTLE_MS = 300;
/** Ids of Django's formsets count rows: they say nothing about which row it is. */
export const COUNTING_ID = /^id_.+-\d+-/;

const findTag = (page = document): HTMLMetaElement | null => page.querySelector<HTMLMetaElement>(TAG);
const here = (): string => location.pathname + location.search;
const messagesOf = (tag: HTMLElement | null): string[] => JSON.parse(tag?.dataset["messages"] || "[]").map(collapsed);
const collapsed = (text: string | null | undefined): string => (text ?? "").replace(/\s+/g, " ").trim();

/** The parts of a document that are live: those with `data-live`, or all of it. */
function liveRoots(page: Document): Element[] {
  const marked = [...page.querySelectorAll("[data-live]")].filter((element) => !element.parentElement?.closest("[data-live]"));
  return marked.length ? marked : [page.documentElement];
}

export interface Page {
  /**
   * Notes what a form sends. Call the function that it returns once that has succeeded, with the response. If that is the
   * page itself, because a redirect led back to it, it is drawn with its messages, which are in no version.
   */
  sending(form: HTMLFormElement): Succeed;
}

/** Follows the page, and each page that scripts put in its place. */
export function followPage(client: Client, parts: Parts, holds: Holds): Page {
  const root = document.documentElement;
  let tag: HTMLMetaElement | null = null;
  let address = "";
  let part: Part | undefined;
  let morphs = new Map<Element, Morph>();
  let test: MorphHooks["isTrusted"];
  let changed = new Set<Element>();
  let messages: string[] = []; // until the next version, which lacks them
  let kept = new WeakSet<Element>();
  let isLate = false; // whether what is drawn is older than what is shown, but for its messages

  const tells = (element: Element | null): boolean => messages.some((message) => collapsed(element?.textContent).includes(message));
  /** What a response used up is in no live version. It stays as long as the page does, or until its next form is answered. */
  const isMessage = (element: Element): boolean => {
    if (tells(element)) kept.add(element);
    return kept.has(element);
  };
  const hooks: MorphHooks = {
    before: (element, change, next) => !holds.holdsBack(element, next) && !(change === "remove" && isMessage(element)) && (!isLate || tells(next)),
    ignoresId: ({ id }) => COUNTING_ID.test(id),
    isTrusted: (nonce) => test?.(nonce),
    after: (element) => changed.add(element),
  };

  function draw(html: string, response: Response): Element[] {
    if (address !== here()) return []; // another page is on its way
    if (!html.includes("wsrequest-live")) {
      console.warn(`wsrequest: ${address} answers without the page tag, so what is shown stays.`);
      return [];
    }
    test = nonceTest(response);
    changed = new Set();
    const isWhole = morphs.has(root);
    const next = isWhole ? [] : liveRoots(parseDocument(html));
    [...morphs].forEach(([element, morph], index) => {
      const content = element === root ? html : (next.find(({ id }) => id && id === element.id) ?? (element.id ? undefined : next[index]))?.innerHTML;
      if (content !== undefined) morph.apply(content);
    });
    messages = [];
    return [...changed].filter((element) => element.isConnected);
  }

  /** After a logout, nothing of the former visitor stays on the screen, and a plain GET says where to go. */
  function lost(reason: EndReason | null, wasLive: boolean): void {
    if (reason && (!wasLive || !/denied|moved/.test(reason))) return;
    for (const element of morphs.keys()) (element === root ? document.body : element).replaceChildren();
    root.setAttribute("data-live-state", "ended");
    reloadOnce();
  }

  function begin(): void {
    const found = findTag();
    const isServed = found !== tag; // or a script has changed the URL of the same document
    tag = found;
    address = here();
    if (tag?.content !== "page") return morphs.clear();
    const { url, etag, proof } = isServed ? tag.dataset : {};
    if (isServed || [...morphs.values()].some((morph) => morph.isReplaced())) {
      messages = messagesOf(isServed ? tag : null);
      morphs = new Map(liveRoots(document).map((element) => [element, createMorph(element, element, hooks)]));
    }
    part = follow(client, { root, url: new URL(url || address, location.href).href, etag, rerun: proof, draw, lost });
    parts.add(part);
  }

  function end(): void {
    if (part) parts.remove(part);
    part = undefined;
  }

  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends what belongs to a page that is no longer there, and begins again when the next one has settled. */
  function look(isSettled = false): void {
    if (address === here() && tag === findTag()) return;
    end();
    clearTimeout(timer);
    if (isSettled) begin();
    else timer = setTimeout(begin, SETTLE_MS);
  }

  const { navigation } = globalThis as { navigation?: EventTarget };
  navigation?.addEventListener("currententrychange", () => look());
  addEventListener("popstate", () => look());
  for (const type of ["htmx:pushedIntoHistory", "htmx:after:history:push"]) document.addEventListener(type, () => look());
  for (const type of ["turbo:load", "htmx:afterSettle"]) document.addEventListener(type, () => look(true));
  begin();
  return {
    sending(form) {
      const succeed = [...morphs.values()].map((morph) => morph.sending(form));
      let hasCome = false;
      const next = part?.nextVersion().then(() => (hasCome = true));
      return async (response) => {
        succeed.forEach((each) => each());
        if (response?.redirected && response.url === location.origin + address) {
          const html = await response.clone().text();
          const own = messagesOf(findTag(parseDocument(html)));
          isLate = hasCome;
          messages = isLate ? own : [];
          kept = new WeakSet();
          await part?.redraw({ html, response });
          isLate = false;
          messages = own;
        }
        // A version that came before the answer was drawn while the form had none.
        void next?.then(() => part?.redraw());
      };
    },
  };
}
