/** Thousands of calls that end badly: each is settled, and nothing of them stays: no listener, no timer, no memory. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { Client } from "../src/index.js";
import "../src/upload.js"; // so that it is there at once when it is needed
import { FakeSocket } from "./fakeSocket.js";

const CALLS = 100; // a round, on one connection
const ROUNDS = 10; // and half as many before
// A call that is held costs several times as much; what comes by chance is less.
const BYTES_A_CALL = 700;

let client: Client;
// The listeners on signals that are there; those of a Request itself have options.
const listening = new Set<unknown>();
// The promises of calls, and those listeners, from which all else of a call can be reached.
let held: WeakRef<object>[] = [];
const { addEventListener, removeEventListener } = AbortSignal.prototype;

beforeAll(() => {
  AbortSignal.prototype.addEventListener = function (this: AbortSignal, ...given: Parameters<typeof addEventListener>): void {
    if (given.length === 2) {
      listening.add(given[1]);
      held.push(new WeakRef(given[1]));
    }
    addEventListener.apply(this, given);
  };
  AbortSignal.prototype.removeEventListener = function (this: AbortSignal, ...given: Parameters<typeof removeEventListener>): void {
    listening.delete(given[1]);
    removeEventListener.apply(this, given);
  };
});
afterAll(() => Object.assign(AbortSignal.prototype, { addEventListener, removeEventListener }));

beforeEach(() => {
  listening.clear();
  held = [];
  sources = 0;
  FakeSocket.all = [];
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const fetch = async (): Promise<Response> => new Response("by http");
  client = new Client({ url: "http://example.com/ws/", WebSocket: FakeSocket, fetch });
});
afterEach(() => vi.useRealTimers());

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((done) => setImmediate(done));
};

function connect(): FakeSocket {
  FakeSocket.all = [];
  client.open();
  FakeSocket.last.greet();
  return FakeSocket.last;
}

async function call(init: RequestInit = {}): Promise<string> {
  const answer = client.fetch("/", init);
  held.push(new WeakRef(answer));
  return (await answer).text();
}

/** So many calls, until their first frames are sent. */
async function begin(socket: FakeSocket, init: () => RequestInit = () => ({})): Promise<Promise<string>[]> {
  const calls = Array.from({ length: CALLS }, () => call(init()));
  for (const each of calls) each.catch(() => {}); // how it ends is looked at later
  while (socket.sent.length < CALLS) await turns(1);
  return calls;
}

const ids = Array.from({ length: CALLS }, (_, index) => index + 1);
const posts = (): RequestInit => ({ method: "POST", body: "x" });
let sources = 0; // bodies of which nobody has said that no more is wanted
const endless = (): RequestInit => {
  sources++;
  const pull = (to: ReadableStreamDefaultController): void => to.enqueue(new Uint8Array(50_000));
  return { method: "POST", body: new ReadableStream({ pull, cancel: () => void sources-- }) };
};
const half = (socket: FakeSocket): void => {
  for (const id of ids) socket.binary({ id, status: 200, headers: {}, more: true }, "half");
};

type Round = () => Promise<Promise<string>[]>;
/** Calls are under way when this happens to their connection. */
const under = (init: () => RequestInit, happens: (socket: FakeSocket) => unknown): Round => async () => {
  const socket = connect();
  const calls = await begin(socket, init);
  await happens(socket);
  return calls;
};
/** They wait for a connection of which this becomes. */
const early = (happens: () => unknown): Round => async () => {
  client.open();
  const calls = Array.from({ length: CALLS }, () => call());
  await turns(2);
  await happens();
  return calls;
};

const aborted = (abortsBody: boolean): Round => async () => {
  const socket = connect();
  const controller = new AbortController();
  const calls = await begin(socket, () => ({ signal: controller.signal }));
  if (abortsBody) half(socket);
  await turns(2);
  controller.abort();
  return calls;
};

