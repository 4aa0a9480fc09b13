/** A live page while the socket's process is down and HTTP is up: it is shown something at once, and goes back by itself. */
import { expect, test } from "vitest";
import type { Page } from "playwright-core";
import { Halves, liveServer } from "./halves.js";
import { useBrowser, useClient } from "./visits.js";

const BUILT = "/static/wsrequest/client.js";
const visit = useBrowser();

/** Follow the list, and keep its newest title and the states that it went through on the page. */
async function follow(page: Page): Promise<void> {
  await useClient(page, BUILT);
  await page.evaluate(() => {
    const seen = Object.assign(globalThis, { seen: { titles: [] as unknown[], states: ["connecting"] as string[] } }).seen;
    const subscription = wsrequest.live("/api/snippets/", async (response) => {
      const { results } = (await response.json()) as { results: { title: string }[] };
      seen.titles.push(results[0]?.title ?? null);
    });
    subscription.addEventListener("statechange", () => seen.states.push(subscription.state));
  });
}
interface Seen {
  titles: unknown[];
  states: string[];
}
const seenBy = (page: Page): Promise<Seen> => page.evaluate(() => (globalThis as unknown as { seen: Seen }).seen);
async function stands(page: Page, state: string): Promise<void> {
  await page.waitForFunction((state) => (globalThis as unknown as { seen: Seen }).seen.states.at(-1) === state, state);
}
async function shows(page: Page, title: string): Promise<void> {
  await page.waitForFunction((title) => (globalThis as unknown as { seen: Seen }).seen.titles.at(-1) === title, title);
}
const create = (origin: string, title: string): Promise<number> =>
  fetch(`${origin}/api/snippets/`, { method: "POST", body: new URLSearchParams({ title, code: "x", language: "python" }) }).then(
    ({ status }) => status,
  );

test("two processes: the socket's is killed, and comes back", async () => {
  const halves = await Halves.start();
  try {
    const { page } = await visit(`${halves.origin}/`);
    await follow(page);
    await stands(page, "live");
    await halves.socketSide.kill();
    expect(await create(halves.origin, "while it is down")).toBe(201);
    await stands(page, "polling");
    await shows(page, "while it is down");
    const late = (await visit(`${halves.origin}/`)).page; // one that never had a socket
    const began = performance.now();
    await follow(late);
    await shows(late, "while it is down");
    expect(performance.now() - began).toBeLessThan(5000);
    expect((await seenBy(late)).states).toEqual(["connecting", "polling"]);
    await halves.socketSide.start();
    for (const each of [page, late]) await stands(each, "live");
    expect((await seenBy(page)).states).toEqual(["connecting", "live", "connecting", "polling", "live"]);
    const made = await page.evaluate(async () => {
      const body = new URLSearchParams({ title: "by the socket again", code: "x", language: "python" });
      return (await wsrequest.fetch("/api/snippets/", { method: "POST", body })).status;
    });
    expect(made).toBe(201);
    for (const each of [page, late]) await shows(each, "by the socket again");
  } finally {
    await halves.stop();
  }
}, 240_000);

test("Django's StaticLiveServerTestCase, which has no socket", async () => {
  const server = await liveServer();
  try {
    const { page } = await visit(`${server.origin}/`);
    await follow(page);
    await stands(page, "polling");
    expect((await seenBy(page)).titles).toEqual([null]); // there is none yet, and that was shown at once
    server.create("by the test");
    await shows(page, "by the test");
    expect((await seenBy(page)).states).toEqual(["connecting", "polling"]);
  } finally {
    await server.stop();
  }
}, 240_000);
