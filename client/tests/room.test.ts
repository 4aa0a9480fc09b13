/** Rooms: events, members, what is missed after a lost connection, and what goes to the server. */
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Room, RoomCall, RoomEvent } from "../src/index.js";
import { byHttp, eachAlone, http, streams } from "./eventServer.js";
import { answer, client, connect, live, quiet, sent, until } from "./liveClient.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();
const rooms: Room[] = [];
afterEach(async () => {
  for (const each of rooms.splice(0)) each.close();
  await quiet();
});

function enter(...call: RoomCall): Room {
  const room = client.room(...call);
  rooms.push(room);
  return room;
}
const greeting = { events: true };
const event = (position: string, data: unknown = position, name = "typing", room = "a"): object => ({ event: name, room, position, data });

/** A room that has joined `joined`. */
async function joined(joined: object[] = [{ room: "a", position: "k:1" }], options = {}): Promise<[FakeSocket, Room, string]> {
  const socket = connect({}, greeting);
  const room = enter("/room/", options);
  const { id } = await sent(socket, 1);
  socket.text({ id, ...answer(1, {}) });
  socket.text({ id, rooms: joined });
  return [socket, room, id];
}
async function reconnected(socket: FakeSocket, code = 1006): Promise<FakeSocket> {
  socket.drop(code);
  await quiet();
  await vi.advanceTimersByTimeAsync(1000);
  FakeSocket.last.greet(greeting);
  return FakeSocket.last;
}
function heard(room: Room, name = "typing"): unknown[] {
  const values: unknown[] = [];
  room.on(name, (data) => values.push(data));
  return values;
}
function missed(room: Room): unknown[] {
  const values: unknown[] = [];
  room.addEventListener("missed", (event) => values.push((event as CustomEvent<{ room: string }>).detail.room));
  return values;
}

