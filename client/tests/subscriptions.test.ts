/** Live requests, against the other end of a socket, or of a stream of events, in the test's own hand. */
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Client, RequestFailed, type Options, type Subscription } from "../src/index.js";
import { FakeSocket } from "./server.js";

const BASE = "http://example.com";
const JSON_TYPE = { "Content-Type": "application/json" };
let client: Client;
let subscriptions: Subscription[] = [];

/** Streams of events that were asked for: each what was asked, and what sends to it. */
interface Stream {
  request: Request;
  event(head: object): void;
  text(text: string): void;
  end(): void;
}
let streams: Stream[] = [];
/** What `fetch` gives in place of a stream. */
let refusal: (() => Response | Promise<Response>) | undefined;

const byHttp = vi.fn(async (request: Request): Promise<Response> => {
  if (refusal) return refusal();
  // A plain GET: polling.test.ts has servers that answer one.
  if (request instanceof Request && request.headers.get("accept") !== "text/event-stream") throw new TypeError("unreachable");
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (found) => void (controller = found) });
  request.signal.addEventListener("abort", () => controller.error(request.signal.reason));
  const text = (text: string): void => controller.enqueue(new TextEncoder().encode(text));
  const event = (head: object): void => text(`data: ${JSON.stringify(head)}\n\n`);
  streams.push({ request, event, text, end: () => controller.close() });
  return new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
});

async function connect(options: Options = {}): Promise<FakeSocket> {
  client = new Client({ url: `${BASE}/ws/`, WebSocket: FakeSocket, fetch: byHttp as unknown as typeof fetch, ...options });
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
  for (const end = performance.now() + 5_000; !holds() && performance.now() < end; ) await turn();
  expect(holds()).toBeTruthy();
}
/** Until nothing moves any more without a frame or the clock; both are the test's. */
const quiet = async (): Promise<void> => {
  for (let turns = 0; turns < 20; turns++) await turn();
};
/** The `count`th frame that the client sent on this socket, its pings left out. */
async function sent(socket: FakeSocket, count: number): Promise<Record<string, unknown> & { id: string }> {
  const frames = (): object[] => socket.heads.filter((head) => !("ping" in head));
  await until(() => frames().length >= count);
  expect(frames().length).toBe(count);
  return frames()[count - 1] as never;
}
const answer = (version: number, data: unknown, changes: object = {}): object => ({
  ...{ version, status: 200, headers: { ...JSON_TYPE, ETag: `"${version}"` } },
  ...changes,
  data,
});
const json = async (response: Response): Promise<unknown> => response.json();
/** What a callback was given, as values. */
function collected(): [unknown[], (response: Response) => void] {
  const found: unknown[] = [];
  return [found, (response) => void json(response).then((value) => found.push(value))];
}

