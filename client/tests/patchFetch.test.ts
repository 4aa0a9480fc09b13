/** install() and uninstall(): the client in the place of window.fetch. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { BASE, byHttp, client, connect, eachAlone, sent } from "./connected.js";

eachAlone();

describe("behind window.fetch", () => {
  afterEach(() => client.uninstall());
  test.each([["http://["], [Symbol() as unknown as string], [{ toString: () => { throw new TypeError("no"); } } as unknown as string]])(
    "an address that cannot be parsed rejects, and throws nothing (case %#)",
    async (address) => {
      byHttp.mockRejectedValueOnce(new TypeError("Failed to parse"));
      vi.stubGlobal("fetch", byHttp);
      await connect();
      client.install({ paths: ["/"] });
      let call: Promise<Response> | undefined;
      expect(() => (call = fetch(address))).not.toThrow();
      await expect(call).rejects.toBeInstanceOf(TypeError);
      byHttp.mockReset();
      byHttp.mockImplementation(async () => new Response("by http"));
      vi.unstubAllGlobals();
    },
  );

  test("it looks as fetch does, and asks for the text of what it is given once", async () => {
    const socket = await connect();
    client.install({ paths: ["/"] });
    const toString = vi.fn(() => `${BASE}/a/`);
    const call = fetch({ toString } as unknown as string);
    await sent(socket, 1);
    socket.text({ id: 1, status: 200, headers: {} });
    await call;
    expect([toString.mock.calls.length, fetch.length, fetch.name, client.fetch.length]).toEqual([1, 1, "fetch", 1]);
    await expect((client.fetch as () => Promise<Response>)()).rejects.toBeInstanceOf(TypeError);
  });
});

test("install takes over the paths that it is given, and uninstall gives them back", async () => {
  const socket = await connect();
  const original = vi.fn(async () => new Response("original"));
  vi.stubGlobal("fetch", original);
  client.install({ paths: ["/api/"] });
  const call = fetch(`${BASE}/api/a/`);
  await sent(socket, 1);
  socket.text({ id: 1, status: 204, headers: {} });
  expect((await call).status).toBe(204);
  await fetch(`${BASE}/other/`);
  client.uninstall();
  await fetch(`${BASE}/api/a/`);
  expect([socket.sent.length, original.mock.calls.length]).toEqual([1, 2]);
  vi.unstubAllGlobals();
});
