/** How live requests start from what the page shows, and how they end: `held`, `clear`, reasons, unhandled rejections. */
import { describe, expect, test, vi } from "vitest";
import type { Subscription } from "../src/index.js";
import { eachAlone, ok, pass, uncaught } from "./pollServer.js";
import { JSON_TYPE, answer, collected, connect, live, quiet, sent, until } from "./liveClient.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

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
    const message = await sent(socket, 1);
    expect([message["headers"], message["patch"]]).toEqual([{ "If-None-Match": '"1"' }, patch]);
    socket.text({ id: message.id, version: 1, status: 304, headers: { ETag: '"1"' } });
    await quiet();
    expect([seen, subscription.state]).toEqual([[], "live"]);
    const ready = await subscription.ready();
    expect([ready.status, first && (await ready.json())]).toEqual([first ? 200 : 304, first]);
    const change = { version: 2, status: 200, headers: JSON_TYPE };
    socket.text({ id: message.id, ...change, ...(patch ? { patch, data: [{ op: "add", path: "/-", value: "b" }] } : { data: ["a", "b"] }) });
    await until(() => seen.length);
    expect([seen, socket.heads.length]).toEqual([[["a", "b"]], 1]);
  });

  test("by an ETag, a server that makes lists of patches sends the whole once", async () => {
    const socket = connect({}, { patches: ["json", "text"] });
    const [seen, callback] = collected();
    live("/a/", callback, { held: '"1"' });
    const { id, ...message } = await sent(socket, 1);
    expect(message).toEqual({ url: "/a/", headers: { "If-None-Match": '"1"' }, subscribe: true, patch: ["json", "text"], tag_only: true });
    socket.text({ id, version: 1, status: 304, headers: { ETag: '"1"' } });
    socket.text({ id, ...answer(2, ["a"]) });
    socket.text({ id, patch: "json", ...answer(3, [{ op: "add", path: "/-", value: "b" }]) });
    await until(() => seen.length === 2);
    expect([seen, socket.heads.length]).toEqual([[["a"], ["a", "b"]], 1]);
    socket.drop(1006);
    await pass(500);
    FakeSocket.last.greet({ patches: ["json", "text"] });
    const again = await sent(FakeSocket.last, 1);
    expect([again["headers"], again["tag_only"]]).toEqual([{ "If-None-Match": '"3"' }, undefined]); // now it has the body
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
