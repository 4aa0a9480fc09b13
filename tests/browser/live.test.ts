/** Live requests in pages of a real browser: what one creates the other shows, by the socket and without one. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { startDemo } from "../../client/tests/demo.js";
import { reaches, useBrowser, useClient } from "./visits.js";

const BUILT = "/static/wsrequest/client.js";
const visit = useBrowser();
let demo: Awaited<ReturnType<typeof startDemo>>;
beforeAll(async () => void (demo = await startDemo()));
afterAll(() => demo?.stop());

/** Let a page show the title of the newest snippet, and the `state` of what follows it. */
async function follow(page: Page): Promise<void> {
  await useClient(page, BUILT);
  await page.evaluate(() => {
    document.body.insertAdjacentHTML("afterbegin", "<p id=newest></p><p id=state></p>");
    const [newest, state] = document.querySelectorAll("p");
    const subscription = wsrequest.live("/api/snippets/", async (response) => {
      const { results } = (await response.json()) as { results: { title: string }[] };
      newest!.textContent = results[0]?.title ?? "none";
    });
    subscription.addEventListener("statechange", () => (state!.textContent = subscription.state));
  });
  await shows(page, "state", "live");
}
async function shows(page: Page, id: string, text: string): Promise<void> {
  await page.waitForFunction(([id, text]) => document.getElementById(id!)?.textContent === text, [id, text]);
}
/** Resolves when the page's own live requests have been told, too. */
const create = (page: Page, title: string): Promise<string> =>
  page.evaluate(async (title) => {
    const body = new URLSearchParams({ title, code: "x = 1", language: "python" });
    const { status } = await wsrequest.fetch("/api/snippets/", { method: "POST", body, settled: true });
    return `${status} ${document.getElementById("newest")?.textContent}`;
  }, title);

test("what one page creates the other shows, and live.js is loaded once", async () => {
  const [one, other] = [await visit(`${demo.url}/`), await visit(`${demo.url}/`)];
  await Promise.all([follow(one.page), follow(other.page)]);
  for (const [maker, watcher, title] of [[one, other, "by one"], [other, one, "by the other"]] as const) {
    expect(await create(maker.page, title)).toMatch(/^201 /);
    await shows(watcher.page, "newest", title);
    await shows(maker.page, "newest", title);
  }
  await one.page.evaluate(() => void wsrequest.live("/api/stats/").ready());
  // The demo's own page may have loaded it before.
  const loaded = await one.page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
  expect(loaded.filter((each) => each.endsWith("/live.js"))).toHaveLength(1);
  expect(one.byHttp.filter((each) => each.includes("/ws/"))).toEqual([]);
});

test("without the socket it goes by events, and with it on by the socket", async () => {
  const [one, other] = [await visit(`${demo.url}/`), await visit(`${demo.url}/`)];
  await follow(one.page);
  await useClient(other.page, BUILT);
  await one.page.evaluate(() => wsrequest.close());
  await shows(one.page, "state", "live");
  await create(other.page, "by events");
  await shows(one.page, "newest", "by events");
  expect(one.byHttp.filter((each) => each.includes("/ws/"))).toEqual(["GET /ws/"]);
  await one.page.evaluate(() => wsrequest.open());
  await reaches(one.page, "open");
  await create(other.page, "by the socket again");
  await shows(one.page, "newest", "by the socket again");
  expect(one.byHttp.filter((each) => each.includes("/ws/"))).toEqual(["GET /ws/"]);
});
