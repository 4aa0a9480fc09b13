/** Regions (`<live-region>`) in a real browser: what they show of each answer, and that the page around them stays as it is. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { isIn, startPages, type PagesServer } from "./live-pages.js";
import { until } from "./servers.js";
import { useBrowser, type Visit } from "./visits.js";

const visit = useBrowser();
let server: PagesServer;
beforeAll(async () => void (server = await startPages()));
afterAll(() => server?.stop());
beforeEach(async () => {
  const all = Object.keys(await server.write());
  await server.write(...all.map((title) => ["delete", title] as ["delete", string]), ["create", "a"], ["create", "b"]);
});

const create = (title: string): Promise<unknown> => server.write(["create", title]);
const region = (kind: string, content = "", more = ""): string => `<live-region id=r src="/part/${kind}/" ${more}>${content}</live-region>`;

interface Around extends Visit {
  warnings: string[];
}
/** Opens a page with this HTML in its middle. */
async function open(html: string, state = "live"): Promise<Around> {
  const opened = await visit("about:blank");
  const warnings: string[] = [];
  opened.page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
  await opened.page.goto(`${server.origin}/around/?html=${encodeURIComponent(html)}`);
  if (state) await isIn(opened.page, state, "live-region");
  return { ...opened, warnings };
}
const textOf = (page: Page, selector = "live-region"): Promise<string> => page.evaluate((found) => document.querySelector(found)!.textContent!.trim(), selector);
const says = (page: Page, text: string, selector = "live-region"): Promise<unknown> =>
  page.waitForFunction(([found, wanted]) => document.querySelector(found!)!.textContent!.trim() === wanted, [selector, text] as const);
/** What is around the region: it must never change. */
async function isWhole(page: Page): Promise<void> {
  expect(await page.evaluate(() => [...document.body.children].map(({ localName, id }) => localName + id).join(" "))).toMatch(/^h1 (\S+ )+pend$/);
  expect([await textOf(page, "h1"), await textOf(page, "#end")]).toEqual(["A page", "its end"]);
}

test("a region follows its URL, with and without first content, and the page need not be live", async () => {
  const { page } = await open(region("list") + region("list", "<p>served</p>").replace("id=r", "id=s"));
  for (const id of ["#r", "#s"]) await says(page, "ab", id);
  await create("c");
  for (const id of ["#r", "#s"]) await says(page, "abc", id);
  await isWhole(page);
});

test("what is typed in a region stays, and its rows are the same elements", async () => {
  const { page } = await open(region("form"));
  await says(page, "ab");
  await page.fill("[name=title]", "typed");
  await page.evaluate(() => Object.assign(window, { row: document.getElementById("note-a") }));
  await create("c");
  await says(page, "abc");
  expect(await page.evaluate(() => [(document.activeElement as HTMLInputElement).value, document.getElementById("note-a") === (window as unknown as { row: Element }).row])).toEqual(["typed", true]);
});

test.each([["document"], ["template"]])("of a whole document (%s), it shows the element with its id", async (kind) => {
  const { page } = await open(region(kind));
  await says(page, "ab");
  expect(await page.evaluate(() => document.querySelector("live-region")!.innerHTML.includes("<h1"))).toBe(false);
  await isWhole(page);
});

test.each([["body", region("body")], ["document, and no such id", region("document").replace("id=r", "id=other")]])("without that, it shows the body: %s", async (_, html) => {
  const { page } = await open(html);
  await page.waitForSelector("live-region #note-b");
  await create("c");
  await page.waitForSelector("live-region #note-c");
  await isWhole(page);
});

test("an answer that is no HTML leaves what is there, says so, and goes on", async () => {
  const { page, warnings } = await open(region("json"));
  await says(page, "ab");
  await create("odd");
  await isIn(page, "failing", "live-region");
  await create("c");
  expect([await textOf(page), warnings.length]).toEqual(["ab", 1]);
  await server.write(["delete", "odd"]);
  await isIn(page, "live", "live-region");
  await says(page, "abc");
  await isWhole(page);
});

test("a broken answer stays in its region", async () => {
  const { page } = await open(region("broken"));
  await create("odd");
  await page.waitForSelector("live-region #note-odd");
  await isWhole(page);
});

test("an empty answer (204) empties it", async () => {
  const { page } = await open(region("204"));
  await says(page, "ab");
  await create("odd");
  await says(page, "");
  await server.write(["delete", "odd"]);
  await says(page, "ab");
});

test.each(["500", "429"])("a failure that can pass (%s) leaves what is there, and it goes on", async (kind) => {
  const { page } = await open(region(kind));
  await says(page, "ab");
  await create("odd");
  await isIn(page, "failing", "live-region");
  expect(await textOf(page)).toBe("ab");
  await isWhole(page);
  await server.write(["delete", "odd"], ["create", "c"]);
  await says(page, "abc");
  await isIn(page, "live", "live-region");
});

test.each([["403", "denied"], ["404", "gone"], ["410", "gone"], ["redirect", "moved"]])("after an answer that takes it away (%s), it is empty and has ended", async (kind, reason) => {
  const { page } = await open(region(kind));
  await says(page, "ab");
  await create("odd");
  await isIn(page, "ended", "live-region");
  await says(page, "");
  expect(await page.getAttribute("live-region", "data-live-reason")).toBe(reason);
  await isWhole(page);
});