beforeEach(() => {
  FakeSocket.all = [];
  streams = [];
  refusal = undefined;
  byHttp.mockClear();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(async () => {
  for (const each of subscriptions.splice(0)) each.close();
  await quiet();
  expect(client.unfinishedCount).toBe(0);
  client.close();
  for (const { request } of streams) expect(request.signal.aborted).toBe(true);
  expect(vi.getTimerCount()).toBe(0); // nothing is kept
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("over the socket", () => {
  test("a callback is given each version as a Response", async () => {
    const socket = await connect();
    const seen: Response[] = [];
    const subscription = live("/api/a/?x=1", (response) => seen.push(response), { headers: { "X-A": "b" } });
    const { id, ...asked } = await sent(socket, 1);
    expect(asked).toEqual({ url: "/api/a/?x=1", headers: { "x-a": "b" }, subscribe: true, patch: "json" });
    expect([subscription.state, client.unfinishedCount]).toEqual(["connecting", 0]);
    socket.text({ id, ...answer(3, [1]) });
    expect(subscription.state).toBe("live");
    socket.text({ id, ...answer(8, [1, 2]) });
    expect(seen.map(({ status, ok, url }) => [status, ok, url])).toEqual(Array(2).fill([200, true, `${BASE}/api/a/?x=1`]));
    expect(await Promise.all([...seen, await subscription.ready()].map(json))).toEqual([[1], [1, 2], [1, 2]]);
    expect(seen[1]!.headers.get("etag")).toBe('"8"');
  });

  test("a loop gets only the newest of those that came while it was busy, and leaving it cancels", async () => {
    const socket = await connect();
    const subscription = live("/a/");
    const loop = (async () => {
      const found: unknown[] = [];
      for await (const response of subscription) {
        found.push(await response.json());
        await quiet();
        if (found.length === 2) break;
      }
      return found;
    })();
    const { id } = await sent(socket, 1);
    for (const version of [1, 2, 3]) {
      socket.text({ id, ...answer(version, version) });
      if (version === 1) await turn();
    }
    expect(await loop).toEqual([1, 3]);
    expect(await sent(socket, 2)).toEqual({ id, cancel: true });
    expect(subscription).toMatchObject({ state: "ended", error: { name: "AbortError" } });
    socket.text({ id, ...answer(4, 4) }); // crosses the cancel
  });

  test("two loops of one subscription each get the newest", async () => {
    const socket = await connect();
    const subscription = live("/a/");
    const loops = [1, 2].map(() => subscription[Symbol.asyncIterator]());
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, "a") });
    for (const loop of loops) expect(await json((await loop.next()).value as Response)).toBe("a");
  });

  test("a version that is not greater is ignored", async () => {
    const socket = await connect();
    const [seen, callback] = collected();
    live("/a/", callback);
    const { id } = await sent(socket, 1);
    for (const version of [5, 4, 5, 6]) socket.text({ id, ...answer(version, version) });
    await quiet();
    expect(seen).toEqual([5, 6]);
  });

  test.each([
    ["close()", (subscription: Subscription) => subscription.close()],
    ["a signal", (_: Subscription, controller: AbortController) => controller.abort()],
  ])("%s cancels, and ends a loop without an error", async (_, end) => {
    const socket = await connect();
    const controller = new AbortController();
    const subscription = live("/a/", null, { signal: controller.signal });
    const loop = (async () => {
      for await (const _ of subscription);
      return "done";
    })();
    const ready = expect(subscription.ready()).rejects.toMatchObject({ name: "AbortError" });
    const { id } = await sent(socket, 1);
    end(subscription, controller);
    expect([await loop, subscription.state]).toEqual(["done", "ended"]);
    await ready;
    expect(await sent(socket, 2)).toEqual({ id, cancel: true });
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  test.each([
    ["closed", (subscription: Subscription) => subscription.close(), undefined],
    ["aborted", () => {}, AbortSignal.abort()],
  ])("one that is %s before live.js is there sends nothing", async (_, end, signal) => {
    const socket = await connect();
    const subscription = live("/a/", { signal: signal ?? null });
    end(subscription);
    await until(() => subscription.state === "ended");
    await quiet();
    expect(socket.sent).toEqual([]);
  });

  test.each([
    ["was closed", () => client.close()],
    ["is being closed by the server", () => (FakeSocket.last.readyState = 2)],
  ])("nothing is sent on a connection that %s", async (_, end) => {
    const socket = await connect();
    const subscription = live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, 1) });
    await until(() => subscription.state === "live");
    end();
    subscription.close();
    await until(() => subscription.state === "ended");
    await quiet();
    expect(socket.sent.length).toBe(1);
  });

  test("a callback that throws ends nothing, and its error is the page's", async () => {
    const socket = await connect();
    const uncaught = vi.fn();
    const others = process.rawListeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", uncaught);
    const subscription = live("/a/", () => {
      throw new Error("the page's own");
    });
    const { id } = await sent(socket, 1);
    for (const version of [1, 2]) socket.text({ id, ...answer(version, version) });
    await until(() => uncaught.mock.calls.length === 2);
    process.removeAllListeners("unhandledRejection");
    for (const each of others) process.on("unhandledRejection", each as () => void);
    expect([subscription.state, client.state]).toEqual(["live", "open"]);
  });

  test("a ticket of a version is redeemed", async () => {
    const socket = await connect();
    refusal = () => new Response(null, { status: 204 });
    live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, cookies: "t1", ...answer(1, 1) });
    expect(byHttp.mock.calls).toEqual([[`${BASE}/ws/`, expect.objectContaining({ method: "POST" })]]);
  });

  test("another origin cannot be live", async () => {
    await connect();
    const subscription = live("http://other.example/a/");
    await expect(subscription.ready()).rejects.toThrow("another origin");
    expect(subscription).toMatchObject({ state: "ended", error: { name: "TypeError" } });
  });
});

