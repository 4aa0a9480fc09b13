/**
 * What a live request holds, and how a page gets it: by callback, by loop, by promise.
 *
 * Owns the newest answer, and the Responses made of it, since each can be read once only. How it comes is live's.
 */
import type { Bytes, Headings, ServerMessage } from "./messages.js";
import { patched } from "./patches.js";

export interface Held {
  status: number;
  headers: Headings;
  body: Bytes | null;
  /** What the body says, where a patch needed that. */
  value?: unknown;
  /** Whose the headers are: by HTTP a proxy adds to them, and CORS hides some. Without one, Django's own. */
  way?: "http" | "both" | undefined;
}

/**
 * Headers that tell a page nothing: they differ in each answer, follow from the body, or are those of a server or proxy.
 * The first two lines are what the server leaves out when it compares (wsrequest/live/snapshot.py).
 */
const TELLING_NOTHING = [
  "date", "age", "expires", "etag", "last-modified", "content-length", "set-cookie", "server-timing",
  "x-request-id", "request-id", "x-correlation-id", "x-runtime",
  "connection", "keep-alive", "transfer-encoding", "content-encoding", "server", "vary", "via",
];
const RATE_LIMITS = ["ratelimit", "x-ratelimit", "x-rate-limit"];
/** Of the body, which a 304 has not (RFC 9111, 3.2). */
const OF_BODY = ["content-length", "content-encoding", "content-type", "content-range"];

/** The status of what is held where nothing but its ETag is known. */
export const TAG_ONLY = 304;

export interface Newest {
  loop(): AsyncGenerator<Response, void, undefined>;
  /** A response, as soon as there is one; undefined when it ends without. */
  ready(): Promise<Response | undefined>;
  show(held: Held): void;
  /** It is current, and the page shows it already. */
  hold(held: Held): void;
  clear(): void;
  /** Loops end, by throwing the error if there is one. */
  end(error?: unknown): void;
}

const parsed = (body: Bytes): unknown => JSON.parse(new TextDecoder().decode(body));

/** What the page shows, by a response or by its ETag; null where that says nothing. */
export async function heldOf(shown: Response | string | null): Promise<Held | null> {
  if (shown instanceof Response && !shown.bodyUsed) {
    const body = new Uint8Array(await shown.clone().arrayBuffer());
    return { status: shown.status, headers: Object.fromEntries(shown.headers), body, way: "http" };
  }
  const tag = shown instanceof Response ? shown.headers.get("etag") : shown;
  return tag === null ? null : { status: TAG_ONLY, headers: { ETag: tag }, body: null };
}

/** Whether two answers show the same. Where they did not come by the same way, only headers that both have count. */
export function isSame(held: Held, other: Held | null): boolean {
  if (held.status !== other?.status) return false;
  if (held.status === TAG_ONLY) return true; // the page has what neither of them says
  const [one, two] = [held.body ?? [], other.body ?? []];
  if (one.length !== two.length || !one.every((byte, index) => byte === two[index])) return false;
  const [before, after] = [telling(held.headers), telling(other.headers)];
  const isOneWay = held.way === other.way && held.way !== "both";
  const names = [...before.keys(), ...after.keys()].filter((name) => isOneWay || (before.has(name) && after.has(name)));
  return names.every((name) => before.get(name) === after.get(name));
}

const named = (headers: Headings): Map<string, string> =>
  new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value].flat().join(", ")]));

function telling(headers: Headings): Map<string, string> {
  const isTelling = (name: string): boolean => !TELLING_NOTHING.includes(name) && !RATE_LIMITS.some((each) => name.startsWith(each));
  return new Map([...named(headers)].filter(([name]) => isTelling(name)));
}

/** What is held, with the headers of a 304 that says that it is current. */
export function refreshed(held: Held | null, { headers, way }: Pick<Held, "headers" | "way">): Held | null {
  if (!held) return null;
  const newer = [...named(headers)].filter(([name]) => !OF_BODY.includes(name));
  const both = Object.fromEntries([...named(held.headers), ...newer]);
  return { ...held, headers: both, way: held.way === way ? way : "both" };
}

/** What is held after an answer. Throws when its patch cannot be applied, and `held` is of no use then. */
export function changed(held: Held | null, { status, headers, body, patch }: ServerMessage): Held {
  const next: Held = { status: status!, headers: headers!, body: body ?? null };
  if (patch) {
    next.value = patched(held!.value ?? parsed(held!.body!), parsed(body!));
    next.body = new TextEncoder().encode(JSON.stringify(next.value));
  }
  return next;
}

/** `respond` makes a Response of what is held; `left` is called when a loop is left. */
export function newestBy(
  respond: (held: Held) => Response,
  callback: ((response: Response) => void) | undefined,
  left: () => void,
): Newest {
  let newest: Held | undefined;
  let count = 0;
  let isOver = false;
  let reason: unknown;
  let wake: (() => void) | undefined;
  let woken: Promise<void>;

  function tell(): void {
    wake?.();
    woken = new Promise((resolve) => (wake = resolve));
  }

  async function* loop(): AsyncGenerator<Response, void, undefined> {
    try {
      for (let seen = 0; ; ) {
        if (count > seen && newest) {
          seen = count;
          yield respond(newest);
        } else if (!isOver) await woken;
        else if (reason) throw reason;
        else return;
      }
    } finally {
      left();
    }
  }

  tell();
  return {
    loop,
    async ready() {
      while (!newest && !isOver) await woken;
      return newest && respond(newest);
    },
    hold(held) {
      newest = held;
      tell();
    },
    clear() {
      newest = undefined;
    },
    show(held) {
      newest = held;
      count++;
      tell();
      try {
        callback?.(respond(held));
      } catch (error) {
        void Promise.reject(error); // the page's own, to be told as such, and no reason to end anything
      }
    },
    end(error) {
      isOver = true;
      reason = error;
      tell();
    },
  };
}
