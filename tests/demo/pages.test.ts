/** The demo's live pages in a real browser: Django's templates, with JavaScript and without, beside the live admin. */
import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isIn } from "../browser/live-pages.js";
import { useBrowser, type Visit } from "../browser/visits.js";
import { AXE, violations } from "./axe.js";
import { Demo } from "./served.js";

process.env["CHROMIUM"] ??= "/usr/bin/chromium";
const visit = useBrowser();
let demo: Demo;
beforeAll(async () => void (demo = await Demo.serve({ DEMO_ANON_RATE: "1000/min" })));
afterAll(() => demo?.end());

/** Opens a page once it is live. */
async function open(path = "/pages/", options: BrowserContextOptions = {}): Promise<Visit> {
  const opened = await visit(demo.origin + path, options);
  await isIn(opened.page, "live");
  return opened;
}
async function create(page: Page, title: string, language = "python"): Promise<void> {
  await page.fill("[name=title]", title);
  await page.selectOption("[name=language]", language);
  await page.fill("[name=code]", `print("${title}")`);
  await page.click("text=Create snippet");
  await page.locator(".message", { hasText: `Created “${title}”.` }).waitFor();
}
async function signIn(page: Page, username = "demo"): Promise<void> {
  await page.click("text=Sign in");
  for (const field of ["username", "password"]) await page.fill(`[name=${field}]`, username);
  await page.keyboard.press("Enter");
  await page.locator("text=Sign out").waitFor();
}
const row = (page: Page, title: string) => page.locator("#rows li", { hasText: title });
const count = async (page: Page): Promise<number> => Number(await page.textContent("h1 .count"));

test("what one browser creates the other shows, and a half-typed field keeps its text and its caret", async () => {
  const [one, other] = [await open(), await open()];
  const before = await count(other.page);
  await other.page.fill("[name=title]", "half a ti");
  await other.page.fill("[name=code]", "typed, and left");
  await other.page.focus("[name=title]");
  await other.page.evaluate(() => (document.activeElement as HTMLInputElement).setSelectionRange(4, 6));
  await create(one.page, "From the first");
  await row(other.page, "From the first").waitFor();
  expect(await count(other.page)).toBe(before + 1);
  expect(await other.page.title()).toBe(`${before + 1} snippets · live pages`);
  const field = await other.page.evaluate(() => {
    const { name, value, selectionStart, selectionEnd } = document.activeElement as HTMLInputElement;
    return [name, value, selectionStart, selectionEnd];
  });
  expect(field).toEqual(["title", "half a ti", 4, 6]);
  expect(await other.page.inputValue("[name=code]")).toBe("typed, and left");
  expect(other.byHttp.filter((asked) => !asked.includes("/static/"))).toEqual([]);
  expect(other.bySocket.filter((asked) => asked.startsWith("GET")).sort()).toEqual(["GET /pages/", "GET /pages/languages/"]);
});

test("a message is shown once, to who has saved, and stays while others write", async () => {
  const [one, other] = [await open(), await open()];
  await create(one.page, "With a message");
  await isIn(one.page, "live");
  await row(other.page, "With a message").waitFor();
  await create(other.page, "Another's");
  await row(one.page, "Another's").waitFor();
  expect(await one.page.locator(".message").allTextContents()).toEqual(["Created “With a message”."]);
  expect(await other.page.locator(".message").allTextContents()).toEqual(["Created “Another's”."]);
  await one.page.reload();
  await isIn(one.page, "live");
  expect(await one.page.locator(".message").count()).toBe(0);
});

test("a page that is current is not drawn again, and has no script but the client's", async () => {
  const { page, complaints } = await visit(`${demo.origin}/pages/`);
  await page.context().addInitScript(() => {
    document.addEventListener("wsrequest:before-morph", () => (document.documentElement.dataset["drawn"] = "yes"));
  });
  for (const path of ["/pages/", "/pages/1/"]) {
    await page.goto(demo.origin + path);
    await isIn(page, "live");
    await isIn(page, "live", "#languages");
    const scripts = await page.locator("script").evaluateAll((all) => all.map((script) => new URL((script as HTMLScriptElement).src).pathname));
    expect(scripts).toEqual(["/static/wsrequest/client.js", "/static/wsrequest/pages.js"]);
    expect(await page.getAttribute("html", "data-drawn")).toBeNull();
  }
  expect(complaints).toEqual([]); // of the policy for one, or of a page that is another each time
});

test("all of it works with JavaScript switched off", async () => {
  const { page } = await visit(`${demo.origin}/pages/`, { javaScriptEnabled: false });
  expect(await page.locator("#languages li").count()).toBeGreaterThan(5);
  expect(await page.isVisible(".liveness")).toBe(false);
  await page.click("text=Create snippet");
  await page.locator("#id_title_error", { hasText: "This field is required." }).waitFor();
  await signIn(page);
  await create(page, "Without a script");
  await row(page, "Without a script").locator("a").click();
  await page.locator(".highlight .nb", { hasText: "print" }).waitFor();
  await page.click("text=Edit");
  await page.fill("[name=title]", "Changed without a script");
  await page.click("button:text('Save')");
  await page.locator(".message", { hasText: "Saved “Changed without a script”." }).waitFor();
  await page.click("text=Delete");
  await page.click("text=Delete it");
  await page.locator(".message", { hasText: "Deleted “Changed without a script”." }).waitFor();
  expect(await row(page, "Changed without a script").count()).toBe(0);
});