describe("patches", () => {
  test("a patch changes what is held", async () => {
    const socket = await connect();
    const [seen, callback] = collected();
    live("/a/", callback);
    const { id, patch } = await sent(socket, 1);
    expect(patch).toBe("json");
    socket.text({ id, ...answer(1, { a: [1], b: 1 }) });
    socket.text({ id, patch, ...answer(2, [{ op: "add", path: "/a/-", value: 2 }]) });
    await quiet();
    expect(seen).toEqual([{ a: [1], b: 1 }, { a: [1, 2], b: 1 }]);
  });

  test("each patch applies to the version before, also after a failure that passed", async () => {
    const socket = await connect();
    const [seen, callback] = collected();
    live("/a/", callback);
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, []) });
    for (const version of [2, 3]) socket.text({ id, patch: "json", ...answer(version, [{ op: "add", path: "/-", value: version }]) });
    socket.text({ id, version: 4, status: 503, headers: {} });
    socket.text({ id, patch: "json", ...answer(5, [{ op: "remove", path: "/0" }]) });
    await quiet();
    expect(seen).toEqual([[], [2], [2, 3], [3]]);
  });

  test("false asks for whole bodies, which come byte for byte", async () => {
    const socket = await connect();
    const subscription = live("/a/", { patch: false });
    const { id, patch } = await sent(socket, 1);
    expect(patch).toBeUndefined();
    socket.raw(`{"id":"${id}","version":1,"status":200,"headers":{"Content-Type":"application/json"},"data":[ 1.10, 12345678901234567890 ]}`);
    expect(await (await subscription.ready()).text()).toBe("[ 1.10, 12345678901234567890 ]");
  });

  test("one that does not fit has all asked for again", async () => {
    const socket = await connect();
    const [seen, callback] = collected();
    const subscription = live("/a/", callback);
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, []) });
    socket.text({ id, patch: "json", ...answer(2, [{ op: "add", path: "/0", value: 1 }, { op: "remove", path: "/7" }]) });
    expect(await sent(socket, 2)).toEqual({ id, cancel: true });
    await until(() => subscription.state === "connecting");
    await vi.advanceTimersByTimeAsync(500);
    const again = await sent(socket, 3);
    expect(again.id).not.toBe(id);
    expect(again["headers"]).toEqual({});
    socket.text({ id: again.id, ...answer(1, [9]) });
    await quiet();
    expect([seen, subscription.state]).toEqual([[[], [9]], "live"]);
  });
});