describe("events", () => {
  test("come from the rooms that the view has joined, to those who listen for their name", async () => {
    const socket = connect({}, greeting);
    const room = enter("/room/?x=1", { headers: { "X-A": "b" } });
    const calls: unknown[] = [];
    const stop = room.on("typing", (...call) => calls.push(call)); // before room.js is there
    const { id, ...message } = await sent(socket, 1);
    expect(message).toMatchObject({ url: "/room/?x=1", headers: { "x-a": "b" }, subscribe: true, events: ["room"] });
    expect(message).not.toHaveProperty("since");
    socket.text({ id, ...answer(1, { title: "x" }) });
    expect([room.state, await (await room.ready()).json()]).toEqual(["live", { title: "x" }]);
    socket.text(event("k:1")); // before it has joined
    socket.text({ id, rooms: [{ room: "a", position: "k:1" }] });
    const first: RoomEvent = { event: "typing", room: "a", position: "k:2", data: { user: "ada" }, to: undefined };
    socket.text(first);
    socket.text(event("k:3", 1, "other"));
    socket.text(event("k:4", 2, "typing", "b"));
    const losses = missed(room);
    socket.text({ event: "typing", to: "user", data: 3 });
    socket.text({ missed: "", to: "user" });
    expect(losses).toEqual([]);
    expect(calls).toEqual([[{ user: "ada" }, first]]);
    expect(room.history.map(({ position }) => position)).toEqual(["k:2", "k:3"]);
    stop();
    socket.text(event("k:5"));
    expect([calls.length, room.history.length]).toEqual([1, 3]);
  });

  test("to the user and the session come if they are asked for", async () => {
    const [socket, room] = await joined([], { user: true, session: true });
    expect(socket.heads[0]!["events"]).toEqual(["room", "user", "session"]);
    const calls = heard(room, "call");
    for (const to of ["user", "session"]) socket.text({ event: "call", to, data: to });
    expect(calls).toEqual(["user", "session"]);
    expect(room.history[0]).toEqual({ event: "call", to: "user", data: "user" });
    const losses: unknown[] = [];
    room.addEventListener("missed", (event) => losses.push((event as CustomEvent).detail));
    for (const to of ["user", "session"]) socket.text({ missed: "", to });
    expect(losses).toEqual([{ to: "user" }, { to: "session" }]);
  });

  test("of a room that the view no longer joins stop", async () => {
    const [socket, room, id] = await joined([{ room: "a", position: "k:1" }, { room: "b", position: "j:7" }]);
    const calls = heard(room);
    socket.text(event("k:2"));
    socket.text({ id, rooms: [{ room: "b", position: "j:9" }] }); // 8 and 9 are on the way
    for (const position of ["j:8", "j:9"]) socket.text(event(position, position, "typing", "b"));
    socket.text(event("k:3"));
    expect(calls).toEqual(["k:2", "j:8", "j:9"]);
  });

  test("that came already are not new", async () => {
    const [socket, room] = await joined();
    const calls = heard(room);
    for (const position of ["k:2", "k:2", "k:1", "k:10", "k:9", "z:1"]) socket.text(event(position));
    expect(calls).toEqual(["k:2", "k:10", "z:1"]);
  });

  test("are kept, the newest 100", async () => {
    const [socket, room] = await joined();
    const { history } = room;
    for (let number = 2; number < 152; number++) socket.text(event(`k:${number}`, number));
    expect(history).toEqual([]); // an array does not change
    expect(room.history.map(({ data }) => data)).toEqual(Array.from({ length: 100 }, (_, index) => 52 + index));
  });

  test("go to those who listened before", async () => {
    const [socket, room] = await joined();
    const calls: unknown[] = [];
    const listen = (): void => {
      const stop = room.on("typing", (data) => {
        stop();
        listen();
        calls.push(data);
      });
    };
    listen();
    for (const position of ["k:2", "k:3"]) socket.text(event(position));
    expect(calls).toEqual(["k:2", "k:3"]);
  });

  test("go to all listeners, although one throws", async () => {
    const errors: unknown[] = [];
    const others = process.rawListeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", (error) => errors.push(error));
    const [socket, room] = await joined();
    const error = new Error("the page's own");
    room.on("typing", () => {
      throw error;
    });
    const calls = heard(room);
    socket.text(event("k:2"));
    await quiet();
    process.removeAllListeners("unhandledRejection");
    for (const each of others) process.on("unhandledRejection", each as NodeJS.UnhandledRejectionListener);
    expect([calls, errors]).toEqual([["k:2"], [error]]);
  });

  test("disturb no other call of the connection", async () => {
    const [socket] = await joined();
    const subscription = live("/other/");
    const { id } = await sent(socket, 2);
    const call = client.fetch("/call/");
    const request = await sent(socket, 3);
    socket.text(event("k:2")); // before the first response
    socket.text({ id, ...answer(1, 1) });
    for (const frame of [event("k:3"), { presence: "a", left: ["7"] }, { missed: "a", position: "k:9" }]) socket.text(frame);
    expect(subscription.state).toBe("live");
    socket.text({ id: request.id, ...answer(1, "fetched"), version: undefined });
    expect(await (await call).json()).toBe("fetched");
  });

  test("are not asked for where the server has none", async () => {
    const socket = connect();
    enter("/room/");
    expect(await sent(socket, 1)).not.toHaveProperty("events");
  });
});

describe("members", () => {
  const ada = { id: "7", info: { name: "Ada" } };
  const bob = { id: "8", info: {} };

  test("are those of all rooms, each once", async () => {
    const [socket, room, id] = await joined([{ room: "a", position: "k:1", members: [ada] }]);
    let changes = 0;
    room.addEventListener("members", () => changes++);
    const { members } = room;
    expect(members).toEqual([ada]);
    socket.text({ presence: "a", joined: [bob], left: [] });
    expect([room.members, members]).toEqual([[ada, bob], [ada]]);
    socket.text({ presence: "b", joined: [{ id: "9", info: {} }], left: ["7"] }); // another live request is in it
    socket.text({ presence: "a", joined: [{ id: "8", info: { name: "Bob" } }], left: ["7"] });
    expect([room.members, changes]).toEqual([[{ id: "8", info: { name: "Bob" } }], 2]);
    const both = ["a", "b"].map((room) => ({ room, position: "k:1", members: [ada, bob] }));
    socket.text({ id, rooms: both });
    expect(room.members).toEqual([ada, bob]);
    socket.text({ id, rooms: [] });
    expect([room.members, changes]).toEqual([[], 4]);
  });
});