test("an open snippet and its form follow, what is typed stays, and the page says that it was deleted", async () => {
  const { page: author } = await open();
  await signIn(author);
  await create(author, "Open elsewhere");
  await row(author, "Open elsewhere").locator("a").click();
  const path = new URL(author.url()).pathname;
  const { page: reader } = await open(path);
  const { page: editor } = await open();
  await signIn(editor);
  await editor.goto(`${demo.origin}${path}edit/`);
  await isIn(editor, "live");
  await editor.fill("[name=code]", "mine, not saved");

  await author.click("text=Edit");
  await author.fill("[name=title]", "Renamed elsewhere");
  await author.click("button:text('Save')");
  await reader.locator("h1", { hasText: "Renamed elsewhere" }).waitFor();
  await editor.locator("h1", { hasText: "Renamed elsewhere" }).waitFor();
  expect(await editor.inputValue("[name=title]")).toBe("Renamed elsewhere"); // nobody had touched it
  expect(await editor.inputValue("[name=code]")).toBe("mine, not saved");

  await author.click("text=Delete");
  await author.click("text=Delete it");
  for (const page of [reader, editor]) {
    await isIn(page, "ended");
    const words = await page.locator(".liveness .words").evaluate((element) => getComputedStyle(element, "::after").content);
    expect(words).toBe('"Deleted"');
  }
  expect(await editor.inputValue("[name=code]")).toBe("mine, not saved");
});

test("a form with errors is no live page, and its region is live all the same", async () => {
  const { page } = await open();
  await page.click("text=Create snippet");
  await page.locator("#id_title_error").waitFor();
  await isIn(page, "live", "#languages");
  const kotlin = page.locator("#language-kotlin");
  expect(await kotlin.count()).toBe(0);
  await page.fill("[name=title]", "not lost");
  const { page: other } = await open();
  await create(other, "In Kotlin", "kotlin");
  await kotlin.waitFor();
  expect(await page.inputValue("[name=title]")).toBe("not lost");
  expect(await page.locator("#id_title_error").isVisible()).toBe(true);
});

test("the admin in one browser follows what the page writes, and the page what the admin does", async () => {
  const { page } = await open();
  const admin = (await visit(`${demo.origin}/admin/snippets/snippet/`)).page;
  for (const field of ["username", "password"]) await admin.fill(`[name=${field}]`, "admin");
  await admin.click("[type=submit]");
  await isIn(admin, "live");
  await create(page, "Seen in the admin");
  const inAdmin = admin.locator("#result_list tr", { hasText: "Seen in the admin" });
  await inAdmin.waitFor();
  await isIn(page, "live");
  await inAdmin.locator("[type=checkbox]").check();
  await admin.locator("[name=action]").selectOption("delete_selected");
  await admin.locator(".actions [type=submit], .actions button").first().click();
  await admin.locator("#content [type=submit]").click();
  await row(page, "Seen in the admin").waitFor({ state: "detached" });
});

test("the API's page and these lead to each other, and what is written in one is in both", async () => {
  const { page } = await visit(`${demo.origin}/`);
  await page.click("text=live pages");
  await isIn(page, "live");
  const { page: home } = await visit(`${demo.origin}/`);
  await create(page, "By a form");
  await home.locator("#snippets .title", { hasText: "By a form" }).waitFor();
  await home.fill("#title", "By the API");
  await home.click("#editor-save");
  await row(page, "By the API").waitFor();
  await page.click("text=The API's page");
  await page.locator("#snippets .title", { hasText: "By a form" }).waitFor();
});

test.each([
  ["light", 1280],
  ["dark", 1280],
  ["light", 360],
] as const)("axe finds nothing in %s, %i px wide, and nothing is wider than that", async (colorScheme, width) => {
  const { page, context } = await open("/pages/", { colorScheme, viewport: { width, height: 800 } });
  await context.addInitScript({ path: AXE });
  const isFine = async (): Promise<void> => {
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
  };
  await page.reload();
  await isIn(page, "live");
  await isFine();
  await page.click("text=Create snippet");
  await page.locator("#id_title_error").waitFor();
  await isFine();
  await signIn(page);
  await page.goto(`${demo.origin}/pages/`);
  await create(page, `A title for axe that is longer than a phone is wide, in ${colorScheme}, ${width}`, "sql");
  await isFine();
  for (const title of ["A title for axe", "One line and one import", "The same in a browser"]) {
    for (let number = 1; (await row(page, title).count()) === 0; number++) await page.goto(`${demo.origin}/pages/?page=${number}`);
    await row(page, title).first().locator("a").click();
    await isIn(page, "live");
    await isFine();
  }
  await page.click("text=Edit");
  await isIn(page, "live");
  await isFine();
  await page.goBack();
  await page.click("text=Delete");
  await isFine();
});