describe("coming back", () => {
  test("it is asked for again with what is held, and nothing is called when that is current", async () => {
    const first = await connect();
    const [seen, callback] = collected();
    const subscription = live("/a/", callback);
    const states: string[] = [];
    subscription.addEventListener("statechange", () => states.push(subscription.state));
    const { id, rerun } = await sent(first, 1);
    expect(rerun).toBeUndefined();
    first.text({ id, rerun: "proof", ...answer(8, []) });
    first.text({ id, ...answer(9, ["a"]) });
    first.drop(1006);
    await quiet();
    expect(subscription.state).toBe("connecting");
    await vi.advanceTimersByTimeAsync(500);
    const second = FakeSocket.last;
    second.greet();
    const again = await sent(second, 1);
    expect(again["headers"]).toEqual({ "If-None-Match": '"9"' });
    expect(again["rerun"]).toBe("proof"); // nobody but the client asks again
    second.text({ id: again.id, version: 1, status: 304, headers: { ETag: '"9"' } });
    expect(subscription.state).toBe("live");
    second.text({ id: again.id, patch: "json", ...answer(2, [{ op: "add", path: "/1", value: "b" }]) });
    await quiet();
    expect(seen).toEqual([[], ["a"], ["a", "b"]]);
    expect(states).toEqual(["live", "connecting", "live"]);
    expect(byHttp).not.toHaveBeenCalled();
  });

  test("a refusal that passes has it asked for again, later and later", async () => {
    const socket = await connect();
    const subscription = live("/a/");
    for (const [count, seconds] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      const { id } = await sent(socket, count + 1);
      socket.text({ id, status: 429, error: { code: "too_many_subscriptions", detail: "full", temporary: true } });
      await quiet();
      await vi.advanceTimersByTimeAsync(seconds * 500 - 1);
      await quiet();
      expect(socket.sent.length).toBe(count + 1);
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(subscription.state).toBe("connecting");
  });

  test("after shutting_down it waits for the next connection", async () => {
    const first = await connect();
    live("/a/");
    const { id } = await sent(first, 1);
    first.text({ id, status: 503, error: { code: "shutting_down", detail: "bye", temporary: true } });
    await quiet();
    await vi.advanceTimersByTimeAsync(600);
    await quiet();
    expect(first.sent.length).toBe(1);
    first.drop(4004);
    await vi.advanceTimersByTimeAsync(500);
    FakeSocket.last.greet();
    await sent(FakeSocket.last, 1);
  });

  test("a bad frame, or an answer in parts, has it asked for again", async () => {
    const socket = await connect();
    live("/a/");
    const { id } = await sent(socket, 1);
    socket.raw(`{"id":"${id}","status":99,"version":1}`);
    expect(await sent(socket, 2)).toEqual({ id, cancel: true });
    await quiet();
    await vi.advanceTimersByTimeAsync(500);
    const again = await sent(socket, 3);
    socket.binary({ id: again.id, version: 1, status: 200, headers: {}, more: true }, "half");
    expect(await sent(socket, 4)).toEqual({ id: again.id, cancel: true });
    await quiet();
    await vi.advanceTimersByTimeAsync(1000);
    await sent(socket, 5);
  });
});

describe("failures and ends", () => {
  test("a failure that passes is told, and what is held stays", async () => {
    const socket = await connect();
    const [seen, callback] = collected();
    const subscription = live("/a/", callback);
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, "a") });
    socket.text({ id, version: 2, status: 503, headers: { "Retry-After": "3" } });
    expect([subscription.state, subscription.failure!.status]).toEqual(["failing", 503]);
    expect(subscription.failure!.headers.get("retry-after")).toBe("3");
    socket.text({ id, ...answer(3, "b") });
    await quiet();
    expect([subscription.state, subscription.failure, seen]).toEqual(["live", undefined, ["a", "b"]]);
  });

  test.each([401, 403, 404, 410, 301, 503])("a first answer of %i ends it with the response", async (status) => {
    const socket = await connect();
    const subscription = live("/a/");
    const loop = (async () => {
      for await (const _ of subscription);
    })();
    const ended = expect(loop).rejects.toBeInstanceOf(RequestFailed);
    const { id } = await sent(socket, 1);
    socket.text({ id, status, headers: JSON_TYPE, data: { detail: "no" } });
    await ended;
    const { response } = (await subscription.ready().catch((error) => error as RequestFailed)) as RequestFailed;
    expect([response!.status, await response!.json()]).toEqual([status, { detail: "no" }]);
    expect(subscription.state).toBe("ended");
    await quiet();
    expect(socket.sent.length).toBe(1);
  });

  test.each([false, true])("a loop gives nothing of what its visitor may see no more, unless it is to keep it (%s)", async (keep) => {
    const socket = await connect();
    const subscription = live("/a/", { keep });
    let cleared = 0;
    subscription.addEventListener("clear", () => cleared++);
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, "a") });
    socket.text({ id, status: 403, headers: {} });
    await until(() => subscription.state === "ended");
    const seen: unknown[] = [];
    const loop = (async () => {
      for await (const response of subscription) seen.push(await response.json());
    })();
    await expect(loop).rejects.toMatchObject({ response: { status: 403 } });
    expect(seen).toEqual(keep ? ["a"] : []);
    expect(cleared).toBe(keep ? 0 : 1);
  });

  test.each(["not_supported", "not_live", "session_ended"])("the refusal %s ends it", async (code) => {
    const socket = await connect();
    const subscription = live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, status: 422, error: { code, detail: "not so", temporary: false } });
    await expect(subscription.ready()).rejects.toMatchObject({ inDoubt: false, code, message: `not so (${code})` });
    expect(subscription).toMatchObject({ state: "ended", error: { code } });
  });

  test("what was live, and fails when it is asked for again, is asked for again", async () => {
    const first = await connect();
    const subscription = live("/a/");
    first.text({ ...answer(1, "a"), id: (await sent(first, 1)).id });
    first.drop(1006);
    await vi.advanceTimersByTimeAsync(500);
    const second = FakeSocket.last;
    second.greet();
    second.text({ id: (await sent(second, 1)).id, status: 503, headers: { "Retry-After": "7" } });
    await until(() => subscription.state === "failing");
    await vi.advanceTimersByTimeAsync(6_999);
    await quiet();
    expect(second.sent.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await sent(second, 2);
  });
});