test.each([["403"], ["404"], ["410"], ["429"], ["redirect"], ["500"], ["mine"]])("at first, such an answer (%s) leaves what was served", async (kind) => {
  await create("odd");
  const { page } = await open(region(kind, "<p>Please log in</p>"), "ended");
  expect(await textOf(page)).toBe("Please log in");
});

test("after a logout, nothing of the former user is left", async () => {
  const { page } = await visit(`${server.origin}/login/?as=ann`);
  await page.goto(`${server.origin}/around/?html=${encodeURIComponent(region("mine"))}`);
  await says(page, "ann has 2");
  await page.evaluate(() => fetch("/logout/"));
  await says(page, "");
  await isIn(page, "ended", "live-region");
});

test("one that differs from what its ETag names is drawn, and the console says so once", async () => {
  const { page } = await visit("about:blank");
  const infos: string[] = [];
  page.on("console", (message) => message.type() === "info" && infos.push(message.text()));
  await page.goto(`${server.origin}/around/?html=${encodeURIComponent(region("list", "<p>served</p>", 'data-etag="W/&quot;other&quot;"'))}`);
  await says(page, "ab");
  await create("c");
  await says(page, "abc");
  expect(infos).toEqual([expect.stringContaining("is another one each time")]);
});

test("an answer of 5 MB is shown", async () => {
  const { page } = await open(region("large"));
  await says(page, "ab");
  await create("odd");
  await page.waitForFunction(() => document.querySelector("live-region")!.children.length === 67_001, undefined, { timeout: 60_000 });
  await isWhole(page);
}, 120_000);

test.each([["itself", 1], ["deeper", 5]])("a region in itself (%s) is not live", async (kind, count) => {
  const { page, warnings } = await open(region(kind));
  await page.waitForSelector("live-region live-region[data-live-state=ended]", { state: "attached" });
  expect(warnings).toEqual([expect.stringContaining("is in itself")]);
  expect(await page.evaluate(() => document.querySelectorAll("live-region live-region").length)).toBe(count);
  await create("c");
  await page.waitForSelector("#note-c");
  await isWhole(page);
});

test("two regions with one id both go on, each with its own URL", async () => {
  const { page } = await open(region("list") + region("form"));
  const texts = (): Promise<string[]> => page.evaluate(() => [...document.querySelectorAll("live-region")].map(({ textContent }) => textContent!));
  await until("both show the notes", async () => (await texts()).join() === "ab,ab");
  await create("c");
  await until("both follow", async () => (await texts()).join() === "abc,abc");
  expect(await page.evaluate(() => [...document.querySelectorAll("live-region")].map((each) => !!each.querySelector("form")))).toEqual([false, true]);
});

test.each([["https://elsewhere.example/part/"], ["http://["]])("a URL that it cannot follow (%s) leaves what was served", async (src) => {
  const { page, warnings } = await open(`<live-region src="${src}"><p>served</p></live-region>`, "ended");
  expect([await textOf(page), warnings.length, await page.getAttribute("live-region", "data-live-reason")]).toEqual(["served", 1, "failed"]);
  await isWhole(page);
});

test("without src it is an element like any other, and another src is another part", async () => {
  const { page } = await open("<live-region>served</live-region>", "");
  expect(await textOf(page)).toBe("served");
  await page.evaluate(() => document.querySelector("live-region")!.setAttribute("src", "/part/list/"));
  await says(page, "ab");
  await page.evaluate(() => document.querySelector("live-region")!.setAttribute("src", "/part/form/"));
  await page.waitForSelector("live-region [name=title]");
  await create("c");
  await says(page, "abc");
});

test("a page that came by POST has live regions", async () => {
  const { page } = await open(region("list"));
  await page.evaluate((action) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action });
    document.body.append(form);
    form.submit();
  }, page.url());
  await isIn(page, "live", "live-region");
  await create("c");
  await says(page, "abc");
});

test("a region of the tag is served, goes live without being sent again, and is left alone by its live page", async () => {
  await create("odd");
  const { page, bySocket } = await visit("about:blank");
  const frames: string[] = [];
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => frames.push(String(payload))));
  await page.goto(`${server.origin}/around/?template=regions.html`);
  await isIn(page, "live", "#r");
  await isIn(page, "live");
  expect(frames.filter((frame) => frame.includes('"status":200'))).toEqual([]);
  expect(await page.getAttribute("#lost", "data-live-state")).toBe("ended");
  expect(bySocket).not.toContain("GET /part/404/");
  await page.fill("[name=title]", "typed");
  await create("c");
  await says(page, "aboddc", "#r");
  await says(page, "4", "#count");
  await create("d");
  await says(page, "aboddcd", "#r");
  await says(page, "5", "#count");
  expect(await page.inputValue("[name=title]")).toBe("typed");
});

test("a region that a script moves goes on, and one that it removes ends", async () => {
  const { page, bySocket } = await open(`<section></section>${region("list")}`);
  await says(page, "ab");
  await page.evaluate(() => document.querySelector("section")!.append(document.querySelector("live-region")!));
  await create("c");
  await says(page, "abc");
  expect(bySocket.filter((each) => each !== "cancel" && each.includes("/part/"))).toHaveLength(1);
  await page.evaluate(() => document.querySelector("live-region")!.remove());
  await until("it has ended", () => bySocket.includes("cancel"));
});
