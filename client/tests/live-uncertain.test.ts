/** The state of a live request while the server cannot be sure that it sees each change (PROTOCOL.md 3.3). */
import { describe, expect, test, vi } from "vitest";
import type { Subscription } from "../src/index.js";
import { eachAlone, streams } from "./eventServer.js";
import { FakeSocket } from "./fakeSocket.js";
import { answer, begin, client, collected, connect, live, quiet, sent, until } from "./liveClient.js";

eachAlone();

/** The states of a live request, each once. */
function statesOf(subscription: Subscription): string[] {
  const states: string[] = [subscription.state];
  subscription.addEventListener("statechange", () => states.push(subscription.state));
  return states;
}

describe("over the socket", () => {
  test("all live requests of the connection are uncertain, and live again", async () => {
    const socket = await connect();
    const all = ["/a/", "/b/"].map((url) => live(url));
    await sent(socket, 2);
    for (const { id } of socket.heads) socket.text({ id, ...answer(1, 1) });
    expect(all.map(({ state }) => state)).toEqual(["live", "live"]);
    socket.text({ uncertain: true });
    expect(all.map(({ state }) => state)).toEqual(["uncertain", "uncertain"]);
    socket.text({ uncertain: false });
    expect(all.map(({ state }) => state)).toEqual(["live", "live"]);
  });

  test("a new response is shown, and the state stays", async () => {
    const socket = await connect();
    const [seen, callback] = collected();
    const subscription = live("/a/", callback);
    const states = statesOf(subscription);
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, 1) });
    socket.text({ uncertain: true });
    socket.text({ id, ...answer(2, 2) });
    await quiet();
    expect([seen, states]).toEqual([[1, 2], ["connecting", "live", "uncertain"]]);
  });

  test("one that begins then is never live, not for a moment", async () => {
    const socket = await connect();
    socket.text({ uncertain: true });
    const subscription = live("/a/");
    const states = statesOf(subscription);
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, 1) });
    socket.text({ uncertain: false });
    expect(states).toEqual(["connecting", "uncertain", "live"]);
  });

  test("the notice before the first response counts", async () => {
    const socket = await connect();
    const subscription = live("/a/");
    const states = statesOf(subscription);
    const { id } = await sent(socket, 1);
    socket.text({ uncertain: true });
    expect(subscription.state).toBe("connecting");
    socket.text({ id, ...answer(1, 1) });
    expect(states).toEqual(["connecting", "uncertain"]);
  });

  test("a view that fails is failing, whatever the server can see", async () => {
    const socket = await connect();
    const subscription = live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, 1) });
    socket.text({ id, ...answer(2, 2, { status: 503 }) });
    for (const uncertain of [true, false, true]) {
      socket.text({ uncertain });
      expect(subscription.state).toBe("failing");
    }
    socket.text({ id, ...answer(3, 3) });
    expect(subscription.state).toBe("uncertain");
  });

  test("another connection begins without a doubt", async () => {
    const socket = await connect();
    const subscription = live("/a/");
    const states = statesOf(subscription);
    const first = await sent(socket, 1);
    socket.text({ uncertain: true });
    socket.text({ id: first.id, ...answer(1, 1) });
    socket.drop(1006);
    await quiet();
    expect(subscription.state).toBe("connecting");
    await vi.advanceTimersByTimeAsync(1000);
    FakeSocket.last.greet();
    const { id } = await sent(FakeSocket.last, 1);
    FakeSocket.last.text({ id, ...answer(1, 1) });
    expect(states).toEqual(["connecting", "uncertain", "connecting", "live"]);
  });

  test("an ordinary request does not notice", async () => {
    const socket = await connect();
    const response = client.fetch("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ uncertain: true });
    socket.text({ id, status: 200, headers: { "Content-Type": "text/plain" }, data: "fine" });
    expect(await (await response).text()).toBe("fine");
  });

  test("a server that is frozen itself is noticed by the client's own pings", async () => {
    const socket = await connect(); // it announces pings after 25 s
    const subscription = live("/a/");
    const { id } = await sent(socket, 1);
    socket.text({ id, ...answer(1, 1) });
    await vi.advanceTimersByTimeAsync(32_900);
    expect(subscription.state).toBe("live");
    await vi.advanceTimersByTimeAsync(200);
    expect(subscription.state).toBe("connecting");
  });
});

describe("by server-sent events", () => {
  test("an event says it, before and after the first response", async () => {
    begin();
    const subscription = live("/a/");
    const states = statesOf(subscription);
    await until(() => client.state === "connecting");
    await quiet();
    await vi.advanceTimersByTimeAsync(2000);
    await until(() => streams.length === 1);
    const { event, text } = streams[0]!;
    text('event: uncertain\ndata: {"uncertain":true}\n\n');
    event(answer(1, 1));
    await until(() => subscription.state === "uncertain");
    text('event: uncertain\ndata: {"uncertain":false}\n\n');
    await until(() => subscription.state === "live");
    text('event: uncertain\ndata: {"uncertain":true}\n\n');
    await until(() => subscription.state === "uncertain");
    expect(states).toEqual(["connecting", "uncertain", "live", "uncertain"]);
  });
});
