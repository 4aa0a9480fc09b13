/** What `live()` gives at once: how a live request stands, while live.js is loaded and from then on. */
import type { LiveCall, Parts } from "./live.js";

/** PROTOCOL.md 4.10. Only what is live is current; what is polling was when it was last asked for. */
export const LIVE_STATES = ["connecting", "live", "polling", "uncertain", "failing", "ended"] as const;
export type LiveState = (typeof LIVE_STATES)[number];

/** Why one has ended: by the page; the visitor may not see it; 404 or 410; a redirect; anything else. */
export type EndReason = "closed" | "denied" | "gone" | "moved" | "failed";

/** What is done to the request itself, which is live.js's. */
export interface Follower {
  /** A response, as soon as there is one; rejects when it ends before. */
  ready(): Promise<Response>;
  loop(): AsyncGenerator<Response, void, undefined>;
  close(): void;
}

/** Dispatches `statechange`, and `clear` when the page is to erase what it shows. A loop gets the newest response whenever there is one that it has not had; to leave it is to close. */
export interface Subscription extends EventTarget, AsyncIterable<Response>, Pick<Follower, "ready" | "close"> {
  readonly state: LiveState;
  /** While it is failing, the response that says so. */
  readonly failure?: Response | undefined;
  /** When it has ended, why. */
  readonly reason?: EndReason | undefined;
  /** The same as an error; an AbortError after `close()`. */
  readonly error?: unknown;
}

/** Begin a live request. live.js is no part of client.js, so that a page without one does not load it. */
export function subscribe(parts: Parts, call: LiveCall): Subscription {
  const target = new EventTarget() as Subscription;
  const listen = target.addEventListener.bind(target);
  let isWatched = typeof call[1] !== "function"; // whether somebody is told of its end
  listen("statechange", () => {
    const { state, reason, error } = target;
    // As a promise that rejects, and that nobody looks at.
    if (state === "ended" && reason !== "closed" && !isWatched) void Promise.reject(error);
  });
  const follower = import("./live.js").then(({ follow }) => follow(parts, target, ...call));
  follower.catch((error: unknown) => {
    Object.assign(target, { state: "ended", reason: "failed", error }).dispatchEvent(new Event("statechange"));
  });
  const watched = (): typeof follower => {
    isWatched = true;
    return follower;
  };
  return Object.assign(target, {
    state: "connecting" as const,
    addEventListener: (...listener: Parameters<typeof listen>) => {
      isWatched ||= listener[0] === "statechange";
      listen(...listener);
    },
    ready: () => watched().then((found) => found.ready()),
    close: () => void follower.then((found) => found.close(), () => {}),
    async *[Symbol.asyncIterator]() {
      yield* (await watched()).loop();
    },
  });
}
