/** How a live request begins with what a page shows, and ends: who hears of an error, and what stays after a logout. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { startDemo } from "../../client/tests/demo.js";
import { useBrowser, useClient } from "./visits.js";

const BUILT = "/static/wsrequest/client.js";
const visit = useBrowser();
let demo: Awaited<ReturnType<typeof startDemo>>;
beforeAll(async () => void (demo = await startDemo()));
afterAll(() => demo?.stop());

async function open(): Promise<Page> {
  const { page } = await visit(`${demo.url}/`);
  await useClient(page, BUILT);
  return page;
}

test.each(["an ETag", "a response"])("with %s of what is shown it is live at once, and shows the first change", async (kind) => {
  const page = await open();
  const found = await page.evaluate(async (kind) => {
    const first = await wsrequest.live("/api/snippets/").ready();
    const held = kind === "an ETag" ? first.headers.get("etag") : first;
    const titles: string[] = [];
    let resolve!: () => void;
    const called = new Promise<void>((done) => (resolve = done));
    const subscription = wsrequest.live(
      "/api/snippets/",
      async (response) => {
        titles.push(((await response.json()) as { results: { title: string }[] }).results[0]!.title);
        resolve();
      },
      { held },
    );
    const { status } = await subscription.ready();
    const before = [status, subscription.state, titles.length];
    const body = new URLSearchParams({ title: `after ${kind}`, code: "x = 1", language: "python" });
    await wsrequest.fetch("/api/snippets/", { method: "POST", body });
    await called;
    return [before, titles];
  }, kind);
  expect(found).toEqual([[kind === "an ETag" ? 304 : 200, "live", 0], [`after ${kind}`]]);
});

test("an error that nobody listens for is an unhandled rejection, and one that somebody hears of is none", async () => {
  const page = await open();
  const found = await page.evaluate(async () => {
    const uncaught: unknown[] = [];
    addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      uncaught.push((event.reason as { response: Response }).response.status);
    });
    const heard = wsrequest.live("/api/nothing/", () => {});
    await new Promise((resolve) => heard.addEventListener("statechange", resolve));
    const unheard = wsrequest.live("/api/nothing/", () => {});
    while (!uncaught.length) await new Promise((resolve) => setTimeout(resolve, 20));
    return [heard.reason, unheard.reason, uncaught];
  });
  expect(found).toEqual(["gone", "gone", [404]]);
});

test("after a logout in another tab nothing of the former user's is left", async () => {
  const page = await open();
  const before = await page.evaluate(async () => {
    const body = JSON.stringify({ username: "ann", password: "pw" });
    const login = await wsrequest.fetch("/api/session/", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    const subscription = wsrequest.live("/api/session/");
    const seen = Object.assign(globalThis, { seen: { cleared: 0, subscription } }).seen;
    subscription.addEventListener("clear", () => seen.cleared++);
    return `${login.status} ${await (await subscription.ready()).text()}`;
  });
  expect(before).toMatch(/^20\d .*ann/);
  const tab = await page.context().newPage();
  await tab.goto(`${demo.url}/`);
  await useClient(tab, BUILT);
  expect(await tab.evaluate(async () => (await wsrequest.fetch("/api/session/", { method: "DELETE" })).ok)).toBe(true);
  await page.waitForFunction(() => (globalThis as unknown as { seen: { cleared: number } }).seen.cleared > 0);
  const after = await page.evaluate(async () => {
    const { subscription } = (globalThis as unknown as { seen: { subscription: ReturnType<typeof wsrequest.live> } }).seen;
    return subscription.ready().then((response) => response.text(), (error: Error) => error.name);
  });
  expect(after).not.toContain("ann");
});
