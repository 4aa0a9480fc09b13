/** Redirects: which request follows, and over which transport. */
import { expect, test } from "vitest";
import { BASE, OTHER, byHttp, client, connect, eachAlone, sent } from "./connected.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

const answer = async (socket: FakeSocket, status: number, location: string): Promise<void> => {
  await sent(socket, 1);
  socket.text({ id: 1, status, headers: { Location: location } });
};

test.each([
  [303, "GET"],
  [302, "GET"],
  [307, "POST"],
])("%i is followed with %s", async (status, method) => {
  const socket = await connect();
  const call = client.fetch("/a/", { method: "POST", body: "x" });
  await answer(socket, status, "../b/");
  await sent(socket, 2);
  expect(socket.heads[1]).toMatchObject({ url: "/b/", ...(method === "POST" && { method, body: "x" }) });
  socket.text({ id: 2, status: 200, headers: {} });
  const { url, redirected } = await call;
  expect([url, redirected]).toEqual([`${BASE}/b/`, true]);
});

test("manual shows nothing, and error rejects", async () => {
  for (const redirect of ["manual", "error"] as const) {
    const socket = await connect();
    const call = client.fetch("/a/", { redirect });
    const checked =
      redirect === "error"
        ? expect(call).rejects.toThrow(TypeError)
        : expect(call).resolves.toMatchObject({ type: "opaqueredirect", status: 0, ok: false });
    await answer(socket, 302, "/b/");
    await checked;
  }
});

test("the policy that a redirect names holds from there on", async () => {
  const socket = await connect();
  const call = client.fetch("/", { referrerPolicy: "unsafe-url" });
  await sent(socket, 1);
  socket.text({ id: 1, status: 302, headers: { Location: `${OTHER}/`, "Referrer-Policy": "no-such, no-referrer, what" } });
  await call;
  expect(byHttp.mock.calls[0]![0].referrerPolicy).toBe("no-referrer");
});

test("an answer of 421 is asked for once more, by another connection", async () => {
  const socket = await connect();
  byHttp.mockResolvedValueOnce(new Response("", { status: 421 }));
  const call = client.fetch("/", { method: "POST", body: "x" });
  await sent(socket, 1);
  socket.text({ id: 1, status: 421, headers: {} });
  expect((await call).status).toBe(421);
  expect(await byHttp.mock.calls[0]![0].text()).toBe("x");
  expect([socket.sent.length, byHttp.mock.calls.length]).toEqual([1, 1]);
});

test("a chain that begins on the socket and ends by HTTP was redirected", async () => {
  const socket = await connect();
  const call = client.fetch("/");
  await sent(socket, 1);
  socket.text({ id: 1, status: 302, headers: { Location: `${OTHER}/` } });
  const response = await call;
  expect([response.redirected, response.clone().redirected]).toEqual([true, true]);
});

test("a Location of raw UTF-8 leads where its bytes say", async () => {
  const socket = await connect();
  const call = client.fetch("/");
  await sent(socket, 1);
  socket.text({ id: 1, status: 302, headers: { Location: "/\u00c3\u00a9" } });
  await sent(socket, 2);
  expect(socket.heads[1]!["url"]).toBe("/%C3%A9");
  socket.text({ id: 2, status: 200, headers: {} });
  await call;
});
