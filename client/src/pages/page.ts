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
import type { Parts } from "./state.js";

const TAG = "meta[name=wsrequest-live]";
/** How long a script's navigation may take to bring its page. */
const SETTLE_MS = 300;
/** Ids of Django's formsets count rows: they say nothing about which row it is. */
export const COUNTING_ID = /^id_.+-\d+-/;

const findTag = (): HTMLMetaElement | null => document.querySelector<HTMLMetaElement>(TAG);
const here = (): string => location.pathname + location.search;
const collapsed = (text: string | null): string => (text ?? "").replace(/\s+/g, " ").trim();

/** The parts of a document that are live: those with `data-live`, or all of it. */
function liveRoots(page: Document): Element[] {
  const marked = [...page.querySelectorAll("[data-live]")].filter((element) => !element.parentElement?.closest("[data-live]"));
  return marked.length ? marked : [page.documentElement];
}

export interface Page {
  /** Notes what a form sends. Call the function that it returns once that has succeeded. */
  sending(form: HTMLFormElement): () => void;
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
  let messages: string[] = []; // until the first version, which lacks them
  const kept = new WeakSet<Element>();

  /** What this response used up is in no live version. It stays as long as the page does. */
  const isMessage = (element: Element): boolean => {
    if (messages.some((message) => collapsed(element.textContent).includes(message))) kept.add(element);
    return kept.has(element);
  };
  const hooks: MorphHooks = {
    before: (element, change, next) => !holds.holdsBack(element, next) && !(change === "remove" && isMessage(element)),
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
    [tag, address] = [found, here()];
    if (tag?.content !== "page") return morphs.clear();
    const { url, etag, proof, messages: texts } = isServed ? tag.dataset : {};
    if (isServed || [...morphs.values()].some((morph) => morph.isReplaced())) {
      messages = JSON.parse(texts || "[]").map(collapsed);
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
      const next = part?.nextVersion();
      return () => {
        succeed.forEach((each) => each());
        void next?.then(() => part?.redraw()); // its version may have come before the answer
      };
    },
  };
}
