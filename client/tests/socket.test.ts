/** The socket: how it opens and reconnects, and frames that are not valid. */
import { describe, expect, test, vi } from "vitest";
import { begin, byHttp, client, connect, eachAlone, sent, settled } from "./connected.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

describe("the connection", () => {
  test("comes back with full jitter, which grows to a cap, and says how it stands", async () => {
    begin();
    const states: string[] = [];
    client.addEventListener("statechange", () => states.push(client.state));
    client.open();
    for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
      FakeSocket.last.drop(1006);
      const count = FakeSocket.all.length;
      await vi.advanceTimersByTimeAsync(seconds * 500 - 1); // chance is one half here
      expect(FakeSocket.all.length).toBe(count);
      await vi.advanceTimersByTimeAsync(1);
      expect(FakeSocket.all.length).toBe(count + 1);
    }
    expect(states.slice(0, 3)).toEqual(["connecting", "waiting", "connecting"]);
  });

  test.each([
    [1000, "idle"],
    [4500, "closed"],
    [4999, "closed"],
    [4003, "waiting"],
    [1012, "waiting"],
  ])("close code %i makes it %s", async (code, state) => {
    (await connect()).drop(code);
    expect(client.state).toBe(state);
  });

  test("pings are answered, and a dead peer is noticed", async () => {
    const socket = await connect();
    socket.raw('{"ping":{ "a" : 1e999 }}');
    expect(socket.sent).toEqual(['{"pong":{ "a" : 1e999 }}']);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(socket.sent[1]).toBe('{"ping":1}');
    await vi.advanceTimersByTimeAsync(3_000);
    expect([client.state, socket.isClosed]).toEqual(["waiting", true]);
  });

  test("an abort cancels on the server, also while the body is read", async () => {
    const socket = await connect();
    const controller = new AbortController();
    const calls = [1, 2].map(() => client.fetch("/", { signal: controller.signal }));
    await sent(socket, 2);
    socket.binary({ id: 2, status: 200, headers: {}, more: true }, "half");
    const text = (await calls[1]!).text();
    const checked = [calls[0]!, text].map((each) => expect(each).rejects.toMatchObject({ name: "AbortError" }));
    controller.abort();
    await Promise.all(checked);
    expect(socket.heads.slice(2)).toEqual([{ id: 1, cancel: true }, { id: 2, cancel: true }]);
    socket.text({ id: 1, status: 200, headers: {} }); // crosses the cancel, and is ignored
    await expect(client.fetch("/", { signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
  });

  test("close() ends calls in flight, and later ones go by HTTP", async () => {
    const socket = await connect();
    const call = client.fetch("/", { method: "POST" });
    const checked = expect(call).rejects.toThrow("close()");
    await sent(socket, 1);
    client.close();
    await checked;
    await client.fetch("/");
    expect([client.state, byHttp.mock.calls.length, FakeSocket.all.length]).toEqual(["closed", 1, 1]);
  });
});

describe("bad input", () => {
  test.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["a hello of nothing", '{"hello":{}}'],
    ["no head", new Uint8Array([1, 2, 3]).buffer],
  ])("%s ends the connection, which comes back", async (_, frame) => {
    const socket = await connect();
    const call = client.fetch("/", { method: "POST" });
    const checked = expect(call).rejects.toThrow("not valid in wsrequest.v1");
    await sent(socket, 1);
    socket.raw(frame);
    await checked;
    expect([client.state, socket.isClosed]).toEqual(["waiting", true]);
  });

  test("a bad answer concerns its own call only", async () => {
    const socket = await connect();
    const [bad, good] = [client.fetch("/", { method: "POST" }), client.fetch("/")];
    const checked = expect(bad).rejects.toThrow("not valid in wsrequest.v1");
    await sent(socket, 2);
    socket.raw('{"id":1,"status":99,"headers":{}}');
    socket.text({ id: 2, status: 204, headers: {} });
    await checked;
    expect((await good!).status).toBe(204);
  });

  test("unknown ids and unknown messages are ignored", async () => {
    const socket = await connect();
    for (const frame of [{ id: 99, status: 200 }, { id: "x", credit: 5 }, { news: 1 }]) socket.text(frame);
    socket.binary({ id: 99, more: true }, "x");
    expect(client.state).toBe("open");
  });

  test.each([
    ["a lost connection", (socket: FakeSocket) => socket.drop(1006)],
    ["a refusal", (socket: FakeSocket) => socket.text({ id: 1, error: { code: "internal_error", detail: "no" } })],
    ["a second answer", (socket: FakeSocket) => socket.text({ id: 1, status: 200, headers: {} })],
  ])("an answer cut in half by %s is no whole body", async (_, cut) => {
    const socket = await connect();
    const call = client.fetch("/");
    await sent(socket, 1);
    socket.binary({ id: 1, status: 200, headers: {}, more: true }, "half");
    const checked = expect((await call).text()).rejects.toThrow("incomplete");
    cut(socket);
    await checked;
  });

  test("another version is not asked again", async () => {
    begin();
    const call = client.fetch("/");
    await settled();
    FakeSocket.last.greet({ protocol: "wsrequest.v9" });
    expect(await (await call).text()).toBe("by http");
    await vi.advanceTimersByTimeAsync(60_000);
    expect([client.state, FakeSocket.all.length]).toEqual(["closed", 1]);
  });

  test("a server that sends nothing is given up", async () => {
    begin();
    client.open();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([client.state, FakeSocket.last.isClosed]).toEqual(["waiting", true]);
  });
});