describe("after a lost connection", () => {
  test("the room says what it has, and what comes again is not new", async () => {
    const [socket, room] = await joined();
    const calls = heard(room);
    socket.text(event("k:2"));
    const next = await reconnected(socket);
    const { id, since } = await sent(next, 1);
    expect([since, room.state]).toEqual([{ a: "k:2" }, "connecting"]);
    next.text(event("k:4")); // to another live request, before this one has joined
    next.text({ id, ...answer(1, {}) });
    next.text({ id, rooms: [{ room: "a", position: "k:4", missed: false }] });
    for (const position of ["k:3", "k:4", "k:5"]) next.text(event(position));
    expect([calls, missed(room)]).toEqual([["k:2", "k:3", "k:4", "k:5"], []]);
  });

  test("what may be lost is missed", async () => {
    const [socket, room] = await joined([{ room: "a", position: "k:4" }, { room: "b", position: "k:1" }]);
    const [calls, losses] = [heard(room), missed(room)];
    const next = await reconnected(socket);
    const { id } = await sent(next, 1);
    next.text({ id, ...answer(1, {}) });
    next.text({ id, rooms: [{ room: "a", position: "z:2", missed: true }, { room: "c", position: "k:1" }] });
    expect(losses).toEqual(["a"]);
    for (const position of ["z:2", "z:3"]) next.text(event(position));
    next.text({ missed: "a", position: "y:5" });
    next.text({ missed: "b", position: "y:5" }); // it is no longer in this one
    for (const position of ["y:5", "y:6"]) next.text(event(position));
    expect([calls, losses]).toEqual([["z:3", "y:6"], ["a", "a"]]);
    await sent(await reconnected(next), 1);
    expect(FakeSocket.last.heads[0]!["since"]).toEqual({ a: "y:6", c: "k:1" });
  });

  test("a room whose position finds no place in the request is missed", async () => {
    const names = Array.from({ length: 257 }, (_, index) => `r${index}`);
    const [socket, room] = await joined(names.map((room) => ({ room, position: "k:1" })));
    const losses = missed(room);
    const next = await reconnected(socket);
    const { id, since } = await sent(next, 1);
    expect(Object.keys(since as object)).toEqual(names.slice(0, 256));
    next.text({ id, ...answer(1, {}) });
    next.text({ id, rooms: names.map((room, index) => ({ room, position: "k:1", ...(index < 256 && { missed: false }) })) });
    expect(losses).toEqual(["r256"]);
  });

  test("of a session that has ended, nothing of the former user is kept", async () => {
    const [socket, room] = await joined([{ room: "a", position: "k:1", members: [{ id: "7", info: {} }] }]);
    const loop = room[Symbol.asyncIterator]();
    const first = loop.next();
    await quiet();
    for (const position of ["k:2", "k:3"]) socket.text(event(position));
    let cleared: unknown;
    room.addEventListener("clear", () => (cleared = [room.members, room.history]));
    const next = await reconnected(socket, 4003);
    expect(await sent(next, 1)).not.toHaveProperty("since");
    expect([cleared, room.state]).toEqual([[[], []], "connecting"]);
    const { id } = await sent(next, 1);
    next.text({ id, ...answer(1, {}) });
    next.text({ id, rooms: [{ room: "a", position: "k:9" }] });
    next.text(event("k:10"));
    expect([await first, await loop.next()]).toMatchObject([{ value: { data: "k:2" } }, { value: { data: "k:10" } }]);
  });
});

