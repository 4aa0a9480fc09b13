/**
 * A room: the events that the server sends to a live request beside its responses, and who is there (PROTOCOL.md 4.11).
 *
 * live.ts runs the live request. This file decides which events are new, and keeps the last ones and the members. It is a
 * bundle of its own, which client.js loads for the first room.
 */
import type { LiveCallback, LiveContext, LiveOptions, startLive } from "./live.js";
import type { Member } from "./messages.js";
import type { LiveRequest, Subscription } from "./subscription.js";
import type { Push } from "./transports.js";

export interface RoomEvent {
  event: string;
  data: unknown;
  /** The room that it was sent to. Absent if it was sent to a user or a session. */
  room?: string | undefined;
  /** Its place among the events of the room. */
  position?: string | undefined;
  to?: "user" | "session" | undefined;
}
export interface RoomOptions extends Pick<LiveOptions, "headers" | "signal" | "patch"> {
  /** Also get the events that are sent to the user. @default false */
  user?: boolean;
  /** Also get the events that are sent to the session. @default false */
  session?: boolean;
}
export type RoomCall =
  | [url: string | URL, callback?: LiveCallback | null, options?: RoomOptions]
  | [url: string | URL, options: RoomOptions];

/**
 * A room as the page sees it, with the states of a live request.
 *
 * It fires `statechange` and `clear` as a live request does, `members` when `members` has changed, and `missed` when
 * events may be lost. Then `detail.room` names the room, or `detail.to` is `"user"` or `"session"`. A loop gets every
 * event, and leaving it closes the room.
 */
export interface Room extends EventTarget, AsyncIterable<RoomEvent>, Pick<Subscription, "state" | "failure" | "reason" | "error" | "ready" | "close"> {
  /** Who is in the rooms that the view has joined. A new array whenever it changes. */
  readonly members: readonly Member[];
  /** The last 100 events, the newest at the end. A new array whenever it changes. */
  readonly history: readonly RoomEvent[];
  /** Have `listener` called with each event of this name. Returns a function that ends that. */
  // The data is the server's, as with Response.json().
  on(event: string, listener: (data: any, event: RoomEvent) => void): () => void;
  /** POST `{"event", "data"}` to the URL of the room, for its view to decide. Rejects unless the response is 2xx. */
  send(event: string, data?: unknown): Promise<Response>;
}
export type Listener = Parameters<Room["on"]>;
/** What client.js passes on to a room after this file is loaded. */
export interface RoomRequest extends LiveRequest<RoomEvent>, Pick<Room, "send"> {}

const HISTORY_COUNT = 100;
/** How many events may wait for one loop. */
const QUEUE_COUNT = 1000;

interface Held {
  position: string;
  members: Map<string, Member>;
}
interface Loop {
  queue: RoomEvent[];
  wake(): void;
}

/** Whether an event at `position` was received already, or was lost on the way to `held`. */
function isOld(position: string, held: string): boolean {
  const [epoch, number] = position.split(":");
  const [heldEpoch, heldNumber] = held.split(":");
  return epoch === heldEpoch && +number! <= +heldNumber!;
}

const byId = (members: readonly Member[] = []): Map<string, Member> => new Map(members.map((member) => [member.id, member]));

/** Starts the live request of a room by `start`. Keeps the state of `target` up to date, and calls `listeners`. */
export function startRoom(
  start: typeof startLive,
  listeners: ReadonlySet<Listener>,
  context: LiveContext,
  target: Subscription,
  isWatched: () => boolean,
  ...[url, ...rest]: RoomCall
): RoomRequest {
  const { client, RequestFailed } = context;
  const room = target as unknown as { -readonly [Name in keyof Room]: Room[Name] };
  const { user, session, ...options } = (rest.at(-1) ?? {}) as RoomOptions;
  const held = new Map<string, Held>();
  const loops = new Set<Loop>();

  const announce = (type: string, detail?: unknown): unknown => target.dispatchEvent(new CustomEvent(type, { detail }));

  function showMembers(): void {
    room.members = [...new Map([...held.values()].flatMap(({ members }) => [...members])).values()];
    announce("members");
  }

  /** Passes an event to loops and listeners. */
  function show(item: RoomEvent): void {
    room.history = [...room.history, item].slice(-HISTORY_COUNT);
    for (const { queue, wake } of loops) {
      if (queue.push(item) > QUEUE_COUNT) announce("missed", { room: queue.shift()!.room });
      wake();
    }
    for (const [event, listener] of [...listeners]) {
      try {
        if (event === item.event) listener(item.data, item);
      } catch (error) {
        void Promise.reject(error); // the page's own error: report it as unhandled, and go on
      }
    }
  }

  const push: Push = {
    events: ["room", ...(user ? ["user"] : []), ...(session ? ["session"] : [])],
    since(maxCount) {
      const since: Record<string, string> = {};
      for (const [name, each] of held) {
        if (each.position && maxCount-- > 0) since[name] = each.position;
        else each.position = "";
      }
      return held.size ? since : undefined;
    },
    take({ rooms, event, data, room: name, position, to, presence, joined, left, missed }) {
      const of = held.get(name ?? presence ?? missed!);
      if (to && !push.events.includes(to)) return;
      if (rooms) {
        const before = new Map(held);
        held.clear();
        for (const { room, position, missed, members } of rooms) {
          const known = before.get(room)?.position;
          const isMissed = missed || known === "";
          held.set(room, { position: (!isMissed && known) || position, members: byId(members) });
          if (isMissed) announce("missed", { room });
        }
        showMembers();
      } else if (event !== undefined) {
        if (!to) {
          if (!of || isOld(position!, of.position)) return;
          of.position = position!;
        }
        show({ event, data, room: name, position, to });
      } else if (of && presence !== undefined) {
        for (const id of left ?? []) of.members.delete(id);
        for (const member of joined ?? []) of.members.set(member.id, member);
        showMembers();
      } else if (to) announce("missed", { to });
      else if (of) {
        of.position = position!;
        announce("missed", { room: missed });
      }
    },
    clear() {
      held.clear();
      room.history = [];
      for (const { queue } of loops) queue.length = 0;
      showMembers();
    },
  };
  const callback = typeof rest[0] === "function" ? rest[0] : null;
  const request = start(context, target, isWatched, url, callback, { ...options, push, keep: false } as LiveOptions);

  async function* loop(): AsyncGenerator<RoomEvent, void, undefined> {
    const own: Loop = { queue: [], wake: () => {} };
    const wake = (): void => own.wake();
    loops.add(own);
    target.addEventListener("statechange", wake);
    try {
      for (;;) {
        const item = own.queue.shift();
        if (item) yield item;
        else if (target.state !== "ended") await new Promise<void>((resolve) => (own.wake = resolve));
        else if (target.reason === "closed") return;
        else throw target.error;
      }
    } finally {
      loops.delete(own);
      target.removeEventListener("statechange", wake);
      request.close();
    }
  }

  async function send(event: string, data: unknown = null): Promise<Response> {
    const all = new Headers(options.headers);
    all.set("Content-Type", "application/json");
    const response = await client.fetch(url, { method: "POST", headers: all, body: JSON.stringify({ event, data }), redirect: "error" });
    if (response.ok) return response;
    throw Object.assign(new RequestFailed(`The response has status ${response.status}.`), { response });
  }

  return { ...request, loop, send };
}
