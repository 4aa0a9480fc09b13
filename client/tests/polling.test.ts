/** Live requests without a live way, and how they begin and end: polls, `held`, `clear`, reasons, errors that nobody hears of. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Client, type Subscription } from "../src/index.js";
import { LIVE_STATES } from "../src/subscription.js";
import { FakeSocket } from "./server.js";

const BASE = "http://example.com";
const JSON_TYPE = { "Content-Type": "application/json" };
type Polled = (request: Request) => Response | Promise<Response>;

let client: Client;
let subscriptions: Subscription[] = [];
let gets: Request[] = [];
/** What HTTP answers to a GET of the page itself. */
let page: Polled;
/** What it answers to one of events: there are none. */
let events: Polled;
const uncaught = vi.fn();
let others: NodeJS.UnhandledRejectionListener[] = [];

const byHttp = async (request: Request | string): Promise<Response> => {
  if (!(request instanceof Request)) return new Response(null, { status: 204 }); // a ticket
  if (request.headers.get("accept") === "text/event-stream") return events(request);
  gets.push(request);
  return page(request);
};
function begin(options: object = {}): void {
  client = new Client({ url: `${BASE}/ws/`, WebSocket: FakeSocket, fetch: byHttp as typeof fetch, ...options });
}
function connect(options: object = {}): FakeSocket {
  begin(options);
  client.open();
  FakeSocket.last.greet();
  return FakeSocket.last;
}
const live = ((...call: Parameters<Client["live"]>) => {
  const subscription = client.live(...call);
  subscriptions.push(subscription);
  return subscription;
}) as Client["live"];
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));
async function until(holds: () => unknown): Promise<void> {
  for (const end = Date.now() + 5_000; !holds() && Date.now() < end; ) await turn();
  expect(holds()).toBeTruthy();
}
const quiet = async (): Promise<void> => {
  for (let turns = 0; turns < 20; turns++) await turn();
};
async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await quiet();
}
async function sent(socket: FakeSocket, count: number): Promise<Record<string, unknown> & { id: string }> {
  const frames = (): object[] => socket.heads.filter((head) => !("ping" in head));
  await until(() => frames().length >= count);
  return frames()[count - 1] as never;
}
const answer = (version: number, data: unknown): object => ({
  ...{ version, status: 200, headers: { ...JSON_TYPE, ETag: `"${version}"` }, data },
});
const ok = (value: unknown, etag?: string): Response =>
  new Response(JSON.stringify(value), { headers: { ...JSON_TYPE, ...(etag && { ETag: etag }) } });
function collected(): [unknown[], (response: Response) => void] {
  const found: unknown[] = [];
  return [found, (response) => void response.json().then((value) => found.push(value))];
}
function states(subscription: Subscription): string[] {
  const found: string[] = [];
  subscription.addEventListener("statechange", () => found.push(subscription.state));
  return found;
}

