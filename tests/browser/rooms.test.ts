/** Rooms in a real browser: events, members, and what is missed when the connection or the server goes. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import type { Room, RoomOptions } from "../../client/src/index.js";
import { startDemo } from "../../client/tests/demo.js";
import { Proxy, type Faults } from "./proxy.js";
import { Server, until } from "./servers.js";
import { useBrowser, useClient } from "./visits.js";

interface Globals {
  room: Room;
  /** Numbers that were sent, names of who is typing, and "missed". */
  seen: unknown[];
  /** Whether the server has said which rooms it is in. */
  hasJoined?: true;
}

const visit = useBrowser();
const faults: Faults = {};
let server: Server;
let proxy: Awaited<ReturnType<typeof Proxy.start>>;
beforeAll(async () => {
  server = await Server.start();
  proxy = await Proxy.start(server, faults);
});
afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
});

const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** Enters a room on the page, once its state is `state`. */
async function enter(page: Page, url: string, options: RoomOptions = {}, state = "live"): Promise<void> {
  await page.evaluate(
    ([url, options]) => {
      const room = wsrequest.room(url, options);
      const seen: unknown[] = [];
      room.on("number", (number) => seen.push(number));
      room.on("typing", ({ name }) => seen.push(name));
      room.addEventListener("missed", () => seen.push("missed"));
      room.addEventListener("members", () => Object.assign(globalThis, { hasJoined: true }));
      room.addEventListener("statechange", () => {}); // the end is noticed
      Object.assign(globalThis, { room, seen });
    },
    [url, options] as const,
  );
  await page.waitForFunction((state) => (globalThis as unknown as Globals).room.state === state, state);
  if (state === "live") await page.waitForFunction(() => (globalThis as unknown as Globals).hasJoined);
}
const seen = (page: Page): Promise<unknown[]> => page.evaluate(() => (globalThis as unknown as Globals).seen);
const sees = (page: Page, values: unknown[]): Promise<unknown> =>
  page.waitForFunction((values) => JSON.stringify((globalThis as unknown as Globals).seen) === values, JSON.stringify(values)).catch(async (error: Error) => {
    throw new Error(`seen: ${JSON.stringify(await seen(page))}`, { cause: error });
  });
const members = (page: Page): Promise<string[]> =>
  page.evaluate(() => (globalThis as unknown as Globals).room.members.map(({ id, info }) => `${id} ${info["name"]}`).sort());
const hasMembers = (page: Page, wanted: string[]): Promise<unknown> =>
  until(wanted.join(), async () => JSON.stringify(await members(page)) === JSON.stringify(wanted), 30);
const send = (page: Page, event: string, data?: unknown): Promise<number> =>
  page.evaluate(async ([event, data]) => (await (globalThis as unknown as Globals).room.send(event, data)).status, [event, data] as const);

/** Sends these numbers to a room, as another process would. */
async function tell(name: string, first: number, last: number): Promise<void> {
  const { status } = await fetch(`${server.origin}/tell/${name}/?from=${first}&to=${last}`);
  expect(status).toBe(204);
}

test("what one sends the others get", async () => {
  const [one, other] = [await visit(proxy.origin), await visit(proxy.origin)];
  for (const { page } of [one, other]) await enter(page, "/room/talk/");
  expect(await send(one.page, "typing", { name: "one" })).toBe(204);
  await tell("talk", 1, 300);
  await sees(other.page, ["one", ...upTo(300)]);
  await sees(one.page, upTo(300)); // not its own
  expect(await one.page.evaluate(() => (globalThis as unknown as Globals).room.history.length)).toBe(100);
  expect(one.byHttp.filter((each) => !each.includes("/static/"))).toEqual([]);
});

test("a loop gets every event", async () => {
  const { page } = await visit(proxy.origin);
  await enter(page, "/room/loop/");
  const looped = page.evaluate(async () => {
    const values: unknown[] = [];
    for await (const { data } of (globalThis as unknown as Globals).room) if (values.push(data) === 200) return values;
    return values;
  });
  await page.evaluate(() => new Promise((done) => setTimeout(done))); // the loop has begun
  await tell("loop", 1, 200);
  expect(await looped).toEqual(upTo(200));
  expect(await page.evaluate(() => (globalThis as unknown as Globals).room.reason)).toBe("closed");
});

test("after a lost connection, what was sent in between comes, once and in order", async () => {
  const { page } = await visit(proxy.origin);
  await enter(page, "/room/lost/");
  await tell("lost", 1, 5);
  await sees(page, upTo(5));
  for (const first of [6, 16]) {
    const handshakes = proxy.handshakes;
    faults.upgrades = "cut";
    proxy.cutAll();
    await tell("lost", first, first + 9);
    await until("a handshake was cut", () => proxy.handshakes > handshakes, 30);
    faults.upgrades = "pass";
    await sees(page, upTo(first + 9));
    await page.waitForFunction(() => (globalThis as unknown as Globals).room.state === "live");
  }
});

