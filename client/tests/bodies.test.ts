/** Bodies of requests: how each kind arrives, in parts and whole, and how far an upload is. */
import { describe, expect, test, vi } from "vitest";
import "../src/upload.js"; // so that it is there at once when it is needed
import { sendRequest } from "../src/request.js";
import { begin, byHttp, client, connect, eachAlone, sent, settled, turn } from "./connected.js";
import { FakeSocket, LIMITS } from "./fakeSocket.js";

eachAlone();

describe("bodies", () => {
  test.each([
    ["a string", () => "é", { body: "é" }, undefined],
    ["a form", () => new URLSearchParams({ a: "1 é" }), undefined, "a=1+%C3%A9"],
    ["a Blob", () => new Blob(["x"], { type: "image/png" }), undefined, "x"],
    ["an ArrayBuffer", () => new Uint8Array([0, 255]).buffer, undefined, "\0\xff"],
    ["a DataView", () => new DataView(new Uint8Array([9, 0, 255, 9]).buffer, 1, 2), undefined, "\0\xff"],
    ["a Buffer", () => Buffer.from([9, 0, 255, 9]).subarray(1, 3), undefined, "\0\xff"],
    ["a typed array", () => new Uint8Array([9, 0, 255, 9]).subarray(1, 3), undefined, "\0\xff"],
  ])("%s arrives", async (_, make, member, tail) => {
    const socket = await connect();
    const call = client.fetch("/", { method: "PUT", body: make() });
    await sent(socket, 1);
    if (member) expect(socket.heads[0]).toMatchObject(member);
    else expect(Buffer.from(socket.sent[0] as Uint8Array).toString("latin1").split("\n")[1]).toBe(tail);
    socket.text({ id: 1, status: 204, headers: {} });
    expect((await call).body).toBeNull();
  });

  test("a stream goes in parts, never ahead of the server's credit", async () => {
    const socket = await connect();
    const pieces = [new Uint8Array(90_000), new Uint8Array(60_000)];
    const body = new ReadableStream({
      pull: (controller) => (pieces.length ? controller.enqueue(pieces.shift()) : controller.close()),
    });
    const call = client.fetch("/", { method: "POST", body });
    const bytes = (): number => socket.sent.slice(1).reduce((sum, frame) => sum + frame.length, 0);
    await sent(socket, 3); // 90,000 and 10,000 bytes: the window
    expect(bytes()).toBeLessThan(100_100);
    socket.text({ id: 1, credit: 50_000 });
    await sent(socket, 5);
    expect(socket.heads.at(-1)).toEqual({ id: 1 });
    socket.text({ id: 1, status: 200, headers: {} });
    await call;
  });

  test.each([1000, 65_536, 200_000, 2 ** 20])("no part is larger than a frame of %i bytes may be", async (most) => {
    begin();
    client.open();
    const socket = FakeSocket.last;
    socket.greet({ limits: { ...LIMITS, message_bytes: most, window_bytes: 2 ** 20 } });
    const bytes = Uint8Array.from({ length: 700_000 }, (_, index) => index >> 8);
    const call = client.fetch("/", { method: "POST", body: bytes, onUploadProgress: () => {} });
    await settled();
    socket.text({ id: 1, status: 204, headers: {} });
    await call;
    expect(Math.max(...socket.sent.map((frame) => frame.length))).toBeLessThanOrEqual(most);
    const bodies = socket.sent.slice(1).map((frame) => (frame as Uint8Array).slice((frame as Uint8Array).indexOf(10) + 1));
    expect(Buffer.concat(bodies).equals(bytes)).toBe(true);
  });

  test.each(["bytes", "a stream of small chunks", "a stream of large ones"])("a WebSocket that compresses may read the frames of %s until they are acknowledged", async (kind) => {
    begin();
    client.open();
    const socket = FakeSocket.last;
    const kept: Uint8Array[] = [];
    socket.send = (frame) => void kept.push(frame as Uint8Array);
    socket.greet({ limits: { ...LIMITS, window_bytes: 2 ** 20 } });
    const bytes = Uint8Array.from({ length: 900_000 }, (_, index) => index >> 8);
    const size = kind === "a stream of small chunks" ? 10_000 : 300_000;
    let start = 0;
    const pull = (controller: ReadableStreamDefaultController): void => {
      if (start === bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(start, (start += size)));
    };
    const body = kind === "bytes" ? bytes : new ReadableStream({ pull });
    const call = client.fetch("/", { method: "POST", body });
    while (!kept.shift()) await turn(); // the request
    const read: Uint8Array[] = [];
    for (let frame; read.at(-1)?.length !== 0; ) {
      await turn();
      if (!(frame = kept.shift())) continue;
      const part = frame.slice(frame.indexOf(10) + 1); // not before now; the last is empty
      read.push(part);
      if (part.length) socket.text({ id: 1, credit: part.length });
    }
    socket.text({ id: 1, status: 204, headers: {} });
    await call;
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
  });

  test("what needs parts goes by HTTP when upload.js cannot be loaded", async () => {
    vi.doMock("../src/upload.js", () => Promise.reject(new Error("offline")));
    const socket = await connect();
    const call = client.fetch("/", { method: "POST", body: new Uint8Array(300_000) });
    expect(await (await call).text()).toBe("by http");
    expect([socket.sent.length, (await byHttp.mock.calls[0]![0].arrayBuffer()).byteLength]).toEqual([0, 300_000]);
    vi.doUnmock("../src/upload.js");
  });

  test("one that is aborted while upload.js is loaded sends nothing, and its stream is cancelled", async () => {
    const socket = await connect();
    const controller = new AbortController();
    const cancelled = vi.fn();
    const body = new ReadableStream({ cancel: cancelled });
    const call = client.fetch("/", { method: "POST", body, signal: controller.signal });
    const checked = expect(call).rejects.toMatchObject({ name: "AbortError" });
    while (!client.unfinishedCount) await Promise.resolve();
    controller.abort();
    await checked;
    while (!cancelled.mock.calls.length) await turn();
    expect(socket.heads).toEqual([{ id: 1, cancel: true }]); // of what the server does not know, which does nothing
  });

  test.each(["is being read", "was read", "outlives its page"])("a stream that %s is refused at once", async (why) => {
    const socket = await connect();
    const body = new Blob(["x"]).stream();
    if (why === "is being read") body.getReader();
    if (why === "was read") await new Response(body).text();
    const keepalive = why === "outlives its page";
    await expect(client.fetch("/", { method: "POST", body, keepalive })).rejects.toBeInstanceOf(TypeError);
    expect([socket.sent, byHttp.mock.calls]).toEqual([[], []]);
  });

  const PARTS = { text: "chunk", "an object": {}, null: null, undefined: undefined, "an ArrayBuffer": new ArrayBuffer(3), "other numbers": new Int8Array(3) };
  const ways = (name: string): [string, string][] => [[name, "the socket"], [name, "HTTP"]];
  test.each(Object.keys(PARTS).flatMap(ways))("a stream that gives %s by %s is refused, and so is its call", async (name, way) => {
    const socket = await connect();
    if (way === "HTTP") client.close();
    const cancelled = vi.fn();
    const start = (to: ReadableStreamDefaultController): void => {
      to.enqueue(new Uint8Array(3));
      to.enqueue(PARTS[name as keyof typeof PARTS]);
    };
    const body = new ReadableStream({ start, cancel: cancelled });
    const error: unknown = await client.fetch("/", { method: "POST", body }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TypeError);
    await settled();
    expect(cancelled).toHaveBeenCalledWith(error);
    expect(byHttp).not.toHaveBeenCalled();
    if (way === "the socket") expect(socket.heads.at(-1)).toEqual({ id: 1, cancel: true });
  });

  test.each(["before", "while it waits for the socket", "on the socket", "by HTTP"])("an upload that is aborted %s tells its stream why", async (when) => {
    const socket = when === "on the socket" ? await connect() : undefined;
    if (!socket) begin();
    if (when === "by HTTP") client.close();
    const controller = new AbortController();
    const why = new RangeError("enough");
    if (when === "before") controller.abort(why);
    const cancelled = vi.fn();
    const body = new ReadableStream({ cancel: cancelled });
    const call = client.fetch("/", { method: "POST", body, signal: controller.signal });
    const checked = expect(call).rejects.toBe(why);
    await settled();
    controller.abort(why);
    await checked;
    await settled();
    expect(cancelled.mock.calls).toEqual([[why]]);
    expect(byHttp).not.toHaveBeenCalled();
  });

  test.each(["application/json", "text/plain;charset=UTF-8", undefined])("a large body of type %s is copied a part at a time only", async (type) => {
    const body = new TextEncoder().encode(JSON.stringify("x".repeat(1_000_000)));
    const frames: (string | Uint8Array)[] = [];
    const sizes = { set: 0, slice: 0, decode: 0, parse: 0 };
    const spied = [
      vi.spyOn(Uint8Array.prototype, "set").mockImplementation((from) => void (sizes.set = Math.max(sizes.set, from.length))),
      vi.spyOn(Uint8Array.prototype, "slice").mockImplementation((from = 0, to = 2e6) => ((sizes.slice = to - from), body.subarray(from, to))),
      vi.spyOn(TextDecoder.prototype, "decode").mockImplementation(() => ((sizes.decode = 1), "")),
    ];
    const limits = { ...LIMITS, message_bytes: 400_000, window_bytes: 300_000, body_bytes: 2e6 };
    const [answer, receive] = sendRequest({ id: 1, type }, body, new AbortController().signal, limits, (frame) => frames.push(frame), () => {});
    while (!frames.length) await turn();
    receive({ id: 1, credit: 2e6 });
    for (let turns = 0; turns < 20; turns++) await turn();
    for (const spy of spied) spy.mockRestore();
    receive({ id: 1, status: 204, headers: {} });
    expect([(await answer).status, frames.length, sizes]).toEqual([204, 7, { set: 262_144, slice: 0, decode: 0, parse: 0 }]);
  });

  test.each(["a Uint8Array", "an ArrayBuffer"])("%s is what it was when it was given, whatever becomes of it", async (kind) => {
    const socket = await connect();
    const bytes = new Uint8Array([0, 255]);
    const call = client.fetch("/", { method: "POST", body: kind === "a Uint8Array" ? bytes : bytes.buffer });
    bytes.fill(7);
    await sent(socket, 1);
    expect([...(socket.sent[0] as Uint8Array).slice(-2)]).toEqual([0, 255]);
    socket.text({ id: 1, status: 204, headers: {} });
    await call;
    const shared = new Uint8Array(new SharedArrayBuffer(3));
    for (const body of [shared, "x"] as BodyInit[]) {
      const init = body === "x" ? { body } : { method: "POST", body };
      await expect(client.fetch("/", init)).rejects.toBeInstanceOf(TypeError);
    }
    expect(socket.sent.length).toBe(1);
  });

  test("a text that may be longer than a frame is counted, and goes in one if it fits", async () => {
    const socket = await connect();
    const call = client.fetch("/", { method: "POST", body: "x".repeat(150_000) });
    await sent(socket, 1);
    expect((socket.heads[0]!["body"] as string).length).toBe(150_000);
    socket.text({ id: 1, status: 204, headers: {} });
    await call;
    const long = client.fetch("/", { method: "POST", body: "é".repeat(99_980) }); // 199,960 bytes, and the head
    await sent(socket, 3);
    expect(socket.heads[1]).toMatchObject({ more: true });
    socket.text({ id: 2, status: 204, headers: {} });
    await long;
  });

  describe("the progress of an upload", () => {
    /** All frames of a call, each part of it acknowledged as a server does. */
    async function acknowledged(socket: FakeSocket, frames: number): Promise<void> {
      for (let seen = 0; seen < frames; seen++) {
        for (let turns = 0; turns < 200 && socket.sent.length <= seen; turns++) await turn();
        const [frame, head] = [socket.sent[seen] as Uint8Array, socket.heads[seen]!];
        const size = frame.length - frame.indexOf(10) - 1;
        if (size && head["more"]) socket.text({ id: head.id, credit: size });
      }
      expect(socket.sent.length).toBe(frames);
      socket.text({ id: 1, status: 204, headers: {} });
    }

    test.each<[string, () => BodyInit, (number | null)[][], number]>([
      ["bytes", () => new Uint8Array(150_000), [[65_536, 150_000], [100_000, 150_000], [150_000, 150_000]], 5],
      ["a small body", () => "small", [[5, 5]], 3],
      ["a form", () => new URLSearchParams({ a: "1" }), [[3, 3]], 3],
      ["a stream", () => new Blob([new Uint8Array(70_000)]).stream(), [[70_000, null]], 3],
      ["an empty body", () => "", [], 1],
    ])("of %s is what the server has taken", async (_, make, expected, frames) => {
      const socket = await connect();
      const onUploadProgress = vi.fn();
      const call = client.fetch("/", { method: "POST", body: make(), onUploadProgress });
      await acknowledged(socket, frames);
      await call;
      expect(onUploadProgress.mock.calls).toEqual(expected);
    });

    test("by HTTP comes with the response", async () => {
      const socket = await connect();
      const onUploadProgress = vi.fn();
      const init = { method: "POST", onUploadProgress };
      await client.fetch("/", { ...init, body: new Uint8Array(1_000_001) });
      client.close();
      await client.fetch("/", init);
      expect([socket.sent, onUploadProgress.mock.calls]).toEqual([[], [[1_000_001, 1_000_001]]]);
    });

    test("ends with the call", async () => {
      const socket = await connect();
      const controller = new AbortController();
      const onUploadProgress = vi.fn();
      const init = { method: "POST", body: new Uint8Array(150_000), signal: controller.signal, onUploadProgress };
      const checked = expect(client.fetch("/", init)).rejects.toMatchObject({ name: "AbortError" });
      await sent(socket, 3);
      controller.abort();
      await checked;
      socket.text({ id: 1, credit: 65_536 });
      await settled();
      expect(onUploadProgress).not.toHaveBeenCalled();
    });

    test("may be a function that throws: the call goes on, and the page is told", async () => {
      const others = process.rawListeners("uncaughtException") as NodeJS.UncaughtExceptionListener[];
      const uncaught = vi.fn();
      process.removeAllListeners("uncaughtException").on("uncaughtException", uncaught);
      const socket = await connect();
      const why = new RangeError("of the page");
      const onUploadProgress = (): void => {
        throw why;
      };
      const call = client.fetch("/", { method: "POST", body: "small", onUploadProgress });
      await acknowledged(socket, 3);
      expect((await call).status).toBe(204);
      process.removeAllListeners("uncaughtException");
      for (const each of others) process.on("uncaughtException", each);
      expect(uncaught.mock.calls.map(([error]) => error as unknown)).toEqual([why]);
    });
  });

  test("a body over the server's limit goes by HTTP", async () => {
    const socket = await connect();
    await client.fetch("/", { method: "POST", body: new Uint8Array(1_000_001) });
    expect([socket.sent.length, byHttp.mock.calls.length]).toEqual([0, 1]);
    expect((await byHttp.mock.calls[0]![0].arrayBuffer()).byteLength).toBe(1_000_001);
  });
});
