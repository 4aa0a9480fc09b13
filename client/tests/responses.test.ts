/** Responses over the socket: bodies, credit, aborts, and what the page can do with them. */
import { deflateSync, gzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { BASE, client, connect, eachAlone, sent, settled, texted } from "./connected.js";

eachAlone();

test("answers come to the calls that asked, in whatever order", async () => {
  const socket = await connect();
  const calls = ["/a/?x=1#part", "/b/"].map((path) => client.fetch(path, null as unknown as RequestInit));
  await sent(socket, 2);
  expect(socket.heads.map(({ url }) => url)).toEqual(["/a/?x=1", "/b/"]);
  socket.text({ id: 2, status: 404, headers: texted(), data: "b" });
  socket.text({ id: 1, status: 200, headers: texted({ Vary: ["A", "B"] }), data: "a" });
  const [a, b] = await Promise.all(calls);
  expect([await a!.text(), a!.status, a!.headers.get("vary"), a!.url]).toEqual(["a", 200, "A, B", `${BASE}/a/?x=1`]);
  expect([b!.clone().url, await b!.text(), b!.status, b!.ok]).toEqual([`${BASE}/b/`, "b", 404, false]);
});

test.each(["gzip", "deflate"])("what the application packed with %s is unpacked", async (coding) => {
  const socket = await connect();
  const call = client.fetch("/");
  await sent(socket, 1);
  const packed = coding === "gzip" ? gzipSync("text") : deflateSync("text");
  const head = JSON.stringify({ id: 1, status: 200, headers: { "Content-Encoding": coding } });
  socket.raw(Uint8Array.from(Buffer.concat([Buffer.from(`${head}\n`), packed])).buffer);
  expect(await (await call).text()).toBe("text");
});

test("a body that nobody reads stops the server, and reading grants credit", async () => {
  const socket = await connect();
  const call = client.fetch("/stream/");
  await sent(socket, 1);
  socket.binary({ id: 1, status: 200, headers: {}, more: true }, "");
  const { body } = await call;
  for (let count = 0; count < 4; count++) socket.binary({ id: 1, more: true }, "x".repeat(65_536));
  await settled();
  expect(socket.sent.length).toBe(1);
  vi.advanceTimersByTime(250);
  const reader = body!.getReader();
  for (let count = 0; count < 2; count++) await reader.read();
  await sent(socket, 2);
  expect(socket.heads[1]).toEqual({ id: 1, credit: 131_072 });
  await reader.cancel();
  expect(socket.heads[2]).toEqual({ id: 1, cancel: true });
});

test.each([
  [249, [524_288, 1_048_576, 2_097_152, 2_097_152, 2_097_152]], // as much as is read in half a second, and 2 MiB at most
  [250, [262_144, 262_144, 262_144, 262_144, 262_144]],
])("a page that reads half of what it may be sent within %d ms is sent more ahead", async (ms, expected) => {
  const socket = await connect();
  const call = client.fetch("/stream/");
  await sent(socket, 1);
  socket.binary({ id: 1, status: 200, headers: {}, more: true }, "");
  const reader = (await call).body!.getReader();
  let [window, granted, read] = [262_144, 262_144, 0];
  const windows: number[] = [];
  for (const _ of expected) {
    vi.advanceTimersByTime(ms);
    const before = socket.sent.length;
    for (let half = 0; half < window / 2; half += 65_536) {
      socket.binary({ id: 1, more: true }, "x".repeat(65_536));
      read += (await reader.read()).value!.length;
    }
    await sent(socket, before + 1);
    granted += socket.heads.at(-1)!["credit"] as number;
    windows.push((window = granted - read)); // all was read, so all of it may come now
  }
  expect(windows).toEqual(expected);
  await reader.cancel();
});

test.each([[200, "OK"], [404, "Not Found"], [413, "Content Too Large"], [422, "Unprocessable Content"], [299, ""]])("an answer of %d has the text %o", async (status, text) => {
  const socket = await connect();
  const call = client.fetch("/");
  await sent(socket, 1);
  socket.text({ id: 1, status, headers: {} });
  expect((await call).statusText).toBe(text);
});

test.each(["text", "json", "blob", "arrayBuffer", "reader"] as const)("after an abort %s rejects at once, though all is there", async (way) => {
  for (const isStream of [false, true]) {
    const socket = await connect();
    const controller = new AbortController();
    const call = client.fetch("/", { signal: controller.signal });
    await sent(socket, 1);
    socket.binary({ id: 1, status: 200, headers: {}, ...(isStream && { more: true }) }, "{}");
    if (isStream) socket.binary({ id: 1 }, "{}");
    const response = await call;
    const clone = response.clone();
    controller.abort(new RangeError("enough"));
    const read = (of: Response): Promise<unknown> => (way === "reader" ? of.body!.getReader().read() : of[way]());
    for (const each of [response, clone]) await expect(read(each)).rejects.toMatchObject({ name: "RangeError" });
    client.close();
  }
});

test("the headers of an answer cannot be changed, nor those of its clone", async () => {
  const socket = await connect();
  const call = client.fetch("/");
  await sent(socket, 1);
  socket.text({ id: 1, status: 200, headers: texted(), data: "" });
  const response = await call;
  for (const { headers } of [response, response.clone()]) {
    expect(() => headers.set("x-set", "1")).toThrow(TypeError);
    expect(new Headers(headers).get("content-type")).toBe("text/plain");
  }
});
