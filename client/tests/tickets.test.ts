/** Tickets: how cookies of the socket become the browser's, and what a page sees if they do not. */
import { expect, test } from "vitest";
import { BASE, begin, byHttp, client, connect, eachAlone, sent, settled } from "./connected.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

test("where the handshake could not set the cookie of tickets, it is fetched and the socket opened anew", async () => {
  begin();
  const call = client.fetch("/a/");
  await settled();
  const first = FakeSocket.last;
  first.greet({ tickets: "bind" });
  await settled();
  expect(byHttp.mock.calls as unknown[]).toEqual([
    [`${BASE}/ws/`, { method: "POST", headers: { "X-WSRequest-Ticket": "" }, credentials: "include" }],
  ]);
  expect([first.isClosed, first.sent, FakeSocket.all.length, client.state]).toEqual([true, [], 2, "connecting"]);
  // Where it does not come back in spite of it, that is what the page is told; once is enough.
  FakeSocket.last.greet({ tickets: "bind" });
  await sent(FakeSocket.last, 1);
  FakeSocket.last.text({ id: 1, status: 200, headers: {} });
  expect((await call).status).toBe(200);
  expect([FakeSocket.all.length, byHttp.mock.calls.length, client.keepsCookies]).toEqual([2, 1, false]);
});

test("a socket that is closed while its cookie is fetched stays closed", async () => {
  begin();
  client.open();
  FakeSocket.last.greet({ tickets: "bind" });
  client.close();
  await settled();
  expect([FakeSocket.all.length, client.state]).toEqual([1, "closed"]);
});

test("the page is told where cookies of the socket do not become the browser's", async () => {
  const socket = await connect();
  expect(client.keepsCookies).toBe(true);
  byHttp.mockResolvedValueOnce(new Response("", { status: 403 }));
  const call = client.fetch("/a/");
  await sent(socket, 1);
  socket.text({ id: 1, status: 200, headers: {}, cookies: "t1" });
  await call;
  expect(client.keepsCookies).toBe(false);
  const other = await connect();
  other.greet();
  expect(client.keepsCookies).toBe(true);
  client.close();
  await connect();
  client.close();
  begin();
  client.open();
  FakeSocket.last.greet({ tickets: "no" });
  expect(client.keepsCookies).toBe(false);
  expect(byHttp).toHaveBeenCalledTimes(1);
});

test("a ticket is redeemed before the call resolves", async () => {
  const socket = await connect();
  const call = client.fetch("/login/", { method: "POST" });
  await sent(socket, 1);
  socket.text({ id: 1, status: 200, headers: {}, cookies: "t1" });
  await call;
  const [url, init] = byHttp.mock.calls[0] as unknown as [string, RequestInit];
  expect([url, init.method, init.headers]).toEqual([`${BASE}/ws/`, "POST", { "X-WSRequest-Ticket": "t1" }]);
});
