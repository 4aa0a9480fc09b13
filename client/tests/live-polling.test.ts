/** Live requests without a live transport: plain GETs, and which headers count as a change. */
import { describe, expect, test, vi } from "vitest";
import type { Subscription, Client } from "../src/index.js";
import { eachAlone, gets, http, ok, pass, states } from "./pollServer.js";
import { BASE, JSON_TYPE, answer, begin, client, collected, connect, live, quiet, sent, until } from "./liveClient.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

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
    http.page = () => new Response(body, { status, headers: { ...(body && JSON_TYPE), ETag: '"same"', ...changes } as HeadersInit });
    socket.drop(1006);
    while (subscription.state !== "polling") {
      await pass(500);
      if (FakeSocket.last.readyState < 2) FakeSocket.last.drop(1006);
    }
    expect(seen.length).toBe(calls);
    const count = gets.length;
    if (calls === 1) http.page = () => new Response(body, { status, headers: { ...(body && JSON_TYPE), ...changes, Date: "later" } as HeadersInit });
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
    http.page = () => ok(["a"], '"1"');
    const [seen, callback] = collected();
    const subscription = await refused("/api/a/?x=1", callback, { headers: { "X-A": "b" } });
    const stood = states(subscription);
    expect([seen, subscription.state, client.state]).toEqual([[["a"]], "polling", "waiting"]);
    expect(gets.map(({ url, redirect, cache }) => [url, redirect, cache])).toEqual([[`${BASE}/api/a/?x=1`, "manual", "no-store"]]);
    expect([gets[0]!.headers.get("x-a"), gets[0]!.headers.get("if-none-match")]).toEqual(["b", null]);
    const at: number[] = [];
    http.page = () => (at.push(performance.now()), new Response(null, { status: 304 }));
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
    http.page = () => ok(["b"], '"2"');
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
    http.page = (request) => (request.headers.get("if-none-match") === '"1"' ? new Response(null, { status: 304 }) : ok(["b"]));
    socket.drop(1006);
    await quiet();
    expect(subscription.state).toBe("connecting");
    await pass(500);
    FakeSocket.last.drop(1006);
    await pass(5000); // it has time to come back before another way is taken
    expect([stood, seen]).toEqual([["connecting", "polling"], [["a"]]]);
  });

  test("without an ETag equal bodies are equal all the same", async () => {
    http.page = () => ok(["a"]);
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
    http.page = () => new Response(null, { status, headers: { Location: "/login/" } });
    const subscription = await refused("/a/");
    expect(subscription).toMatchObject({ state: "ended", reason, error: { inDoubt: false, response: { status } } });
  });

  test("a failure is told, and Retry-After is heeded", async () => {
    http.page = () => new Response("down", { status: 503, headers: { "Retry-After": "20" } });
    const subscription = await refused("/a/");
    expect([subscription.state, subscription.failure?.status]).toEqual(["failing", 503]);
    http.page = () => ok("up");
    await pass(19_000);
    expect(gets.length).toBe(1);
    await pass(8_000);
    expect([subscription.state, subscription.failure]).toEqual(["polling", undefined]);
  });

  test("another token is asked for once", async () => {
    const token = vi.fn(async () => `t${token.mock.calls.length}`);
    begin({ token });
    client.close();
    http.page = ({ headers }) => (headers.get("authorization") === "JWT t2" ? ok("a") : new Response(null, { status: 401 }));
    const subscription = live("/a/");
    await until(() => subscription.state === "polling");
    expect([gets.length, token.mock.calls.length]).toEqual([2, 2]);
  });

  test("events that never begin are polled beside, until they do", async () => {
    http.page = () => ok("a");
    let start!: (response: Response) => void;
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (created) => void (controller = created) });
    http.events = ({ signal }) =>
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
    http.page = () => ok("a");
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
    http.page = () => ok("a");
    const subscription = await refused("/a/");
    expect([gets.length, subscription.state]).toEqual([1, "polling"]);
    signs.dispatchEvent(new Event("visibilitychange"));
    await until(() => FakeSocket.all.length === 2);
    FakeSocket.last.drop(1006);
    await until(() => gets.length === 2);
  });
});
