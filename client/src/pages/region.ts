/**
 * `<live-region src="…">`: a part of a page that follows a URL of its own.
 *
 * It works in a page that is not live, too. A live page draws nothing inside a region.
 */
import type { Client } from "../client.js";
import type { EndReason } from "../subscription.js";
import { follow, nonceTest, type Part } from "./follow.js";
import { parseDocument } from "./html.js";
import { createMorph, type Morph, type MorphHooks } from "./morph.js";
import type { Parts } from "./state.js";

const NAME = "live-region";
/** Regions around a region. More are a region that contains itself. */
const MAX_DEPTH = 5;
/** As in wsrequest/pages/fragments.py. */
const DOCUMENT = /<(?:!doctype\s|html[\s>]|head[\s>]|body[\s>])/i;

export interface Regions {
  /** Notes what a form sends. Call the function that it returns once that has succeeded. */
  sending(form: HTMLFormElement): () => void;
}

/** What of a response a region shows. Of a whole document, it is the element with the region's id, or the body. */
function contentOf(html: string, id: string): string {
  if (!DOCUMENT.test(html)) return html;
  const page = parseDocument(html);
  return ((id && page.getElementById(id)) || page.body).innerHTML;
}

/**
 * Defines the element.
 *
 * @param hooks - what the morph of a page has, too
 */
export function defineRegion(client: Client, parts: Parts, hooks: MorphHooks): Regions {
  const morphs = new Map<Element, Morph>();

  const outerOf = (region: Element): LiveRegion | null | undefined => region.parentElement?.closest<LiveRegion>(NAME);

  class LiveRegion extends HTMLElement {
    static observedAttributes = ["src"];
    address = "";
    live: Part | undefined;
    isReady = false;

    connectedCallback(): void {
      const { liveState } = this.dataset;
      if (this.isReady || liveState !== "ended") this.update(); // else its view has no HTML for this visitor, says the server
      this.isReady = true;
    }
    /** With it, `moveBefore` does not count as a removal. */
    connectedMoveCallback(): void {}
    disconnectedCallback(): void {
      // A script that puts it elsewhere goes on.
      queueMicrotask(() => !this.isConnected && this.stop());
    }
    attributeChangedCallback(): void {
      if (this.isReady && this.isConnected) this.update();
    }

    update(): void {
      const src = this.getAttribute("src");
      const address = src ? (URL.canParse(src, document.baseURI) ? new URL(src, document.baseURI).href : src) : "";
      if (this.address === address) return;
      this.stop();
      this.address = address;
      if (src) this.start(address);
    }

    start(url: string): void {
      const outer: LiveRegion[] = [];
      for (let each = outerOf(this); each; each = outerOf(each)) outer.push(each);
      if (outer.length >= MAX_DEPTH || outer.some(({ address }) => address === url)) {
        console.warn(`wsrequest: ${url} is in itself, so it is not live.`);
        return this.setAttribute("data-live-state", "ended");
      }
      const { etag, proof } = this.dataset;
      const changed = new Set<Element>();
      let test: MorphHooks["isTrusted"];
      const makeMorph = (): Morph =>
        createMorph(this, this, { ...hooks, isTrusted: (nonce) => test?.(nonce), after: (element) => changed.add(element) });
      if (!morphs.has(this)) morphs.set(this, makeMorph()); // before a script changes what is there
      this.live = follow(client, {
        root: this,
        url,
        etag,
        rerun: proof,
        draw: (html, response) => {
          if (!morphs.has(this)) morphs.set(this, makeMorph());
          test = nonceTest(response);
          changed.clear();
          morphs.get(this)!.apply(contentOf(html, this.id));
          return [...changed].filter((element) => element.isConnected);
        },
        lost: (reason, wasLive) => this.lost(reason, wasLive),
      });
      parts.add(this.live);
    }

    /** Nothing stays on the screen that the visitor may not see any more. What was there before it was live stays. */
    lost(reason: EndReason | null, wasLive: boolean): void {
      if (reason && !(wasLive && /denied|gone|moved/.test(reason))) return;
      this.replaceChildren();
      morphs.delete(this);
    }

    stop(): void {
      if (this.live) parts.remove(this.live);
      this.live = undefined;
      this.address = "";
      morphs.delete(this);
    }
  }

  customElements.define(NAME, LiveRegion);
  return {
    sending(form) {
      const region = form.closest<LiveRegion>(NAME);
      const succeed = region && morphs.get(region)?.sending(form);
      const next = region?.live?.nextVersion();
      return () => {
        succeed?.();
        void next?.then(() => region?.live?.redraw());
      };
    },
  };
}