beforeEach(() => {
  FakeSocket.all = [];
  gets = [];
  events = () => new Response("no such page", { status: 404 });
  page = () => Promise.reject(new TypeError("unreachable"));
  uncaught.mockClear();
  others = process.rawListeners("unhandledRejection") as typeof others;
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", uncaught);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vi.advanceTimersByTime(1000);
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(async () => {
  for (const each of subscriptions.splice(0)) each.close();
  await quiet();
  client.close();
  const timers = vi.getTimerCount();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  process.removeAllListeners("unhandledRejection");
  for (const each of others) process.on("unhandledRejection", each);
  expect(timers).toBe(0); // nothing is kept
});

describe("headers that change alone", () => {
  test("are nothing to show where the page has told its ETag only", async () => {
    const socket = connect();
    const statuses: number[] = [];
    const subscription = live("/a/", ({ status }) => void statuses.push(status), { held: '"same"' });
    socket.text({ id: (await sent(socket, 1)).id, ...total(1, 304, { "X-Total": "1" }) });
    await until(() => subscription.state === "live");
    socket.drop(1006);
    while (FakeSocket.last === socket) await pass(500);
    FakeSocket.last.greet();
    const { id } = await sent(FakeSocket.last, 1);
    FakeSocket.last.text({ id, ...total(1, 304, { "X-Total": "2" }) });
    await until(() => subscription.state === "live");
    await quiet();
    expect([statuses, (await subscription.ready()).status]).toEqual([[], 304]);
    FakeSocket.last.text({ id, ...total(2, 200) });
    await until(() => statuses.length);
    expect(statuses).toEqual([200]);
  });

  const total = (version: number, status: number, changes: object = {}): object => ({
    ...{ version, status, headers: { ...JSON_TYPE, ETag: '"same"', "X-Total": "1", ...changes } },
    ...(status === 200 && { data: ["a"] }),
  });
  const NOTHING = { Date: "2", "Content-Length": "5", ETag: '"2"', "X-RateLimit-Remaining": "2", Server: "2", "X-Request-ID": "2" };

  test.each([
    ["one that HTTP did not show", { "X-Other": "1" }, [], ["2"]],
    ["another value", { "X-Total": "2" }, ["2"], ["2", "2"]],
  ])("are shown where a 304 by the socket follows a response by HTTP: %s", async (_, changes, atOnce, behind) => {
    const socket = connect();
    const seen: (string | null)[] = [];
    const held = new Response('["a"]', { headers: { ...JSON_TYPE, ETag: '"same"', "X-Total": "1", "CF-Ray": "1" } });
    const subscription = live("/a/", (response) => void seen.push(response.headers.get("x-total")), { held });
    const { id } = await sent(socket, 1);
    socket.text({ id, ...total(1, 304, changes) });
    await until(() => subscription.state === "live");
    expect(seen).toEqual(atOnce);
    socket.text({ id, ...total(2, 200, { "X-Total": "2" }) });
    await until(() => seen.length === behind.length);
    expect(seen).toEqual(behind);
  });

  /** A live request that has been shown X-Total 1, by the socket. */
  async function shown(): Promise<[FakeSocket, Subscription, (string | null)[]]> {
    const socket = connect();
    const seen: (string | null)[] = [];
    const subscription = live("/a/", (response) => void seen.push(response.headers.get("x-total")));
    socket.text({ id: (await sent(socket, 1)).id, ...total(1, 200) });
    await until(() => seen.length === 1);
    return [socket, subscription, seen];
  }

  test.each([
    [200, { "X-Total": "2" }, true],
    [304, { "X-Total": "2" }, true],
    [304, { "x-total": ["1"] }, false],
    [200, { "X-Total": undefined, "X-Totals": "1" }, true],
    [200, NOTHING, false],
    [304, NOTHING, false],
  ])("are shown behind a reconnect that is answered %d with %o: %o", async (status, changes, isShown) => {
    const [socket, subscription, seen] = await shown();
    socket.drop(1006);
    while (FakeSocket.last === socket) await pass(500);
    FakeSocket.last.greet();
    const { id } = await sent(FakeSocket.last, 1);
    FakeSocket.last.text({ id, ...total(1, status, changes) });
    await until(() => subscription.state === "live");
    expect(seen.length).toBe(isShown ? 2 : 1);
    const now = await subscription.ready();
    const expected = { "x-total": "1", ...Object.fromEntries(Object.entries(changes).map(([name, value]) => [name.toLowerCase(), value])) };
    expect(now.headers.get("x-total")).toBe(expected["x-total"]?.toString() ?? null);
    expect([now.headers.get("content-type"), await now.json()]).toEqual(["application/json", ["a"]]);
    FakeSocket.last.text({ id, ...total(2, 200, { "X-Total": "3" }) });
    await until(() => seen.at(-1) === "3");
  });

  test.each([
    ["another value by 200", 200, { "X-Total": "2" }, 2],
    ["another value by 304", 304, { "X-Total": "2" }, 2],
    ["the same", 200, { "X-Total": "1", Vary: "Cookie", Server: "x" }, 1],
    ["one that CORS hides, and one of a proxy", 200, { "CF-Ray": "1" }, 1],
    ["the length of no body", 304, { "Content-Length": "0", "Content-Type": "text/html" }, 1],
  ])("are shown by a poll: %s", async (_, status, changes, calls) => {
    const [socket, subscription, seen] = await shown();
    const body = status === 200 ? '["a"]' : null;
    page = () => new Response(body, { status, headers: { ...(body && JSON_TYPE), ETag: '"same"', ...changes } as HeadersInit });
    socket.drop(1006);
    while (subscription.state !== "polling") {
      await pass(500);
      if (FakeSocket.last.readyState < 2) FakeSocket.last.drop(1006);
    }
    expect(seen.length).toBe(calls);
    const count = gets.length;
    if (calls === 1) page = () => new Response(body, { status, headers: { ...(body && JSON_TYPE), ...changes, Date: "later" } as HeadersInit });
    while (gets.length === count) {
      await pass(500);
      if (FakeSocket.last.readyState < 2) FakeSocket.last.drop(1006);
    }
    await quiet();
    const now = await subscription.ready();
    expect([seen.length, now.headers.get("content-type"), await now.json()]).toEqual([calls, "application/json", ["a"]]);
  });
});

describe("polling", () => {
  /** A live request of a page whose socket is refused. */
  async function refused(...call: Parameters<Client["live"]>): Promise<Subscription> {
    begin();
    const subscription = live(...call);
    await until(() => client.state === "connecting");
    FakeSocket.last.drop(1006);
    await quiet();
    return subscription;
  }

  test("a plain GET goes at once, conditional ones at a growing pace, and the socket takes over", async () => {
    page = () => ok(["a"], '"1"');
    const [seen, callback] = collected();
    const subscription = await refused("/api/a/?x=1", callback, { headers: { "X-A": "b" } });
    const stood = states(subscription);
    expect([seen, subscription.state, client.state]).toEqual([[["a"]], "polling", "waiting"]);
    expect(gets.map(({ url, redirect, cache }) => [url, redirect, cache])).toEqual([[`${BASE}/api/a/?x=1`, "manual", "no-store"]]);
    expect([gets[0]!.headers.get("x-a"), gets[0]!.headers.get("if-none-match")]).toEqual(["b", null]);
    const at: number[] = [];
    page = () => (at.push(performance.now()), new Response(null, { status: 304 }));
    const began = performance.now();
    for (let second = 0; second < 180; second++) {
      await pass(1000);
      if (client.state === "connecting") FakeSocket.last.drop(1006);
    }
    const pauses = at.map((time, index) => time - (at[index - 1] ?? began));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(60_000);
    for (const [index, pause] of pauses.slice(0, 4).entries()) expect(pause).toBeGreaterThanOrEqual(1500 * 2 ** index);
    expect(at.length).toBeLessThan(9);
    expect(gets.at(-1)!.headers.get("if-none-match")).toBe('"1"');
    expect([seen, stood]).toEqual([[["a"]], []]);
    page = () => ok(["b"], '"2"');
    await pass(60_000);
    expect([seen, subscription.state]).toEqual([[["a"], ["b"]], "polling"]);
    while (client.state !== "connecting") await pass(1000);
    FakeSocket.last.greet();
    const { id, headers } = await sent(FakeSocket.last, 1);
    expect(headers).toEqual({ "x-a": "b", "If-None-Match": '"2"' });
    FakeSocket.last.text({ id, version: 1, status: 304, headers: {} });
    await quiet();
    expect([seen, stood]).toEqual([[["a"], ["b"]], ["live"]]);
  });

  test("a lost socket is polled in place of, from what is held", async () => {
    const socket = connect();
    const [seen, callback] = collected();
    const subscription = live("/a/", callback);
    socket.text({ id: (await sent(socket, 1)).id, ...answer(1, ["a"]) });
    await until(() => seen.length);
    const stood = states(subscription);
    page = (request) => (request.headers.get("if-none-match") === '"1"' ? new Response(null, { status: 304 }) : ok(["b"]));
    socket.drop(1006);
    await quiet();
    expect(subscription.state).toBe("connecting");
    await pass(500);
    FakeSocket.last.drop(1006);
    await pass(5000); // it has time to come back before another way is taken
    expect([stood, seen]).toEqual([["connecting", "polling"], [["a"]]]);
  });

  test("without an ETag equal bodies are equal all the same", async () => {
    page = () => ok(["a"]);
    const [seen, callback] = collected();
    await refused("/a/", callback);
    await pass(20_000);
    expect([gets.length > 2, seen]).toEqual([true, [["a"]]]);
  });

  test.each([
    [404, "gone"],
    [401, "denied"],
    [403, "denied"],
    [302, "moved"],
    [400, "failed"],
  ])("an answer of %i ends it as %s", async (status, reason) => {
    page = () => new Response(null, { status, headers: { Location: "/login/" } });
    const subscription = await refused("/a/");
    expect(subscription).toMatchObject({ state: "ended", reason, error: { inDoubt: false, response: { status } } });
  });

  test("a failure is told, and Retry-After is heeded", async () => {
    page = () => new Response("down", { status: 503, headers: { "Retry-After": "20" } });
    const subscription = await refused("/a/");
    expect([subscription.state, subscription.failure?.status]).toEqual(["failing", 503]);
    page = () => ok("up");
    await pass(19_000);
    expect(gets.length).toBe(1);
    await pass(8_000);
    expect([subscription.state, subscription.failure]).toEqual(["polling", undefined]);
  });

  test("another token is asked for once", async () => {
    const token = vi.fn(async () => `t${token.mock.calls.length}`);
    begin({ token });
    client.close();
    page = ({ headers }) => (headers.get("authorization") === "JWT t2" ? ok("a") : new Response(null, { status: 401 }));
    const subscription = live("/a/");
    await until(() => subscription.state === "polling");
    expect([gets.length, token.mock.calls.length]).toEqual([2, 2]);
  });

  test("events that never begin are polled beside, until they do", async () => {
    page = () => ok("a");
    let start!: (response: Response) => void;
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (found) => void (controller = found) });
    events = ({ signal }) =>
      new Promise((resolve, reject) => {
        start = resolve;
        signal.addEventListener("abort", () => (reject(signal.reason as Error), controller.error(signal.reason)));
      });
    const [seen, callback] = collected();
    const subscription = await refused("/a/", callback);
    expect(gets.length).toBe(0);
    await pass(1500);
    await until(() => subscription.state === "polling");
    await pass(3000);
    expect(gets.length).toBe(2);
    start(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
    controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(answer(1, "b"))}\n\n`));
    await until(() => subscription.state === "live");
    await pass(30_000);
    expect([gets.length, seen]).toEqual([2, ["a", "b"]]);
  });

  test("a server without room for another is polled, and asked again", async () => {
    const socket = connect();
    page = () => ok("a");
    const subscription = live("/a/");
    const full = { code: "too_many_subscriptions", detail: "full", temporary: true };
    socket.text({ id: (await sent(socket, 1)).id, status: 429, error: full });
    await until(() => subscription.state === "polling");
    await pass(1600);
    socket.text({ id: (await sent(socket, 2)).id, ...answer(1, "a") });
    expect(subscription.state).toBe("live");
  });

  test("a page that comes into view asks at once", async () => {
    const signs = new EventTarget();
    vi.stubGlobal("addEventListener", signs.addEventListener.bind(signs));
    vi.stubGlobal("removeEventListener", signs.removeEventListener.bind(signs));
    page = () => ok("a");
    const subscription = await refused("/a/");
    expect([gets.length, subscription.state]).toEqual([1, "polling"]);
    signs.dispatchEvent(new Event("visibilitychange"));
    await until(() => FakeSocket.all.length === 2);
    FakeSocket.last.drop(1006);
    await until(() => gets.length === 2);
  });
});

describe("what the page shows already", () => {
  test.each([
    ["a response", false, "json", ["a"]],
    ["a response that was read", true, undefined, null],
    ["an ETag", null, undefined, null],
  ])("by %s, a 304 is live", async (_, isRead, patch, first) => {
    const socket = connect();
    const [seen, callback] = collected();
    const response = ok(["a"], '"1"');
    if (isRead) await response.text();
    const subscription = live("/a/", callback, { held: isRead === null ? '"1"' : response });
    const asked = await sent(socket, 1);
    expect([asked["headers"], asked["patch"]]).toEqual([{ "If-None-Match": '"1"' }, patch]);
    socket.text({ id: asked.id, version: 1, status: 304, headers: { ETag: '"1"' } });
    await quiet();
    expect([seen, subscription.state]).toEqual([[], "live"]);
    const ready = await subscription.ready();
    expect([ready.status, first && (await ready.json())]).toEqual([first ? 200 : 304, first]);
    const change = { version: 2, status: 200, headers: JSON_TYPE };
    socket.text({ id: asked.id, ...change, ...(patch ? { patch, data: [{ op: "add", path: "/-", value: "b" }] } : { data: ["a", "b"] }) });
    await until(() => seen.length);
    expect([seen, socket.heads.length]).toEqual([[["a", "b"]], 1]);
  });

  test("If-None-Match among the headers means the same, and is asked for no longer than it is held", async () => {
    const socket = connect();
    const [seen, callback] = collected();
    live("/a/", callback, { headers: { "If-None-Match": '"1"', "X-A": "b" } });
    const { id, headers } = await sent(socket, 1);
    expect(headers).toEqual({ "x-a": "b", "If-None-Match": '"1"' });
    socket.text({ id, version: 1, status: 304, headers: { ETag: '"1"' } });
    socket.text({ id, ...answer(2, ["b"]) });
    socket.drop(1006);
    await pass(500);
    FakeSocket.last.greet();
    expect((await sent(FakeSocket.last, 1))["headers"]).toEqual({ "x-a": "b", "If-None-Match": '"2"' });
    expect(seen).toEqual([["b"]]);
  });

  test("what is another comes at once, and what has no ETag is compared by its bytes", async () => {
    const socket = connect();
    const [seen, callback] = collected();
    const subscription = live("/a/", callback, { held: ok(["a"]) });
    const { id, headers } = await sent(socket, 1);
    expect(headers).toEqual({});
    socket.text({ id, ...answer(1, ["a"]) });
    await quiet();
    expect([seen, subscription.state]).toEqual([[], "live"]);
    live("/a/", callback, { held: '"0"' });
    socket.text({ id: (await sent(socket, 2)).id, ...answer(1, ["a"]) });
    await until(() => seen.length);
  });
});

describe("an end", () => {
  test.each([
    [{ status: 301, headers: { Location: "/b/" } }, "moved"],
    [{ status: 410, headers: {} }, "gone"],
    [{ status: 403, headers: {} }, "denied"],
    [{ status: 401, error: { code: "session_ended", detail: "out", temporary: false } }, "denied"],
    [{ status: 422, error: { code: "not_live", detail: "no", temporary: false } }, "failed"],
    [{ status: 500, headers: {} }, "failed"],
  ])("by %o is %s", async (last, reason) => {
    const socket = connect();
    const subscription = live("/a/");
    let cleared = 0;
    subscription.addEventListener("clear", () => cleared++);
    socket.text({ id: (await sent(socket, 1)).id, ...last });
    await until(() => subscription.state === "ended");
    expect([subscription.reason, cleared]).toEqual([reason, reason === "failed" ? 0 : 1]);
    await expect(subscription.ready()).rejects.toBe(subscription.error);
  });

  test("by the page is closed", async () => {
    connect();
    const subscription = live("/a/");
    subscription.close();
    await until(() => subscription.state === "ended");
    expect(subscription.reason).toBe("closed");
  });

  type Listens = (subscription: Subscription) => unknown;
  test.each<[string, boolean, number, Listens]>([
    ["nobody", true, 1, () => {}],
    ["a listener of another event", true, 1, (subscription) => subscription.addEventListener("clear", () => {})],
    ["a listener", true, 0, (subscription) => subscription.addEventListener("statechange", () => {})],
    ["ready()", true, 0, (subscription) => subscription.ready().catch(() => {})],
    ["a loop", true, 0, (subscription) => subscription[Symbol.asyncIterator]().next().catch(() => {})],
    ["nobody, and there is no callback", false, 0, () => {}],
  ])("that is an error is heard of by %s", async (_, calls, count, listens) => {
    const socket = connect();
    const subscription = live("/a/", calls ? () => {} : null);
    listens(subscription);
    socket.text({ id: (await sent(socket, 1)).id, status: 404, headers: {} });
    await until(() => subscription.state === "ended");
    await quiet();
    expect(uncaught.mock.calls.map(([error]) => error as unknown)).toEqual(Array(count).fill(subscription.error));
  });

  test.each([
    ["and nobody notices", 1, () => {}],
    ["and ready() rejects", 0, (subscription: Subscription) => expect(subscription.ready()).rejects.toBeInstanceOf(Error)],
  ])("because live.js could not be loaded is a failure, %s", async (_, count, watch) => {
    vi.doMock("../src/live.js", () => Promise.reject(new Error("offline")));
    connect();
    const subscription = live("/a/", () => {});
    await watch(subscription);
    await until(() => subscription.state === "ended");
    await quiet();
    vi.doUnmock("../src/live.js");
    expect(subscription.reason).toBe("failed");
    expect(uncaught.mock.calls.map(([error]) => error as unknown)).toEqual(Array(count).fill(subscription.error));
  });

  test("by close() is no error for anybody", async () => {
    connect();
    const subscription = live("/a/", () => {});
    subscription.close();
    await until(() => subscription.state === "ended");
    await quiet();
    expect(uncaught).not.toHaveBeenCalled();
  });
});

describe("after a logout", () => {
  test.each([false, true])("elsewhere, what was held is forgotten before it is asked for again, unless it is to be kept (%s)", async (keep) => {
    const socket = connect();
    const [seen, callback] = collected();
    const subscription = live("/mine/", callback, { keep });
    let cleared = 0;
    subscription.addEventListener("clear", () => cleared++);
    socket.text({ id: (await sent(socket, 1)).id, ...answer(1, ["ann's"]) });
    await until(() => seen.length);
    socket.drop(4003);
    await quiet();
    expect([cleared, subscription.state]).toEqual([keep ? 0 : 1, "connecting"]);
    const ready = subscription.ready().then((response) => response.json() as unknown);
    await pass(500);
    FakeSocket.last.greet();
    const { id, headers } = await sent(FakeSocket.last, 1);
    expect(headers).toEqual(keep ? { "If-None-Match": '"1"' } : {});
    FakeSocket.last.text({ id, ...answer(1, ["bob's"]) });
    expect(await ready).toEqual(keep ? ["ann's"] : ["bob's"]);
    await until(() => seen.length === 2);
  });

  test("a connection that is lost otherwise forgets nothing", async () => {
    const socket = connect();
    const subscription = live("/mine/");
    const cleared = vi.fn();
    subscription.addEventListener("clear", cleared);
    socket.text({ id: (await sent(socket, 1)).id, ...answer(1, ["ann's"]) });
    socket.drop(1006);
    await quiet();
    expect(await (await subscription.ready()).json()).toEqual(["ann's"]);
    expect(cleared).not.toHaveBeenCalled();
  });
});

test("the documentation lists every state and reason, and no other", () => {
  const text = readFileSync(new URL("../../docs/client.md", import.meta.url), "utf8");
  const table = (heading: string): string[] =>
    [...(text.split(heading)[1]!.split("\n\n")[0]!.matchAll(/^\| `"(\w+)"` \|/gm))].map(([, name]) => name!);
  begin();
  expect(table("| state | is")).toEqual(LIVE_STATES);
  expect(table("| `subscription.reason` |")).toEqual(["closed", "denied", "gone", "moved", "failed"]);
});
