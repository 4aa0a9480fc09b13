/**
 * An extension of htmx 4: `hx-get="/list/" hx-trigger="live"`.
 *
 * htmx has a request for each version: with its own target, swap style, events and indicators. This file says when, by the
 * event `live` on the element, and hands over the response, as the `fetch` of that request.
 */
import type { Client } from "./client.js";
import type { Subscription } from "./subscription.js";

interface Context {
  sourceEvent?: Event;
  fetch?: () => Promise<Response>;
  request: { method: string; action: string; headers: Record<string, string> };
}
type Powered = Element & { _htmx?: { triggerSpecs: { name: string }[] } };
interface Htmx {
  trigger(element: Element, event: string, detail: object, bubbles: boolean): void;
  registerExtension(name: string, extension: object): void;
}

/** A subscription, and the element that it is for. */
interface Live {
  element: Element;
  /** The URL with parameters, and the headers. */
  key: string;
  request: Context["request"];
  subscription: Subscription | undefined;
  latest: Response | undefined;
  /** Whether htmx must still be given the latest response. */
  isNew: boolean;
  /** Whether htmx should send the request itself, because nothing is live here. */
  isPlain: boolean;
  wasLive: boolean;
}

const NAME = "live";
const HIDDEN_MS = 30_000;
/** How long the subscription of an element that was swapped out waits for the element that takes its place. */
const ORPHANED_MS = 200;

function register(client: Client, htmx: Htmx): void {
  const all = new Set<Live>();
  const of = (element: Element): Live | undefined => [...all].find((live) => live.element === element);

  function setState(live: Live, state: string): void {
    live.element.setAttribute("data-live-state", state);
    live.element.dispatchEvent(new CustomEvent("wsrequest:state", { bubbles: true, detail: { state } }));
  }

  /** Has htmx draw the latest response. */
  function fire(live: Live): void {
    if (!live.element.isConnected) return; // its successor, or the end, comes
    htmx.trigger(live.element, NAME, {}, false);
  }

  function deliver(live: Live, response: Response): void {
    Object.assign(live, { latest: response, isNew: true });
    fire(live);
  }

  function subscribe(live: Live, held: Response | string | null | undefined): void {
    const { action, headers } = live.request;
    const current = (live.subscription = client.live(action, { headers, held: held || null }));
    const isCurrent = (): boolean => live.subscription === current;
    current.addEventListener("statechange", () => {
      if (!isCurrent()) return;
      const { state } = current;
      live.wasLive ||= /live|polling|uncertain/.test(state);
      setState(live, state);
      if (state === "ended") ended(live, current);
    });
    // After a logout. When the live request ends, this comes before its reason.
    current.addEventListener("clear", () => queueMicrotask(() => isCurrent() && current.state !== "ended" && deliver(live, new Response(""))));
    void (async () => {
      try {
        for await (const response of current) {
          if (!isCurrent()) return;
          deliver(live, response);
        }
      } catch {
        // the state says why
      }
    })();
  }

  /** htmx is given the response that ended it, as if it had asked itself. What it shows goes with a redirect, or with the session. */
  function ended(live: Live, { reason, error }: Subscription): void {
    const { response } = (error ?? {}) as { response?: Response };
    if (response && response.status >= 400) deliver(live, response);
    else if (!live.wasLive) {
      live.isPlain = true;
      fire(live);
    } else if (reason !== "failed") deliver(live, new Response(""));
  }

  function close(live: Live): void {
    const { subscription } = live;
    live.subscription = undefined; // first, because closing changes its state
    subscription?.close();
  }

  function forget(live: Live): void {
    all.delete(live);
    close(live);
  }

  /** The subscription of an element, for this request. */
  function liveFor(element: Element, request: Context["request"]): Live {
    const key = JSON.stringify([request.action, request.headers]);
    const own = of(element);
    if (own?.key === key) return own;
    if (own) forget(own);
    const orphan = [...all].find((each) => each.key === key && !each.element.isConnected);
    if (orphan) {
      orphan.element = element;
      setState(orphan, orphan.subscription?.state ?? "paused");
      return orphan;
    }
    const live: Live = { element, key, request, subscription: undefined, latest: undefined, isNew: false, isPlain: false, wasLive: false };
    all.add(live);
    setState(live, "connecting");
    subscribe(live, element.getAttribute("data-etag"));
    return live;
  }

  htmx.registerExtension("wsrequest-live", {
    htmx_after_init(element: Powered) {
      if (element._htmx?.triggerSpecs.some(({ name }) => /^live(\[|$)/.test(name))) htmx.trigger(element, NAME, {}, false);
    },
    htmx_before_request(element: Element, { ctx }: { ctx: Context }) {
      if (ctx.sourceEvent?.type !== NAME) return true;
      if (ctx.request.method !== "GET") {
        console.warn('wsrequest: hx-trigger="live" is for hx-get only.', element);
        return false;
      }
      const live = liveFor(element, ctx.request);
      if (live.isPlain) return !(live.isPlain = false);
      if (!live.isNew) return false;
      live.isNew = false;
      const { latest } = live;
      ctx.fetch = () => Promise.resolve(latest!.clone());
      return true;
    },
    /** htmx drops requests while another one is on its way (`hx-sync`). */
    htmx_finally_request(element: Element) {
      setTimeout(() => {
        const live = of(element);
        if (live?.isNew) fire(live);
      });
    },
    htmx_before_cleanup(element: Element) {
      const live = of(element);
      if (live) setTimeout(() => live.element.isConnected || forget(live), ORPHANED_MS);
    },
  });

  let timer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.visibilityState !== "hidden") {
      for (const live of all) if (!live.subscription) subscribe(live, live.latest?.clone());
    } else {
      timer = setTimeout(() => {
        for (const live of all) {
          if (live.subscription?.state === "ended") continue;
          close(live);
          setState(live, "paused");
        }
      }, HIDDEN_MS);
    }
  });
}

const { wsrequest, htmx } = globalThis as { wsrequest?: Client; htmx?: Htmx };
if (!wsrequest || !htmx) console.error("wsrequest: htmx.js needs {% wsrequest_client %} and htmx before it.");
else register(wsrequest, htmx);
