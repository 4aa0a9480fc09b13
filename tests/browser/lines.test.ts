/** A line that dies without a word, in a real browser and in real time: how soon a page that uses it is told. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { Proxy } from "./proxy.js";
import { Server } from "./servers.js";
import { reaches, useBrowser, type Visit } from "./visits.js";

const visit = useBrowser();
let server: Server;
let proxy: Awaited<ReturnType<typeof Proxy.start>>;
let seen: Visit;
beforeAll(async () => void (server = await Server.start()));
beforeEach(async () => {
  proxy = await Proxy.start(server);
  seen = await visit(proxy.origin);
  expect(await way(seen.page)).toBe("socket");
});
afterEach(() => proxy?.stop());
afterAll(() => server?.stop());

const way = (page: Page): Promise<string> => page.evaluate(async () => (await wsrequest.fetch("/way/")).text());
const NOTICED_MS = 5000;
const SLOW_MS = 4000; // what a busy machine may take beside

/** How long something takes, in milliseconds. */
async function timed(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return performance.now() - began;
}

test("a call on a link that forwards nothing is answered by HTTP within 5 s", async () => {
  proxy.isDeaf = true;
  const took = await timed(async () => expect(await way(seen.page)).toBe("http"));
  expect(took).toBeLessThan(NOTICED_MS + SLOW_MS);
  proxy.isDeaf = false;
  await reaches(seen.page, "open");
  expect(await way(seen.page)).toBe("socket");
});

test("a view that takes longer than that is waited for on a link that works", async () => {
  const took = await timed(async () => {
    const found = await seen.page.evaluate(async () => (await wsrequest.fetch("/wait/?seconds=7")).headers.get("x-way"));
    expect(found).toBe("socket");
  });
  expect(took).toBeGreaterThan(6500);
  expect(proxy.handshakes).toBe(1);
});

test("a page that goes offline, or comes into view, notices within 5 s without a call", async () => {
  proxy.isDeaf = true;
  const offline = timed(() => reaches(seen.page, "waiting"));
  await seen.context.setOffline(true);
  expect(await offline).toBeLessThan(NOTICED_MS + SLOW_MS);
  proxy.isDeaf = false;
  await seen.context.setOffline(false);
  expect(await timed(() => reaches(seen.page, "open"))).toBeLessThan(NOTICED_MS + SLOW_MS);
});

test("a page that comes online opens a lost socket at once, however long the pause would be", async () => {
  await seen.page.evaluate(() => void (Math.random = () => 30)); // as after many attempts: a pause of 30 s and more
  await server.kill();
  await reaches(seen.page, "waiting");
  await server.begin();
  await seen.page.evaluate(() => void dispatchEvent(new Event("online")));
  expect(await timed(() => reaches(seen.page, "open"))).toBeLessThan(NOTICED_MS);
});

test("a server process that stands still is noticed by a call that waits", async () => {
  server.freeze();
  const call = seen.page.evaluate(async () => void wsrequest.fetch("/way/").catch(() => {}));
  expect(await timed(async () => (await call, await reaches(seen.page, "waiting")))).toBeLessThan(NOTICED_MS + SLOW_MS);
  await server.kill();
  await server.begin();
  await reaches(seen.page, "open");
});
