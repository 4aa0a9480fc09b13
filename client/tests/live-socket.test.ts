/** Live requests over the socket: responses, patches, and what happens after a lost connection. */
import { getEventListeners } from "node:events";
import { describe, expect, test, vi } from "vitest";
import type { Subscription } from "../src/index.js";
import { byHttp, eachAlone, http } from "./eventServer.js";
import { answer, BASE, client, collected, connect, json, live, quiet, sent, turn, until } from "./liveClient.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

describe("over the socket", () => {
  test("a callback is given each version as a Response", async () => {
    const socket = connect();
    const seen: Response[] = [];
    const subscription = live("/api/a/?x=1", (response) => seen.push(response), { headers: { "X-A": "b" } });
    const { id, ...message } = await sent(socket, 1);
    expect(message).toEqual({ url: "/api/a/?x=1", headers: { "x-a": "b" }, subscribe: true, patch: "json" });
    expect([subscription.state, client.unfinishedCount]).toEqual(["connecting", 0]);
    socket.text({ id, ...answer(3, [1]) });
    expect(subscription.state).toBe("live");
    socket.text({ id, ...answer(8, [1, 2]) });
    expect(seen.map(({ status, ok, url }) => [status, ok, url])).toEqual(Array(2).fill([200, true, `${BASE}/api/a/?x=1`]));
    expect(await Promise.all([...seen, await subscription.ready()].map(json))).toEqual([[1], [1, 2], [1, 2]]);
    expect(seen[1]!.headers.get("etag")).toBe('"8"');
  });

  test("a loop gets only the newest of those that came while it was busy, and leaving it cancels", async () => {
    const socket = connect();
    const subscription = live("/a/");
    const loop = (async () => {
      const values: unknown[] = [];
      for await (const response of subscription) {
        values.push(await response.json());
        await quiet();
        if (values.length === 2) break;
      }
      return values;
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
    const socket = connect();
    const subscription = live("/a/");
    const loops = [1, 2].map(() => subscription[Symbol.asyncIterator]());
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, "a") });
    for (const loop of loops) expect(await json((await loop.next()).value as Response)).toBe("a");
  });

  test("a version that is not greater is ignored", async () => {
    const socket = connect();
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
    const socket = connect();
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
    const socket = connect();
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
    const socket = connect();
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
    const socket = connect();
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
    const socket = connect();
    http.answer = () => new Response(null, { status: 204 });
    live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, cookies: "t1", ...answer(1, 1) });
    expect(byHttp.mock.calls).toEqual([[`${BASE}/ws/`, expect.objectContaining({ method: "POST" })]]);
  });

  test("another origin cannot be live", async () => {
    connect();
    const subscription = live("http://other.example/a/");
    await expect(subscription.ready()).rejects.toThrow("another origin");
    expect(subscription).toMatchObject({ state: "ended", error: { name: "TypeError" } });
  });
});

describe("patches", () => {
  test("a patch changes what is held", async () => {
    const socket = connect();
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
    const socket = connect();
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
    const socket = connect();
    const subscription = live("/a/", { patch: false });
    const { id, patch } = await sent(socket, 1);
    expect(patch).toBeUndefined();
    socket.raw(`{"id":"${id}","version":1,"status":200,"headers":{"Content-Type":"application/json"},"data":[ 1.10, 12345678901234567890 ]}`);
    expect(await (await subscription.ready()).text()).toBe("[ 1.10, 12345678901234567890 ]");
  });

  test.each([
    ["both kinds by itself", undefined, ["json", "text"], ["json", "text"]],
    ["the kinds that the page takes", "text", ["json", "text"], ["text"]],
    ["the kinds that the page takes, in a list", ["json"], ["json", "text"], ["json"]],
    ["none that the server does not make", undefined, ["json", "later"], ["json"]],
    ["none", false, ["json", "text"], undefined],
    ["one by its name, of a server that names none", undefined, undefined, "json"],
    ["none, of a server that names none", ["text"], undefined, undefined],
  ])("it asks for %s", async (_, patch, patches, asked) => {
    const socket = connect({}, { patches });
    live("/a/", { patch: patch as "json" });
    expect((await sent(socket, 1))["patch"]).toEqual(asked);
  });

  test("a patch of a text changes its bytes", async () => {
    const socket = connect({}, { patches: ["json", "text"] });
    const bodies: Promise<string>[] = [];
    live("/a/", (response) => bodies.push(response.text()));
    const { id } = await sent(socket, 1);
    const headers = { "Content-Type": "text/html" };
    socket.text({ id, version: 1, status: 200, headers, data: "<b>é€</b>" });
    socket.text({ id, version: 2, status: 200, headers, patch: "text", data: [[5, 3, "2€"]] });
    socket.text({ id, version: 3, status: 200, headers, patch: "text", data: [[0, 0, "ü"], [6, 3, ""]] });
    expect(await Promise.all(bodies)).toEqual(["<b>é€</b>", "<b>é2€</b>", "ü<b>é2</b>"]);
  });

  test.each([["text"], ["later"]])("one of a text, or of an unknown kind, that does not fit has all asked for again: %s", async (patch) => {
    const socket = connect({}, { patches: ["json", "text"] });
    live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, version: 1, status: 200, headers: { "Content-Type": "text/html", ETag: '"1"' }, data: "<b>" });
    socket.text({ id, version: 2, status: 200, headers: { "Content-Type": "text/html" }, patch, data: [[9, 0, "x"]] });
    expect(await sent(socket, 2)).toEqual({ id, cancel: true });
    await vi.advanceTimersByTimeAsync(500);
    expect((await sent(socket, 3))["headers"]).toEqual({});
  });

  test("one that does not fit has all asked for again", async () => {
    const socket = connect();
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
    const first = connect();
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
    const socket = connect();
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
    const first = connect();
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
    const socket = connect();
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

test("a request with settled is answered behind what it changed", async () => {
  const socket = connect();
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
