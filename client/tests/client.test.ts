/** Sessions, fetch, fallback and coming back, against the other end of a socket in the test's own hand. */
import { readFileSync } from "node:fs";
import { deflateSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { RequestFailed, RequestInDoubt } from "../src/index.js";
import "../src/upload.js"; // so that it is there at once when it is needed
import { BASE, OTHER, begin, byHttp, client, connect, eachAlone, sent, settled, texted } from "./connected.js";
import { FakeSocket } from "./server.js";

eachAlone();

describe("answers", () => {
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
});


describe("redirects", () => {
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
});

describe("fallback", () => {
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
});

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

test.each([
  ["", "no-referrer"],
  ["about:client", "no-referrer"],
  ["about:client", "same-origin"],
] as const)("by HTTP a request keeps its referrer %o and its policy %s, whatever is added to it", async (referrer, referrerPolicy) => {
  begin({ token: "t1" });
  client.close();
  const init = { method: "POST", body: "x", referrer, referrerPolicy };
  await client.fetch(`${OTHER}/`, init);
  await client.fetch(new Request(`${OTHER}/`, init));
  expect(byHttp.mock.calls.map(([given]) => [given.referrer, given.referrerPolicy])).toEqual(Array(2).fill([referrer, referrerPolicy]));
});

test("the policy that a redirect names holds from there on", async () => {
  const socket = await connect();
  const call = client.fetch("/", { referrerPolicy: "unsafe-url" });
  await sent(socket, 1);
  socket.text({ id: 1, status: 302, headers: { Location: `${OTHER}/`, "Referrer-Policy": "no-such, no-referrer, what" } });
  await call;
  expect(byHttp.mock.calls[0]![0].referrerPolicy).toBe("no-referrer");
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

test.each([[200, "OK"], [404, "Not Found"], [413, "Content Too Large"], [422, "Unprocessable Content"], [299, ""]])("an answer of %d has the text %o", async (status, text) => {
  const socket = await connect();
  const call = client.fetch("/");
  await sent(socket, 1);
  socket.text({ id: 1, status, headers: {} });
  expect((await call).statusText).toBe(text);
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

test("by HTTP a call without a body has none, and an empty one is one", async () => {
  begin();
  client.close();
  await client.fetch("/", { method: "DELETE" });
  await client.fetch("/", { method: "DELETE", body: "" });
  expect(byHttp.mock.calls.map(([{ body }]) => body === null)).toEqual([true, false]);
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

test("by HTTP a token is a header, and a stream is a body still", async () => {
  begin({ token: "t1", tokenScheme: "Bearer" });
  client.close();
  const body = new Blob(["streamed"]).stream();
  await client.fetch("/", { method: "POST", body });
  const [request] = byHttp.mock.calls[0]!;
  expect([request.headers.get("authorization"), await request.text()]).toEqual(["Bearer t1", "streamed"]);
});

test("the documentation lists every option, and no other", () => {
  begin();
  const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const told = [...read("docs/client.md").matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);
  const known = [...read("client/src/options.ts").matchAll(/^ {2}(\w+)\?:/gm)].map((match) => match[1]);
  expect(told).toEqual(known);
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

test("Django's CSRF token goes by HTTP with unsafe requests to the page's own origin", async () => {
  vi.stubGlobal("location", new URL(`${BASE}/page/`));
  vi.stubGlobal("document", { baseURI: `${BASE}/page/`, cookie: "a=b; csrftoken=t%2B1", querySelector: () => null });
  begin({ url: "/ws/" });
  client.close();
  for (const [method, url] of [["POST", "/"], ["GET", "/"], ["POST", "http://other.example/"]] as const) await client.fetch(url, { method });
  expect(byHttp.mock.calls.map(([request]) => request.headers.get("x-csrftoken"))).toEqual(["t+1", null, null]);
  vi.unstubAllGlobals();
});

test("Django's CSRF token stays away from the page's origin where that is not the socket's", async () => {
  const page = "http://front.example";
  vi.stubGlobal("location", new URL(`${page}/`));
  vi.stubGlobal("document", { baseURI: `${page}/`, cookie: "csrftoken=t", querySelector: () => null });
  for (const trustedOrigins of [[], [page]]) {
    begin({ trustedOrigins });
    client.close();
    await client.fetch(`${page}/`, { method: "POST" });
  }
  expect(byHttp.mock.calls.map(([request]) => request.headers.get("x-csrftoken"))).toEqual([null, "t"]);
  vi.unstubAllGlobals();
});
