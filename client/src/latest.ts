/**
 * The latest response of a live request, and how a page gets it: by a callback, a loop or a promise.
 *
 * Keeps it as a snapshot, because a Response can be read only once. transports.ts receives it.
 */
import type { Bytes, ServerMessage, WireHeaders } from "./messages.js";
import { patched, patchedText } from "./patches.js";

export interface Snapshot {
  status: number;
  headers: WireHeaders;
  body: Bytes | null;
  /** The value of the body's JSON, if a patch needed it. */
  value?: unknown;
  /** Where the headers come from. Over HTTP, proxies add some and CORS hides some. Without `way`, they are Django's own. */
  way?: "http" | "both" | undefined;
}

/**
 * Headers whose change a page need not see. They differ in each response, follow from the body, or come from a server or proxy.
 * The server ignores those of the first two lines too (wsrequest/live/snapshot.py).
 */
const INSIGNIFICANT = [
  "date", "age", "expires", "etag", "last-modified", "content-length", "set-cookie", "server-timing",
  "x-request-id", "request-id", "x-correlation-id", "x-runtime",
  "connection", "keep-alive", "transfer-encoding", "content-encoding", "server", "vary", "via",
];
const RATE_LIMITS = ["ratelimit", "x-ratelimit", "x-rate-limit"];
/** Headers about the body, which a 304 does not have (RFC 9111, 3.2). */
const BODY_HEADERS = ["content-length", "content-encoding", "content-type", "content-range"];

/** The status of a snapshot of which only the ETag is known. */
export const TAG_ONLY = 304;

export interface Latest {
  loop(): AsyncGenerator<Response, void, undefined>;
  /** Resolves with a response as soon as there is one, or with undefined if the live request ends before. */
  ready(): Promise<Response | undefined>;
  /** Keep a snapshot, and pass it to the page. */
  show(snapshot: Snapshot): void;
  /** Keep a snapshot that the page shows already. */
  keep(snapshot: Snapshot): void;
  clear(): void;
  /** End all loops. They throw the error, if there is one. */
  end(error?: unknown): void;
}

const parsed = (body: Bytes): unknown => JSON.parse(new TextDecoder().decode(body));

/** Makes a snapshot of what the page shows already: a Response or an ETag. Null if there is neither. */
export async function snapshotOf(shown: Response | string | null): Promise<Snapshot | null> {
  if (shown instanceof Response && !shown.bodyUsed) {
    const body = new Uint8Array(await shown.clone().arrayBuffer());
    return { status: shown.status, headers: Object.fromEntries(shown.headers), body, way: "http" };
  }
  const tag = shown instanceof Response ? shown.headers.get("etag") : shown;
  return tag === null ? null : { status: TAG_ONLY, headers: { ETag: tag }, body: null };
}

/** Whether two snapshots show the same. If they came different ways, only headers that both have count. */
export function isSame(one: Snapshot, two: Snapshot | null): boolean {
  if (one.status !== two?.status) return false;
  if (one.status === TAG_ONLY) return true; // only the page has the rest
  const [bytes, others] = [one.body ?? [], two.body ?? []];
  if (bytes.length !== others.length || !bytes.every((byte, index) => byte === others[index])) return false;
  const [before, after] = [significant(one.headers), significant(two.headers)];
  const isSameWay = one.way === two.way && one.way !== "both";
  const names = [...before.keys(), ...after.keys()].filter((name) => isSameWay || (before.has(name) && after.has(name)));
  return names.every((name) => before.get(name) === after.get(name));
}

const byName = (headers: WireHeaders): Map<string, string> =>
  new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value].flat().join(", ")]));

function significant(headers: WireHeaders): Map<string, string> {
  const isSignificant = (name: string): boolean => !INSIGNIFICANT.includes(name) && !RATE_LIMITS.some((each) => name.startsWith(each));
  return new Map([...byName(headers)].filter(([name]) => isSignificant(name)));
}

/** Updates a snapshot with the headers of a 304, which says that it is current. */
export function refreshed(snapshot: Snapshot | null, { headers, way }: Pick<Snapshot, "headers" | "way">): Snapshot | null {
  if (!snapshot) return null;
  const newer = [...byName(headers)].filter(([name]) => !BODY_HEADERS.includes(name));
  const both = Object.fromEntries([...byName(snapshot.headers), ...newer]);
  return { ...snapshot, headers: both, way: snapshot.way === way ? way : "both" };
}

/** Makes the next snapshot from a response. Throws if its patch cannot be applied. Do not use `snapshot` after that. */
export function changed(snapshot: Snapshot | null, { status, headers, body, patch }: ServerMessage): Snapshot {
  const next: Snapshot = { status: status!, headers: headers!, body: body ?? null };
  if (patch === "text") next.body = patchedText(snapshot!.body!, parsed(body!));
  else if (patch) {
    next.value = patched(snapshot!.value ?? parsed(snapshot!.body!), parsed(body!));
    next.body = new TextEncoder().encode(JSON.stringify(next.value));
  }
  return next;
}

/** Keeps the latest snapshot. `respond` makes a Response of it. `loopLeft` is called when the page leaves a loop. */
export function createLatest(
  respond: (snapshot: Snapshot) => Response,
  callback: ((response: Response) => void) | undefined,
  loopLeft: () => void,
): Latest {
  let latest: Snapshot | undefined;
  let count = 0;
  let isOver = false;
  let reason: unknown;
  let wake: (() => void) | undefined;
  let changes: Promise<void>;

  function wakeAll(): void {
    wake?.();
    changes = new Promise((resolve) => (wake = resolve));
  }

  async function* loop(): AsyncGenerator<Response, void, undefined> {
    try {
      for (let seen = 0; ; ) {
        if (count > seen && latest) {
          seen = count;
          yield respond(latest);
        } else if (!isOver) await changes;
        else if (reason) throw reason;
        else return;
      }
    } finally {
      loopLeft();
    }
  }

  wakeAll();
  return {
    loop,
    async ready() {
      while (!latest && !isOver) await changes;
      return latest && respond(latest);
    },
    keep(snapshot) {
      latest = snapshot;
      wakeAll();
    },
    clear() {
      latest = undefined;
    },
    show(snapshot) {
      latest = snapshot;
      count++;
      wakeAll();
      try {
        callback?.(respond(snapshot));
      } catch (error) {
        void Promise.reject(error); // the page's own error: report it as unhandled, and go on
      }
    },
    end(error) {
      isOver = true;
      reason = error;
      wakeAll();
    },
  };
}
