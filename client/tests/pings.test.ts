/** A line that is dead is noticed: within 5 s of use, at a sign of the browser, and within a bound without either. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Client } from "../src/index.js";
import { FakeSocket } from "./fakeSocket.js";

let client: Client;
const page = new EventTarget(); // what the browser tells a page of the network and of itself
let visibility = "visible";
const byHttp = vi.fn(async () => new Response("by http"));

beforeEach(() => {
  FakeSocket.all = [];
  byHttp.mockClear();
  visibility = "visible";
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vi.advanceTimersByTime(1000); // its clock begins with 0
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
});
afterEach(() => {
  client.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.unstubAllGlobals();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const PING = '{"ping":1}';
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const pings = (socket: FakeSocket): number => socket.sent.filter((frame) => frame === PING).length;

function connect(): FakeSocket {
  client = new Client({ url: "http://example.com/ws/", WebSocket: FakeSocket, fetch: byHttp });
  client.open();
  FakeSocket.last.greet();
  return FakeSocket.last;
}
async function sent(socket: FakeSocket, count: number): Promise<void> {
  for (let turns = 0; socket.sent.length < count && turns < 1000; turns++) await new Promise((done) => setImmediate(done));
  expect(socket.sent.length).toBe(count);
}

describe("in use", () => {
  test("a call that waits is answered by HTTP 5 s later", async () => {
    const socket = connect();
    await pass(20_000);
    const call = client.fetch("/");
    await sent(socket, 1);
    await pass(1999);
    expect(pings(socket)).toBe(0);
    await pass(1);
    expect(pings(socket)).toBe(1);
    await pass(2999);
    expect(client.state).toBe("open");
    await pass(1);
    expect([client.state, socket.isClosed, await (await call).text()]).toEqual(["waiting", true, "by http"]);
  });

  test("further calls do not put that off", async () => {
    const socket = connect();
    const calls = [];
    for (let second = 0; second < 5; second++) {
      calls.push(client.fetch("/"));
      await sent(socket, second + 1 + pings(socket));
      await pass(1000);
    }
    expect(client.state).toBe("waiting");
    expect(await Promise.all(calls.map(async (call) => (await call).text()))).toEqual(Array(5).fill("by http"));
  });

  test("a slow view is waited for while the server answers pings", async () => {
    const socket = connect();
    const call = client.fetch("/");
    await sent(socket, 1);
    for (let second = 0; second < 60; second++) {
      const before = pings(socket);
      await pass(1000);
      if (pings(socket) > before) socket.raw('{"pong":1}');
    }
    expect(pings(socket)).toBe(30);
    socket.text({ id: 1, status: 204, headers: {} });
    expect((await call).status).toBe(204);
    await pass(29_000);
    expect([client.state, pings(socket)]).toEqual(["open", 30]); // nobody waits any more
  });

  test("what is being sent has the time that a slow uplink takes for it", async () => {
    const socket = connect();
    const call = client.fetch("/", { method: "PUT", body: "x".repeat(65_600) });
    await sent(socket, 1);
    await pass(2000 + 3000 + 999);
    expect(client.state).toBe("open");
    await pass(100);
    expect([client.state, await (await call).text()]).toEqual(["waiting", "by http"]);
  });
});

describe("without use", () => {
  test("the bound is ping_seconds and 8 s", async () => {
    connect();
    await pass(32_999);
    expect(client.state).toBe("open");
    await pass(1);
    expect(client.state).toBe("waiting");
  });

  test("the server's own pings keep it without one of the client's", async () => {
    const socket = connect();
    for (let count = 0; count < 10; count++) {
      await pass(25_000);
      socket.raw('{"ping":1}');
    }
    expect([client.state, pings(socket)]).toEqual(["open", 0]);
  });
});

describe("signs of the browser", () => {
  test.each(["offline", "online", "visibilitychange", "pageshow"])("at %s the line is looked at, and given up within 3 s", async (sign) => {
    const socket = connect();
    page.dispatchEvent(new Event(sign));
    expect(pings(socket)).toBe(1);
    page.dispatchEvent(new Event(sign)); // one ping is enough
    expect(pings(socket)).toBe(1);
    await pass(3000);
    expect(client.state).toBe("waiting");
  });

  test.each([
    ["online", "visible", 2],
    ["visibilitychange", "visible", 2],
    ["visibilitychange", "hidden", 1],
    ["offline", "visible", 1],
  ])("one that was lost is opened at once at %s of a page that is %s", async (sign, state, sockets) => {
    vi.stubGlobal("document", {
      get visibilityState() {
        return visibility;
      },
    });
    visibility = state;
    connect().drop(1006);
    page.dispatchEvent(new Event(sign));
    expect(FakeSocket.all.length).toBe(sockets);
  });

  test("a client that was closed hears of none", () => {
    connect();
    client.close();
    page.dispatchEvent(new Event("online"));
    expect([client.state, FakeSocket.all.length]).toEqual(["closed", 1]);
  });
});

describe("what is no dead line", () => {
  /** Given up for silence, and back. */
  async function silence(ms: number): Promise<void> {
    page.dispatchEvent(new Event("online"));
    await pass(ms - 1);
    expect(client.state).toBe("open");
    await pass(1);
    expect(client.state).toBe("waiting");
    await pass(30_000);
    FakeSocket.last.greet();
  }

  test("each time it has twice as long, until a ping is answered in time", async () => {
    connect();
    for (const ms of [3000, 6000, 12_000, 24_000, 30_000]) await silence(ms);
    page.dispatchEvent(new Event("online"));
    await pass(2000);
    FakeSocket.last.raw('{"pong":1}');
    await silence(3000);
  });

  test("a page that was busy itself looks again before it gives up", async () => {
    const socket = connect();
    page.dispatchEvent(new Event("online"));
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + 60_000); // as after a sleep
    await pass(3000);
    expect(client.state).toBe("open");
    socket.raw('{"pong":1}'); // it was there all the time
    await pass(4000);
    expect(client.state).toBe("open");
  });
});