describe("tokens", () => {
  test.each([401, 403])("after a %i another token is asked for, once", async (status) => {
    const token = vi.fn(async () => `t${token.mock.calls.length}`);
    const socket = await connect({ token });
    const subscription = live("/a/");
    for (const count of [1, 2]) {
      const asked = await sent(socket, count);
      expect(asked["token"]).toBe(`t${count}`);
      socket.text({ id: asked.id, status, headers: {} });
    }
    await expect(subscription.ready()).rejects.toMatchObject({ response: { status } });
    expect(token).toHaveBeenCalledTimes(2);
  });

  test("one that expires while it is live is renewed each time", async () => {
    const token = vi.fn(async () => `t${token.mock.calls.length}`);
    const socket = await connect({ token });
    const subscription = live("/a/");
    for (const count of [1, 2, 3]) {
      const { id } = await sent(socket, count);
      socket.text({ id, ...answer(count, count) });
      socket.text({ id, status: 401, headers: {} });
    }
    await sent(socket, 4);
    expect(subscription.state).toBe("connecting");
  });

  test("a failure that is no refusal of the token does not use up its renewal", async () => {
    const token = vi.fn(async () => `t${token.mock.calls.length}`);
    const socket = await connect({ token });
    const subscription = live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, 1) });
    socket.text({ id, status: 503, headers: {} });
    await until(() => subscription.state === "failing");
    await vi.advanceTimersByTimeAsync(1_000);
    socket.text({ id: (await sent(socket, 2)).id, status: 403, headers: {} });
    expect((await sent(socket, 3))["token"]).toBe("t2");
  });

  test("a token that cannot be had ends one that was never live, and makes another wait", async () => {
    let fails = true;
    const token = vi.fn(async () => {
      if (fails) throw new Error("no token");
      return "t";
    });
    const socket = await connect({ token });
    await expect(live("/a/").ready()).rejects.toThrow("no token");
    fails = false;
    const subscription = live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, 1) });
    fails = true;
    socket.text({ id, status: 401, headers: {} });
    await quiet();
    expect(subscription.state).toBe("connecting");
    fails = false;
    await vi.advanceTimersByTimeAsync(500);
    await sent(socket, 2);
  });

  test("with an Authorization of its own it goes without", async () => {
    const token = vi.fn(async () => "t");
    const socket = await connect({ token });
    live("/a/", { headers: { Authorization: "Basic x" } });
    expect(await sent(socket, 1)).toMatchObject({ headers: { authorization: "Basic x" } });
    expect(token).not.toHaveBeenCalled();
  });
});

