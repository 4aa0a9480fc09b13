/** What `live()` returns at once: the state of a live request, before and after live.js is loaded. */
import type { LiveCall, LiveContext } from "./live.js";
import type { Listener, Room, RoomCall, RoomRequest } from "./room.js";

/** PROTOCOL.md 4.10. Only in the state `live` is the response current. In the state `polling`, it was current at the last GET. In the state `uncertain`, the server may miss changes. */
export const LIVE_STATES = ["connecting", "live", "polling", "uncertain", "failing", "ended"] as const;
export type LiveState = (typeof LIVE_STATES)[number];

/**
 * - `closed`: by the page
 * - `denied`: the visitor may not see it
 * - `gone`: 404 or 410
 * - `moved`: a redirect
 * - `failed`: anything else
 */
export type EndReason = "closed" | "denied" | "gone" | "moved" | "failed";

/** A live request, which live.js runs. */
export interface LiveRequest<Item = Response> {
  /** Resolves with a response as soon as there is one. Rejects if the live request ends before. */
  ready(): Promise<Response>;
  loop(): AsyncGenerator<Item, void, undefined>;
  close(): void;
}

/**
 * A live request as the page sees it.
 *
 * It fires `statechange`, and `clear` when the page must erase what it shows. A loop gets the newest response whenever
 * there is a new one. Leaving the loop closes the live request.
 */
export interface Subscription extends EventTarget, AsyncIterable<Response>, Pick<LiveRequest, "ready" | "close"> {
  readonly state: LiveState;
  /** The failed response, in the state `failing`. */
  readonly failure?: Response | undefined;
  /** Why the live request has ended, in the state `ended`. */
  readonly reason?: EndReason | undefined;
  /** The error that ended it, in the state `ended`. After `close()`, an AbortError. */
  readonly error?: unknown;
}

/** Starts a live request. live.js is not part of client.js, so a page without live requests does not load it. */
export function subscribe(context: LiveContext, call: LiveCall): Subscription;
/** Starts the live request of a room, which `file` runs. */
export function subscribe(context: LiveContext, call: RoomCall, file: Promise<typeof import("./room.js")>): Room;
export function subscribe(context: LiveContext, call: LiveCall | RoomCall, file?: Promise<typeof import("./room.js")>): Subscription | Room {
  const target = new EventTarget() as Subscription;
  const listeners = new Set<Listener>();
  const listen = target.addEventListener.bind(target);
  let isWatched = !file && typeof call[1] !== "function"; // whether the page notices the end
  const loaded = Promise.all([import("./live.js"), file]).then(([{ startLive }, room]) => {
    const parts = [context, target, () => isWatched] as const;
    return room ? room.startRoom(startLive, listeners, ...parts, ...(call as RoomCall)) : startLive(...parts, ...call);
  });
  loaded.catch((error: unknown) => {
    Object.assign(target, { state: "ended", reason: "failed", error }).dispatchEvent(new Event("statechange"));
    if (!isWatched) throw error; // reported as an unhandled rejection
  });
  const watched = (): typeof loaded => {
    isWatched = true;
    return loaded;
  };
  return Object.assign(target, {
    state: "connecting" as const,
    addEventListener: (...listener: Parameters<typeof listen>) => {
      isWatched ||= listener[0] === "statechange";
      listen(...listener);
    },
    ready: () => watched().then((request) => request.ready()),
    close: () => void loaded.then((request) => request.close(), () => {}),
    async *[Symbol.asyncIterator]() {
      yield* (await watched()).loop();
    },
    // Only rooms show these.
    members: [],
    history: [],
    on: (...listener: Listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    send: (...message: Parameters<Room["send"]>) => loaded.then((request) => (request as RoomRequest).send(...message)),
  }) as Subscription | Room;
}