const forever = new AbortController();
const kinds: Record<string, [string, Round]> = {
  "frames that are not JSON": ["rejected", under(posts, (socket) => socket.raw("{"))],
  "frames that have no head": ["rejected", under(posts, (socket) => socket.raw(new Uint8Array(9).buffer))],
  "answers that are none": ["rejected", under(posts, (socket) => ids.forEach((id) => socket.text({ id, status: 99 })))],
  "answers cut in half by a refusal": [
    "rejected",
    under(posts, (socket) => {
      half(socket);
      for (const id of ids) socket.text({ id, error: { code: "internal_error", detail: "no" } });
    }),
  ],
  "answers cut in half by a lost connection": [
    "rejected",
    under(posts, async (socket) => {
      half(socket);
      await turns(2);
      socket.drop(1006);
    }),
  ],
  "second answers": ["rejected", under(posts, (socket) => (half(socket), half(socket)))],
  "parts before the answer": ["rejected", under(posts, (socket) => ids.forEach((id) => socket.binary({ id }, "x")))],
  "unknown ids": [
    "fulfilled",
    under(posts, (socket) => {
      for (const id of ids) {
        for (const head of [{ status: 200 }, { credit: 5 }, { error: { code: "a", detail: "b" } }]) socket.text({ id: -id, ...head });
        socket.binary({ id: `${id}`, more: true }, "x");
        socket.text({ id, status: 204, headers: {} });
      }
    }),
  ],
  "lost connections": ["fulfilled", under(() => ({ signal: forever.signal }), (socket) => socket.drop(1006))],
  "lost uploads": ["rejected", under(endless, async (socket) => (await turns(5), socket.drop(1006)))],
  "refused uploads": [
    "rejected",
    under(endless, (socket) => ids.forEach((id) => socket.text({ id, status: 413, error: { code: "body_too_large", detail: "no" } }))),
  ],
  "a server that falls silent": ["fulfilled", under(() => ({}), () => vi.advanceTimersByTimeAsync(60_000))],
  "a server that sends nothing": ["fulfilled", early(() => vi.advanceTimersByTimeAsync(10_000))],
  "another version": ["fulfilled", early(() => FakeSocket.last.greet({ protocol: "wsrequest.v9" }))],
  "close() in between": [
    "fulfilled",
    early(() => {
      FakeSocket.last.greet();
      client.close();
    }),
  ],
  "aborted calls": ["rejected", aborted(false)],
  "aborted bodies": ["rejected", aborted(true)],
};

/** How many of what calls had is held still, and what the heap has besides. */
async function weigh(): Promise<[number, number]> {
  const collect = async (): Promise<void> => {
    globalThis.gc!();
    await turns(2);
  };
  // Some go later than others, as the platform's own finalizers let them.
  const alive = (): WeakRef<object>[] => held.filter((each) => each.deref());
  for (let pass = 0; pass < 50 && (pass < 3 || alive().length); pass++) await collect();
  const count = alive().length;
  held = [];
  for (let pass = 0; pass < 3; pass++) await collect();
  return [count, process.memoryUsage().heapUsed];
}

test.each(Object.entries(kinds))("%s: they leave nothing behind", async (_, [status, round]) => {
  const rounds = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      const ends = await Promise.allSettled(await round());
      expect(new Set(ends.map((end) => end.status))).toEqual(new Set([status]));
      expect(client.unfinishedCount).toBe(0);
      client.close();
      FakeSocket.all = [];
      expect([listening.size, vi.getTimerCount(), sources]).toEqual([0, 0, 0]);
    }
  };
  await rounds(ROUNDS / 2); // what is made once
  const [, before] = await weigh();
  await rounds(ROUNDS);
  expect(held.length).toBe(2 * ROUNDS * CALLS);
  const [count, after] = await weigh();
  // Of thousands a few may still stand on the engine's own stack; what leaks is all of them.
  expect(count).toBeLessThan(5);
  expect((after - before) / (ROUNDS * CALLS)).toBeLessThan(BYTES_A_CALL);
}, 60_000);
