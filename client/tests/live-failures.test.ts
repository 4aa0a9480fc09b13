/** Live requests over the socket that fail or end, and their tokens. */
import { describe, expect, test, vi } from "vitest";
import { RequestFailed } from "../src/index.js";
import { eachAlone } from "./eventServer.js";
import { answer, collected, connect, JSON_TYPE, live, quiet, sent, until } from "./liveClient.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

describe("failures and ends", () => {
  test("a failure that passes is told, and what is held stays", async () => {
    const socket = connect();
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
    const socket = connect();
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
    const socket = connect();
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
    const socket = connect();
    const subscription = live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, status: 422, error: { code, detail: "not so", temporary: false } });
    await expect(subscription.ready()).rejects.toMatchObject({ inDoubt: false, code, message: `not so (${code})` });
    expect(subscription).toMatchObject({ state: "ended", error: { code } });
  });

  test("what was live, and fails when it is asked for again, is asked for again", async () => {
    const first = connect();
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
    const socket = connect({ token });
    const subscription = live("/a/");
    for (const count of [1, 2]) {
      const message = await sent(socket, count);
      expect(message["token"]).toBe(`t${count}`);
      socket.text({ id: message.id, status, headers: {} });
    }
    await expect(subscription.ready()).rejects.toMatchObject({ response: { status } });
    expect(token).toHaveBeenCalledTimes(2);
  });

  test("one that expires while it is live is renewed each time", async () => {
    const token = vi.fn(async () => `t${token.mock.calls.length}`);
    const socket = connect({ token });
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
    const socket = connect({ token });
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
    const socket = connect({ token });
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
    const socket = connect({ token });
    live("/a/", { headers: { Authorization: "Basic x" } });
    expect(await sent(socket, 1)).toMatchObject({ headers: { authorization: "Basic x" } });
    expect(token).not.toHaveBeenCalled();
  });
});
