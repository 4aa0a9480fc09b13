/** What `live()` gives at once: how a live request stands, while live.js is loaded and from then on. */
import type { LiveCall, Parts } from "./live.js";

/** connecting: not answered yet, or lost; failing: the view fails at present; ended: for good. Only what is live is current. */
export type LiveState = "connecting" | "live" | "failing" | "ended";

/** What is done to the request itself, which is live.js's. */
export interface Follower {
  /** A response, as soon as there is one; rejects when it ends before. */
  ready(): Promise<Response>;
  loop(): AsyncGenerator<Response, void, undefined>;
  close(): void;
}

/** Dispatches `statechange`. A loop gets the newest response whenever there is one that it has not had; to leave it is to close. */
export interface Subscription extends EventTarget, AsyncIterable<Response>, Pick<Follower, "ready" | "close"> {
  readonly state: LiveState;
  /** While it is failing, the response that says so. */
  readonly failure?: Response | undefined;
  /** When it has ended, why; an AbortError after `close()`. */
  readonly error?: unknown;
}

/** Begin a live request. live.js is no part of client.js, so that a page without one does not load it. */
export function subscribe(parts: Parts, call: LiveCall): Subscription {
  const target = new EventTarget() as Subscription;
  const follower = import("./live.js").then(({ follow }) => follow(parts, target, ...call));
  return Object.assign(target, {
    state: "connecting" as const,
    ready: () => follower.then((found) => found.ready()),
    close: () => void follower.then((found) => found.close()),
    async *[Symbol.asyncIterator]() {
      yield* (await follower).loop();
    },
  });
}
