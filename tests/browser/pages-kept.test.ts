/** Live pages in Chromium's own back/forward cache, and that no page is ever loaded again (P19, P23). */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { isIn, shows, startPages, type LiveClient, type PagesServer } from "./live-pages.js";
import { useBrowser } from "./visits.js";

const visit = useBrowser({ keepsPages: true });
let server: PagesServer;
beforeAll(async () => void (server = await startPages()));
afterAll(() => server?.stop());
beforeEach(async () => {
  const all = Object.keys(await server.write());
  await server.write(...all.map((title) => ["delete", title] as ["delete", string]), ["create", "a"], ["create", "b"]);
});

/** Marks the document and its rows, and notes how it comes and goes. */
const mark = (page: Page): Promise<void> =>
  page.evaluate(() => {
    Object.assign(window, { isSame: true, cameBack: 0 });
    addEventListener("pageshow", ({ persisted }) => Object.assign(window, { cameBack: persisted ? 1 : -1 }));
  });
const facts = (page: Page): Promise<unknown> =>
  page.evaluate(() => {
    const { isSame, cameBack } = window as unknown as { isSame?: boolean; cameBack?: number };
    return { isSame, cameBack };
  });

test("a page that the browser has kept is current again, with what was typed, and goes on (P19)", async () => {
  const { page, bySocket } = await visit(`${server.origin}/notes/`);
  await isIn(page, "live");
  await mark(page);
  await page.fill("[name=title]", "half a ti");
  await page.click("#notes li:first-child a");
  await page.waitForURL(/\/notes\/\d+\/$/);
  await isIn(page, "live");
  await server.write(["create", "c"]);
  await page.goBack({ waitUntil: "commit" });
  expect(await facts(page)).toEqual({ isSame: true, cameBack: 1 });
  await shows(page, "a", "b", "c");
  await isIn(page, "live");
  expect(await page.inputValue("[name=title]")).toBe("half a ti");
  await server.write(["create", "d"]);
  await shows(page, "a", "b", "c", "d");

  await page.goForward({ waitUntil: "commit" }); // the other page was kept, too
  await server.write(["rename", "a", "A"]);
  await page.waitForFunction(() => document.querySelector("h1")!.textContent === "A");
  expect(bySocket.filter((each) => each === "GET /notes/").length).toBeLessThanOrEqual(2);
});

test("a page that was kept shows nothing of a user who has left", async () => {
  const { page } = await visit(`${server.origin}/login/?as=ann`);
  await isIn(page, "live");
  await mark(page);
  await page.goto(`${server.origin}/notes/`);
  await isIn(page, "live");
  await page.evaluate(() => location.assign("/logout/"));
  await page.locator("text=left").waitFor();
  for (let count = 0; count < 2; count++) await page.goBack({ waitUntil: "commit" });
  await page.waitForSelector("#login");
  expect(await page.content()).not.toContain("ann");
});

test("whatever comes, the page is never loaded again (P23)", async () => {
  const { page, byHttp } = await visit(`${server.origin}/notes/`);
  await isIn(page, "live");
  await mark(page);
  let loads = 0;
  page.on("framenavigated", () => loads++);
  const length = await page.evaluate(() => history.length);
  await server.write(["create", "c"]);
  await shows(page, "a", "b", "c");
  await server.write(["create", "fail"]);
  await isIn(page, "failing");
  await server.write(["delete", "fail"], ["delete", "c"]);
  await shows(page, "a", "b");
  await page.evaluate(() => (globalThis as unknown as { wsrequest: LiveClient }).wsrequest.close());
  await page.waitForSelector("html:not([data-live-state=live])");
  await server.write(["create", "d"]);
  await page.evaluate(() => (globalThis as unknown as { wsrequest: LiveClient }).wsrequest.open());
  await shows(page, "a", "b", "d");
  await server.write(["delete", "d"]);
  await shows(page, "a", "b");
  expect(await facts(page)).toEqual({ isSame: true, cameBack: 0 });
  expect([loads, byHttp, await page.evaluate(() => history.length)]).toEqual([0, [], length]);
});

test("whoever writes, and however, the page shows it (P17)", async () => {
  const { page } = await visit(`${server.origin}/notes/`);
  await isIn(page, "live");
  for (const way of ["sql", "bulk", "thread", "async"]) {
    await server.write(["by", way, `by ${way}`]);
    await shows(page, "a", "b", `by ${way}`);
    await server.write(["delete", `by ${way}`]);
    await shows(page, "a", "b");
  }
});

test("what a process without a request writes is shown, too (P17)", async () => {
  const own = await startPages({ WSREQUEST_LIVE_RECHECK_SECONDS: 1 });
  try {
    const { page } = await visit(`${own.origin}/notes/`);
    await isIn(page, "live");
    own.run("from tests.browser.pages_project.models import Note; Note.objects.create(title='by a console')");
    await shows(page, "by a console");
  } finally {
    await own.stop();
  }
});