describe("by server-sent events", () => {
  /** A client whose socket does not open. */
  async function unconnected(options: Options = {}): Promise<void> {
    client = new Client({ url: `${BASE}/ws/`, WebSocket: FakeSocket, fetch: byHttp as unknown as typeof fetch, ...options });
  }
  async function stream(count: number): Promise<Stream> {
    await until(() => streams.length >= count);
    expect(streams.length).toBe(count);
    return streams[count - 1]!;
  }
  /** Until the client, which waits no longer for the socket, asks again. */
  async function again(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
    await quiet();
    await vi.advanceTimersByTimeAsync(2000);
  }
  async function late(): Promise<void> {
    await until(() => client.state === "connecting");
    await quiet();
    await vi.advanceTimersByTimeAsync(2000);
  }

  test("when the socket is not open in time", async () => {
    await unconnected({ token: "t1", tokenScheme: "Bearer" });
    const [seen, callback] = collected();
    const subscription = live("/api/a/?x=1", callback, { headers: { "X-A": "b" } });
    await late();
    const { request, event } = await stream(1);
    expect(request.url).toBe(`${BASE}/ws/?url=%2Fapi%2Fa%2F%3Fx%3D1&patch=json`);
    const names = ["accept", "authorization", "x-a", "last-event-id"];
    expect(names.map((name) => request.headers.get(name))).toEqual(["text/event-stream", "Bearer t1", "b", null]);
    event(answer(1, ["a"]));
    event({ patch: "json", ...answer(2, [{ op: "add", path: "/-", value: "b" }]) });
    await until(() => seen.length === 2);
    expect([seen, subscription.state]).toEqual([[["a"], ["a", "b"]], "live"]);
    subscription.close();
    await until(() => request.signal.aborted);
  });

  test("events are read however their bytes are cut", async () => {
    await unconnected();
    const seen: string[] = [];
    live("/a/", (response) => void response.text().then((text) => seen.push(text)));
    await late();
    const { text, event } = await stream(1);
    const data = JSON.stringify({ ...answer(1, "é"), headers: { "Content-Type": "text/plain" } });
    for (const letter of `:comment\r\n\r\nevent: x\r\nid: "1"\r\ndata:${data}\r\n\r\n`) text(letter);
    text(`data: ${data.replace(":1,", ":2,").replace(/,/, ",\ndata: ")}\n\n`); // of two lines
    event({ version: 3, status: 200, headers: { "Content-Type": "image/png" }, encoding: "base64", data: "AP8=" });
    event({ version: 4, status: 200, headers: JSON_TYPE, encoding: "base64", data: "ew==" }); // broken JSON
    await until(() => seen.length === 4);
    expect(seen).toEqual(["é", "é", "\0\ufffd", "{"]);
  });

  test("one that is lost, or silent, is asked for again with the tag that is held", async () => {
    await unconnected();
    const subscription = live("/a/");
    await late();
    (await stream(1)).event(answer(1, "a"));
    await until(() => subscription.state === "live");
    (await stream(1)).end();
    await until(() => subscription.state === "connecting");
    await again(500);
    const second = await stream(2);
    expect(second.request.headers.get("last-event-id")).toBe('"1"');
    second.event({ version: 1, status: 304, headers: {} });
    await until(() => subscription.state === "live");
    await vi.advanceTimersByTimeAsync(59_000);
    second.text(":\n\n");
    await quiet();
    await vi.advanceTimersByTimeAsync(59_000);
    expect(subscription.state).toBe("live");
    await vi.advanceTimersByTimeAsync(1_000);
    await until(() => subscription.state === "connecting");
  });

  test("the last event ends it", async () => {
    await unconnected();
    const subscription = live("/a/");
    await late();
    (await stream(1)).event({ status: 403, headers: {} });
    await expect(subscription.ready()).rejects.toMatchObject({ response: { status: 403 } });
  });

  test("when the socket is there, it takes over without a gap", async () => {
    await unconnected();
    const [seen, callback] = collected();
    const subscription = live("/a/", callback);
    const states: string[] = [];
    subscription.addEventListener("statechange", () => states.push(subscription.state));
    await late();
    const events = await stream(1);
    events.event(answer(1, ["a"]));
    await until(() => seen.length === 1);
    FakeSocket.last.greet();
    const socket = FakeSocket.last;
    const { id, headers } = await sent(socket, 1);
    expect(headers).toEqual({ "If-None-Match": '"1"' });
    events.event(answer(2, ["b"])); // goes on, until the socket has answered
    await until(() => seen.length === 2);
    expect(events.request.signal.aborted).toBe(false);
    socket.text({ id, version: 7, status: 304, headers: {} });
    expect(events.request.signal.aborted).toBe(true);
    await until(() => seen.length === 3);
    socket.text({ id, patch: "json", ...answer(8, [{ op: "add", path: "/-", value: "c" }]) });
    await until(() => seen.length === 4);
    expect(seen).toEqual([["a"], ["b"], ["a"], ["a", "c"]]);
    expect(states).toEqual(["live"]);
  });

  test("events that end while the socket takes over leave nothing that is not current", async () => {
    await unconnected();
    const subscription = live("/a/");
    await late();
    (await stream(1)).event(answer(1, "a"));
    await until(() => subscription.state === "live");
    FakeSocket.last.greet();
    const { id } = await sent(FakeSocket.last, 1);
    (await stream(1)).end();
    await until(() => subscription.state === "connecting");
    FakeSocket.last.text({ id, version: 7, status: 304, headers: {} });
    expect(subscription.state).toBe("live");
  });

  test("after close() of the client they are the way, until open()", async () => {
    await unconnected();
    client.close();
    const subscription = live("/a/");
    (await stream(1)).event(answer(1, "a"));
    await until(() => subscription.state === "live");
    client.open();
    FakeSocket.last.greet();
    const { id } = await sent(FakeSocket.last, 1);
    FakeSocket.last.text({ id, ...answer(1, "b") });
    expect((await stream(1)).request.signal.aborted).toBe(true);
  });

  test("where HTTP is not there either, both are asked again until the socket comes", async () => {
    await unconnected();
    refusal = () => Promise.reject(new TypeError("unreachable"));
    const subscription = live("/a/");
    await late();
    await until(() => byHttp.mock.calls.length === 2);
    await quiet();
    await again(500);
    await until(() => byHttp.mock.calls.length >= 4);
    expect(subscription.state).toBe("connecting");
    FakeSocket.last.greet();
    await quiet();
    await vi.advanceTimersByTimeAsync(1000);
    await sent(FakeSocket.last, 1);
  });
});

test("a request with settled is answered behind what it changed", async () => {
  const socket = await connect();
  const seen: Response[] = [];
  live("/a/", (response) => seen.push(response));
  const { id } = await sent(socket, 1);
  const call = client.fetch("/a/", { method: "POST", settled: true });
  const posted = await sent(socket, 2);
  expect(posted).toMatchObject({ method: "POST", settled: true });
  socket.text({ id, ...answer(1, 1) });
  socket.text({ id: posted.id, status: 204, headers: {}, settled: true });
  expect([(await call).status, seen.length]).toEqual([204, 1]);
});
