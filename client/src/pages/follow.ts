/**
 * One live part of a document, a whole page or a region: follows a URL, and draws each version, the newest only.
 *
 * What a version is drawn on is the caller's. What people and CSS see of the state is here.
 */
import type { Client } from "../client.js";
import type { EndReason, LiveState, Subscription } from "../subscription.js";

/** The client's own words, and `paused`: by `wsrequest.pause()`, or because the tab is hidden. */
export type PageState = LiveState | "paused";

export interface PartOptions {
  /** Has the attribute `data-live-state`, and gets the events. */
  root: Element;
  url: string;
  /** The entity tag of what the page shows already. */
  etag?: string | null | undefined;
  /** The proof that it was shown (PROTOCOL.md 4.7). */
  rerun?: string | null | undefined;
  /** Draws a version. What it returns is in the event `wsrequest:after-morph` as `changed`. */
  draw(html: string, response: Response): Element[];
  /**
   * Nobody may see it any more, or not this visitor. `reason` is null if the session has ended and another visitor may be there.
   * `wasLive` says whether it was current before, so that the server has changed its mind. `error` is that of the subscription.
   */
  lost?(reason: EndReason | null, wasLive: boolean, error?: unknown): void;
}

export interface Version {
  html: string;
  response: Response;
}

export interface Part {
  /** Whether it takes versions. If not, it costs the server nothing. */
  setActive(isActive: boolean): void;
  /** Draws the latest version again, for what was held back. Or a version that came in another way. */
  redraw(version?: Version): Promise<void>;
  /** Resolves at the next version. */
  nextVersion(): Promise<void>;
  close(): void;
}

/** Drawing takes at most this part of the time. */
const LOAD = 5;
const MAX_REST_MS = 2000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Makes the test whether a nonce is that of a response's Content-Security-Policy. */
export function nonceTest(response: Response): (nonce: string) => boolean | undefined {
  const policy = response.headers.get("content-security-policy");
  return (nonce) => {
    if (!policy) return undefined;
    if (nonce && policy.includes(`'nonce-${nonce}'`)) return true;
    return !/'nonce-|'strict-dynamic'/.test(policy) && undefined; // the browser knows the rest
  };
}

/** Follows a URL until `close()`. */
export function follow(client: Client, options: PartOptions): Part {
  const { root, url, etag, rerun, draw, lost } = options;
  let subscription: Subscription | undefined;
  let shown: Response | string | null = etag || null; // what to hold when it goes on
  let latest: Version | undefined;
  let wasLive = false;
  let isOver = false;
  let isOdd = false; // whether the latest version cannot be drawn
  let waiting: (() => void)[] = [];

  function setState(state: PageState, detail: object = {}): void {
    root.setAttribute("data-live-state", state);
    root.dispatchEvent(new CustomEvent("wsrequest:state", { bubbles: true, detail: { state, ...detail } }));
  }

  function start(): void {
    const current = (subscription = client.live(url, { headers: { Accept: "text/html" }, held: shown, rerun: rerun || undefined }));
    const isCurrent = (): boolean => subscription === current;
    setState("connecting");
    current.addEventListener("statechange", () => {
      if (!isCurrent()) return;
      const { state, reason, failure, error } = current;
      wasLive ||= state === "live" || state === "polling" || state === "uncertain";
      setState(state, { reason, failure });
      if (state === "ended") ended(reason!, error as { code?: string; message?: string });
    });
    // At the end of the request it comes before the reason is known.
    current.addEventListener("clear", () => queueMicrotask(() => isCurrent() && current.state !== "ended" && lost?.(null, true)));
    if (typeof shown === "string") {
      const say = ({ status }: Response): unknown => status !== 304 && console.info(`wsrequest: ${url} has changed since it was served, or is another one each time.`);
      void current.ready().then(say, () => {});
    }
    void take(current, isCurrent);
  }

  function ended(reason: EndReason, error: { code?: string; message?: string }): void {
    const { code, message } = error;
    isOver = true;
    subscription = undefined;
    root.setAttribute("data-live-reason", reason);
    if (code === "not_live") console.debug(`wsrequest: ${url} reads nothing that can change.`);
    else if (reason === "failed") console.warn(`wsrequest: ${url} is not live: ${message}`);
    lost?.(code === "session_ended" ? null : reason, wasLive, error);
  }

  async function take(current: Subscription, isCurrent: () => boolean): Promise<void> {
    try {
      for await (const response of current) {
        if (!isCurrent()) return;
        const startedAt = performance.now();
        const held = response.clone();
        const html = await response.text();
        if (!isCurrent()) return;
        const { status, headers } = response;
        if (status !== 204 && !(status === 200 && /html/.test(headers.get("content-type") ?? ""))) {
          if (!isOdd) console.warn(`wsrequest: ${url} answers without HTML, so what is shown stays.`);
          isOdd = true;
          setState("failing", { failure: response });
        } else {
          if (isOdd) setState(current.state);
          isOdd = false;
          shown = held;
          latest = { html, response };
          waiting.splice(0).forEach((wake) => wake());
          await show();
        }
        await sleep(Math.min(MAX_REST_MS, LOAD * (performance.now() - startedAt)));
      }
    } catch {
      // the state says why
    }
  }

  async function show(version = latest): Promise<void> {
    if (!version) return;
    const { html, response } = version;
    const fire = (name: string, detail: object): boolean =>
      root.dispatchEvent(new CustomEvent(`wsrequest:${name}`, { bubbles: true, cancelable: name === "before-morph", detail: { html, response, ...detail } }));
    if (!fire("before-morph", {})) return;
    let changed: Element[] = [];
    const update = (): void => void (changed = draw(html, response));
    if (wantsTransition(root)) await document.startViewTransition(update).updateCallbackDone;
    else update();
    fire("after-morph", { changed });
  }

  function stop(): void {
    const current = subscription;
    subscription = undefined; // first, because closing changes its state
    current?.close();
  }

  return {
    setActive(isActive) {
      if (isOver || isActive === !!subscription) return;
      if (isActive) return start();
      stop();
      setState("paused");
    },
    redraw: show,
    nextVersion: () => new Promise((resolve) => waiting.push(resolve)),
    close() {
      isOver = true;
      stop();
    },
  };
}

/** A page may ask for View Transitions (`data-live-transition`), and the visitor may want none. */
function wantsTransition(root: Element): boolean {
  const { startViewTransition, visibilityState } = document;
  return root.hasAttribute("data-live-transition") && !!startViewTransition && visibilityState === "visible" && !matchMedia("(prefers-reduced-motion: reduce)").matches;
}
