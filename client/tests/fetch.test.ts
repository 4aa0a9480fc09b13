/** Which way a call goes, whether it is sent twice, and what a message says. */
import { expect, test, vi } from "vitest";
import { RequestFailed, RequestInDoubt } from "../src/index.js";
import { BASE, begin, byHttp, client, connect, eachAlone, sent, settled } from "./connected.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

test("calls wait while the socket connects, and go by HTTP when it takes too long", async () => {
  begin();
  const call = client.fetch("/");
  await settled();
  expect([client.state, client.unfinishedCount]).toEqual(["connecting", 1]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(await (await call).text()).toBe("by http");
  const next = client.fetch("/"); // waits no second time for the same attempt
  await vi.advanceTimersByTimeAsync(1);
  expect(await (await next).text()).toBe("by http");
  FakeSocket.last.greet();
  const later = client.fetch("/");
  await sent(FakeSocket.last, 1);
  FakeSocket.last.text({ id: 1, status: 204, headers: {} });
  expect((await later).status).toBe(204);
});

test("the queue is bounded", async () => {
  begin({ queueLimit: 2 });
  const calls = [1, 2, 3].map(() => client.fetch("/"));
  await settled();
  expect([client.unfinishedCount, byHttp.mock.calls.length]).toEqual([2, 1]);
  FakeSocket.last.drop(1006);
  await Promise.all(calls);
  expect(byHttp).toHaveBeenCalledTimes(3);
});

test.each([
  ["another origin", "http://other.example/", {}],
  ["credentials: omit", "/", { credentials: "omit" as const }],
  ["an unknown method", "/", { method: "PROPFIND" }],
])("%s goes by HTTP", async (_, url, init) => {
  const socket = await connect();
  expect(await (await client.fetch(url, init)).text()).toBe("by http");
  expect(socket.sent).toEqual([]);
});

test.each([
  ["GET", {}, 1006],
  ["PUT", {}, 1006],
  ["POST", { "Idempotency-Key": "k" }, 1006],
  ["POST", {}, 4004], // what was not begun
])("a lost %s with %o is sent again by HTTP (%i)", async (method, headers, code) => {
  const socket = await connect();
  const call = client.fetch("/", { method, headers });
  await sent(socket, 1);
  socket.drop(code);
  expect(await (await call).text()).toBe("by http");
});

test.each(["POST", "PATCH"])("a lost %s is not sent twice, and says so", async (method) => {
  const socket = await connect();
  const call = client.fetch("/", { method, body: "x" });
  const checked = expect(call).rejects.toThrow(/may have done what you requested/);
  await sent(socket, 1);
  socket.drop(1006);
  await checked;
  await expect(call).rejects.toBeInstanceOf(RequestInDoubt);
  expect(byHttp).not.toHaveBeenCalled();
});

test("what the server refused unbegun goes by HTTP, a deadline does not", async () => {
  const socket = await connect();
  const refused = client.fetch("/", { method: "POST" });
  await sent(socket, 1);
  socket.text({ id: 1, status: 429, error: { code: "too_many_requests", detail: "full", temporary: true } });
  expect(await (await refused).text()).toBe("by http");
  const late = client.fetch("/", { method: "POST" });
  const checked = expect(late).rejects.toThrow("deadline_exceeded");
  await sent(socket, 2);
  socket.text({ id: 2, status: 504, error: { code: "deadline_exceeded", detail: "late", temporary: true } });
  await checked;
  expect(byHttp).toHaveBeenCalledTimes(1);
});

test("after shutting_down nothing more is begun on the socket", async () => {
  const socket = await connect();
  socket.text({ status: 503, error: { code: "shutting_down", detail: "bye", temporary: true } });
  await client.fetch("/");
  expect([socket.sent.length, byHttp.mock.calls.length]).toEqual([0, 1]);
});

test.each([
  ["no-cache", { "cache-control": "max-age=0" }],
  ["no-store", { "cache-control": "no-cache", pragma: "no-cache" }],
  ["reload", { "cache-control": "no-cache", pragma: "no-cache" }],
  ["default", undefined],
] as const)("the cache mode %s becomes headers", async (cache, headers) => {
  const socket = await connect();
  const call = client.fetch("/", { cache });
  await sent(socket, 1);
  expect(socket.heads[0]!["headers"]).toEqual(headers);
  socket.text({ id: 1, status: 200, headers: {} });
  await call;
});

test.each([
  [false, undefined, undefined],
  [true, undefined, "http://example.com/page?q"],
  [true, "no-referrer", undefined],
  [true, "origin", "http://example.com/"],
] as const)("a message names its referrer where the server takes it (%o), by the policy %o", async (referrer, policy, expected) => {
  vi.stubGlobal("location", { href: `${BASE}/page?q#part`, origin: BASE });
  begin(policy ? { referrerPolicy: policy } : {});
  client.open();
  FakeSocket.last.greet({ referrer });
  const socket = FakeSocket.last;
  // In Node a Request has the referrer "about:client", too.
  const call = client.fetch("/");
  await sent(socket, 1);
  vi.unstubAllGlobals();
  expect(socket.heads[0]!["referrer"]).toBe(expected);
  socket.text({ id: 1, status: 200, headers: {} });
  await call;
});

test("an error is a TypeError as fetch's own is, with the facts as properties", async () => {
  const socket = await connect();
  const call = client.fetch("/", { method: "POST", body: "x" });
  await sent(socket, 1);
  socket.drop(1006);
  const error: unknown = await call.catch((error: unknown) => error);
  expect(error).toMatchObject({ name: "TypeError", inDoubt: true });
  expect((error as Error).constructor).toBe(TypeError);
  expect([error instanceof RequestInDoubt, error instanceof RequestFailed]).toEqual([true, true]);
  const other = new RequestFailed("It redirects.");
  expect([other instanceof RequestInDoubt, other instanceof RequestFailed, other.inDoubt]).toEqual([false, true, false]);
  for (const each of [null, undefined, "x", new TypeError("x")]) expect(each instanceof RequestFailed).toBe(false);
});