describe("a loop", () => {
  test("gets every event in order, and leaving it closes the room", async () => {
    const [socket, room, id] = await joined();
    const loop = (async () => {
      const values: unknown[] = [];
      for await (const { data } of room) {
        await quiet();
        if (values.push(data) === 3) break;
      }
      return values;
    })();
    await quiet();
    for (const position of ["k:2", "k:3", "k:4", "k:5"]) socket.text(event(position));
    expect(await loop).toEqual(["k:2", "k:3", "k:4"]);
    expect(await sent(socket, 2)).toEqual({ id, cancel: true });
    expect([room.state, room.reason]).toEqual(["ended", "closed"]);
  });

  test("that is too slow misses the oldest", async () => {
    const [socket, room] = await joined();
    const losses = missed(room);
    const loop = room[Symbol.asyncIterator]();
    const first = loop.next();
    await quiet();
    for (let number = 2; number <= 1003; number++) socket.text(event(`k:${number}`, number));
    expect([await first, await loop.next()]).toMatchObject([{ value: { data: 4 } }, { value: { data: 5 } }]);
    expect(losses).toEqual(["a", "a"]);
  });

  test("ends after close(), and otherwise throws why, after what has come", async () => {
    const [socket, room, id] = await joined();
    const collect = async (values: unknown[] = []): Promise<unknown[]> => {
      try {
        for await (const { data } of room) values.push(data);
      } catch (error) {
        values.push(error);
      }
      return values;
    };
    const loop = collect();
    await quiet();
    socket.text(event("k:2"));
    socket.text({ id, status: 403, headers: {} });
    const values = await loop;
    expect([values, room.state, room.reason]).toEqual([["k:2", room.error], "ended", "denied"]);
    expect([room.members, room.history]).toEqual([[], []]);
    const other = enter("/b/");
    const ended = (async () => {
      for await (const _ of other);
    })();
    await sent(socket, 2);
    other.close();
    await ended;
  });
});

describe("send()", () => {
  const post = { method: "POST", url: "/room/?x=1", data: { event: "typing", data: { a: 1 } } };

  test("is a POST to the room, for its view to decide", async () => {
    const socket = connect({}, greeting);
    const room = enter("/room/?x=1", { headers: { "X-A": "b" } });
    const done = room.send("typing", { a: 1 });
    await until(() => socket.heads.length === 2);
    const { id, ...message } = socket.heads.find(({ method }) => method === "POST")!;
    expect(message).toMatchObject({ ...post, headers: { "x-a": "b" } });
    socket.text({ id, status: 204, headers: {} });
    expect((await done).status).toBe(204);
  });

  test.each([
    ["a 403", { status: 403, headers: {} }, { inDoubt: false, response: { status: 403 } }],
    ["a redirect to the login", { status: 302, headers: { Location: "/login/" } }, { inDoubt: false }],
  ])("rejects with %s", async (_, refused, error) => {
    const [socket, room] = await joined();
    const done = room.send("typing");
    const { id, data } = await sent(socket, 2);
    expect(data).toEqual({ event: "typing", data: null });
    socket.text({ id, ...refused });
    await expect(done).rejects.toMatchObject(error);
  });
});

describe("over server-sent events", () => {
  test("the query has what a message would have", async () => {
    const [socket, room] = await joined([{ room: "a", position: "k:1" }], { user: true });
    const calls = heard(room);
    socket.text(event("k:2"));
    socket.drop(4500);
    await quiet();
    await vi.advanceTimersByTimeAsync(1000);
    await until(() => streams.length);
    const stream = streams[0]!;
    const { searchParams } = new URL(stream.request.url);
    expect([searchParams.getAll("events"), searchParams.get("since")]).toEqual([["room", "user"], '{"a":"k:2"}']);
    stream.event(answer(1, {}));
    const push = (head: object): void => stream.text(`event: push\ndata: ${JSON.stringify(head)}\n\n`);
    push({ rooms: [{ room: "a", position: "k:3", missed: false, members: [{ id: "7", info: {} }] }] });
    for (const position of ["k:3", "k:4"]) push(event(position));
    push({ event: "typing", to: "user", data: "mine" });
    await until(() => calls.length === 4);
    expect([calls, room.members.length, room.state]).toEqual([["k:2", "k:3", "k:4", "mine"], 1, "live"]);
  });
});

test("a room that cannot be loaded has failed", async () => {
  http.answer = () => Promise.reject(new TypeError("unreachable"));
  vi.doMock("../src/room.js", () => Promise.reject(new Error("offline")));
  connect({}, greeting);
  const room = enter("/room/");
  await expect(room.ready()).rejects.toThrow();
  await expect(room.send("typing")).rejects.toThrow();
  vi.doUnmock("../src/room.js");
  expect([room.state, room.reason, byHttp.mock.calls.length]).toEqual(["ended", "failed", 0]);
});