test("after the server has died, the page is told that events may be lost, and gets the next ones", async () => {
  const { page } = await visit(proxy.origin);
  await enter(page, "/room/died/");
  await tell("died", 1, 3);
  await sees(page, upTo(3));
  await server.kill();
  await server.begin();
  await page.waitForFunction(() => (globalThis as unknown as Globals).seen.at(-1) === "missed");
  await tell("died", 4, 6);
  await page.waitForFunction(() => (globalThis as unknown as Globals).seen.at(-1) === 6);
  // One that comes back by HTTP first, and by a socket before it knew its new position, is told by both.
  expect((await seen(page)).filter((each, index, all) => each !== "missed" || all[index - 1] !== "missed")).toEqual([1, 2, 3, "missed", 4, 5, 6]);
});

test("without a socket, events come over server-sent events", async () => {
  faults.upgrades = "refuse";
  try {
    const { page, byHttp } = await visit(proxy.origin);
    await enter(page, "/room/events/");
    const other = await visit(server.origin);
    await enter(other.page, "/room/events/");
    await tell("events", 1, 50);
    await sees(page, upTo(50));
    expect(await send(page, "typing", { name: "one" })).toBe(204);
    await sees(page, [...upTo(50), "one"]); // over HTTP, the server cannot tell who sent it
    await sees(other.page, [...upTo(50), "one"]);
    expect(byHttp.filter((each) => !each.includes("/static/"))).toEqual(["GET /ws/", "POST /room/events/"]);
  } finally {
    faults.upgrades = "pass";
  }
});

test("all see who is there, whichever way they came, and who has left", async () => {
  const [one, other] = [await visit(proxy.origin), await visit(proxy.origin)];
  faults.upgrades = "refuse";
  const third = await visit(proxy.origin);
  await enter(third.page, "/room/there/?member=3");
  faults.upgrades = "pass";
  await enter(one.page, "/room/there/?member=1");
  await enter(other.page, "/room/there/?member=2");
  const pages = [one, other, third].map(({ page }) => page);
  for (const page of pages) await hasMembers(page, ["1 Member 1", "2 Member 2", "3 Member 3"]);
  await other.page.close();
  for (const page of [one.page, third.page]) await hasMembers(page, ["1 Member 1", "3 Member 3"]);
  await one.page.evaluate(() => (globalThis as unknown as Globals).room.close());
  await hasMembers(third.page, ["3 Member 3"]);
});

test("an event to a session comes to its pages that have asked for it", async () => {
  const { page, context } = await visit(proxy.origin);
  await page.evaluate(() => fetch("/visits/?do=login"));
  const [silent, stranger] = [await context.newPage(), (await visit(proxy.origin)).page];
  await silent.goto(proxy.origin);
  await enter(page, "/room/session/", { session: true });
  await enter(silent, "/room/session/");
  await enter(stranger, "/room/session/", { session: true });
  await page.evaluate(() => fetch("/tell/mine/?from=1&to=3"));
  await sees(page, [1, 2, 3]);
  await tell("session", 4, 4);
  await sees(page, [1, 2, 3, 4]);
  for (const each of [silent, stranger]) await sees(each, [4]);
  expect(await page.evaluate(() => (globalThis as unknown as Globals).room.history.map(({ to }) => to ?? "room"))).toEqual(["session", "session", "session", "room"]);
});

test("who may not be in a room is told so", async () => {
  const { page } = await visit(proxy.origin);
  await enter(page, "/room/private/", {}, "ended");
  const [reason, status] = await page.evaluate(() => {
    const { reason, error } = (globalThis as unknown as Globals).room;
    return [reason, (error as { response: Response }).response.status];
  });
  expect([reason, status]).toEqual(["denied", 403]);
});

test("after a logout elsewhere, nothing of the former user is kept", async () => {
  const demo = await startDemo();
  try {
    const { page, context } = await visit(`${demo.url}/`);
    await useClient(page, "/static/wsrequest/client.js");
    const login = await page.evaluate(async () => {
      const body = JSON.stringify({ username: "ann", password: "pw" });
      const { status } = await wsrequest.fetch("/api/session/", { method: "POST", headers: { "Content-Type": "application/json" }, body });
      const snippet = await wsrequest.fetch("/api/snippets/", { method: "POST", body: new URLSearchParams({ title: "a", code: "b", language: "text" }) });
      return [status, snippet.status];
    });
    expect(login).toEqual([200, 201]);
    await enter(page, "/api/snippets/1/room/");
    await hasMembers(page, ["ann ann"]);
    expect(await send(page, "note", "a secret")).toBe(204);
    await page.waitForFunction(() => (globalThis as unknown as Globals).room.history.length === 1);
    const elsewhere = await context.newPage();
    await elsewhere.goto(`${demo.url}/api/stats/`);
    const out = await elsewhere.evaluate(async () => {
      const [, token] = /csrftoken=([^;]+)/.exec(document.cookie)!;
      return (await fetch("/api/session/", { method: "DELETE", headers: { "X-CSRFToken": token! } })).status;
    });
    expect(out).toBe(204);
    await page.waitForFunction(() => (globalThis as unknown as Globals).room.state === "ended"); // a visitor without a name may not be in it
    const left = await page.evaluate(() => {
      const { members, history, reason } = (globalThis as unknown as Globals).room;
      return [members, history, reason];
    });
    expect(left).toEqual([[], [], "denied"]);
  } finally {
    await demo.stop();
  }
});
