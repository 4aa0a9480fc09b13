/** Live requests over server-sent events, and the return to the socket. */
import { describe, expect, test, vi } from "vitest";
import { byHttp, eachAlone, http, streams, type Stream } from "./eventServer.js";
import { answer, BASE, begin, client, collected, JSON_TYPE, live, quiet, sent, until } from "./liveClient.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

describe("by server-sent events", () => {
  async function stream(count: number): Promise<Stream> {
    await until(() => streams.length >= count);
    expect(streams.length).toBe(count);
    return streams[count - 1]!;
  }
  /** Until the client, which waits no longer for the socket, asks again. */
  async function again(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
    await quiet();
    await vi.advanceTimersByTimeAsync(2000);
  }
  async function late(): Promise<void> {
    await until(() => client.state === "connecting");
    await quiet();
    await vi.advanceTimersByTimeAsync(2000);
  }

  test("asks for a page as by the socket", async () => {
    begin();
    const subscription = live("/page/", { headers: { Accept: "text/html" } });
    await late();
    const { request } = await stream(1);
    expect(request.headers.get("accept")).toBe("text/html, text/event-stream");
    subscription.close();
  });

  test("when the socket is not open in time", async () => {
    begin({ token: "t1", tokenScheme: "Bearer" });
    const [seen, callback] = collected();
    const subscription = live("/api/a/?x=1", callback, { headers: { "X-A": "b" } });
    await late();
    const { request, event } = await stream(1);
    expect(request.url).toBe(`${BASE}/ws/?url=%2Fapi%2Fa%2F%3Fx%3D1&patch=json&patch=text`);
    const names = ["accept", "authorization", "x-a", "last-event-id"];
    expect(names.map((name) => request.headers.get(name))).toEqual(["text/event-stream", "Bearer t1", "b", null]);
    event(answer(1, ["a"]));
    event({ patch: "json", ...answer(2, [{ op: "add", path: "/-", value: "b" }]) });
    await until(() => seen.length === 2);
    expect([seen, subscription.state]).toEqual([[["a"], ["a", "b"]], "live"]);
    subscription.close();
    await until(() => request.signal.aborted);
  });

  test("events are read however their bytes are cut", async () => {
    begin();
    const seen: string[] = [];
    live("/a/", (response) => void response.text().then((text) => seen.push(text)));
    await late();
    const { text, event } = await stream(1);
    const data = JSON.stringify({ ...answer(1, "é"), headers: { "Content-Type": "text/plain" } });
    for (const letter of `:comment\r\n\r\nevent: x\r\nid: "1"\r\ndata:${data}\r\n\r\n`) text(letter);
    text(`data: ${data.replace(":1,", ":2,").replace(/,/, ",\ndata: ")}\n\n`); // of two lines
    event({ version: 3, status: 200, headers: { "Content-Type": "image/png" }, encoding: "base64", data: "AP8=" });
    event({ version: 4, status: 200, headers: JSON_TYPE, encoding: "base64", data: "ew==" }); // broken JSON
    await until(() => seen.length === 4);
    expect(seen).toEqual(["é", "é", "\0\ufffd", "{"]);
  });

  test("one that is lost, or silent, is asked for again with the tag that is held", async () => {
    begin();
    const subscription = live("/a/");
    await late();
    (await stream(1)).event(answer(1, "a"));
    await until(() => subscription.state === "live");
    (await stream(1)).end();
    await until(() => subscription.state === "connecting");
    await again(500);
    const second = await stream(2);
    expect(second.request.headers.get("last-event-id")).toBe('"1"');
    second.event({ version: 1, status: 304, headers: {} });
    await until(() => subscription.state === "live");
    await vi.advanceTimersByTimeAsync(59_000);
    second.text(":\n\n");
    await quiet();
    await vi.advanceTimersByTimeAsync(59_000);
    expect(subscription.state).toBe("live");
    await vi.advanceTimersByTimeAsync(1_000);
    await until(() => subscription.state === "connecting");
  });

  test("who has only the tag says so, and patches of texts come too", async () => {
    begin();
    const bodies: Promise<string>[] = [];
    live("/a/", (response) => bodies.push(response.text()), { held: '"1"' });
    await late();
    const { request, event } = await stream(1);
    expect(new URL(request.url).search).toBe("?url=%2Fa%2F&patch=json&patch=text&tag_only=true");
    const headers = { "Content-Type": "text/html" };
    event({ version: 1, status: 304, headers: {} });
    event({ version: 2, status: 200, headers, data: "<b>1</b>" });
    event({ version: 3, status: 200, headers, patch: "text", data: [[3, 1, "2"]] });
    await until(() => bodies.length === 2);
    expect(await Promise.all(bodies)).toEqual(["<b>1</b>", "<b>2</b>"]);
  });

  test("the last event ends it", async () => {
    begin();
    const subscription = live("/a/");
    await late();
    (await stream(1)).event({ status: 403, headers: {} });
    await expect(subscription.ready()).rejects.toMatchObject({ response: { status: 403 } });
  });

  test("when the socket is there, it takes over without a gap", async () => {
    begin();
    const [seen, callback] = collected();
    const subscription = live("/a/", callback);
    const states: string[] = [];
    subscription.addEventListener("statechange", () => states.push(subscription.state));
    await late();
    const events = await stream(1);
    events.event(answer(1, ["a"]));
    await until(() => seen.length === 1);
    FakeSocket.last.greet();
    const socket = FakeSocket.last;
    const { id, headers } = await sent(socket, 1);
    expect(headers).toEqual({ "If-None-Match": '"1"' });
    events.event(answer(2, ["b"])); // goes on, until the socket has answered
    await until(() => seen.length === 2);
    expect(events.request.signal.aborted).toBe(false);
    socket.text({ id, version: 7, status: 304, headers: {} });
    expect(events.request.signal.aborted).toBe(true);
    await until(() => seen.length === 3);
    socket.text({ id, patch: "json", ...answer(8, [{ op: "add", path: "/-", value: "c" }]) });
    await until(() => seen.length === 4);
    expect(seen).toEqual([["a"], ["b"], ["a"], ["a", "c"]]);
    expect(states).toEqual(["live"]);
  });

  test("events that end while the socket takes over leave nothing that is not current", async () => {
    begin();
    const subscription = live("/a/");
    await late();
    (await stream(1)).event(answer(1, "a"));
    await until(() => subscription.state === "live");
    FakeSocket.last.greet();
    const { id } = await sent(FakeSocket.last, 1);
    (await stream(1)).end();
    await until(() => subscription.state === "connecting");
    FakeSocket.last.text({ id, version: 7, status: 304, headers: {} });
    expect(subscription.state).toBe("live");
  });

  test("after close() of the client they are the way, until open()", async () => {
    begin();
    client.close();
    const subscription = live("/a/");
    (await stream(1)).event(answer(1, "a"));
    await until(() => subscription.state === "live");
    client.open();
    FakeSocket.last.greet();
    const { id } = await sent(FakeSocket.last, 1);
    FakeSocket.last.text({ id, ...answer(1, "b") });
    expect((await stream(1)).request.signal.aborted).toBe(true);
  });

  test("where HTTP is not there either, both are asked again until the socket comes", async () => {
    begin();
    http.answer = () => Promise.reject(new TypeError("unreachable"));
    const subscription = live("/a/");
    await late();
    await until(() => byHttp.mock.calls.length === 2);
    await quiet();
    await again(500);
    await until(() => byHttp.mock.calls.length >= 4);
    expect(subscription.state).toBe("connecting");
    FakeSocket.last.greet();
    await quiet();
    await vi.advanceTimersByTimeAsync(1000);
    await sent(FakeSocket.last, 1);
  });
});
