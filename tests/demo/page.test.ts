/** The demo's page in a real browser, against the demo: what a person sees and does, by mouse and by keyboard. */
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Proxy } from "../browser/proxy.js";
import { AXE, violations } from "./axe.js";
import { Demo } from "./served.js";

const FLAGS = [
  ...["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  ...["--disable-sync", "--no-first-run"],
];
const CREATES_A_MINUTE = 20; // fewer than the page's button sends, more than the tests before it do

let demo: Demo;
let browser: Browser;
let contexts: BrowserContext[] = [];
const problems: string[] = [];

beforeAll(async () => {
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  [demo, browser] = await Promise.all([
    Demo.serve({ DEMO_ANON_RATE: `${CREATES_A_MINUTE}/min` }),
    chromium.launch({ executablePath, args: FLAGS }),
  ]);
});
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") for (const page of contexts.flatMap((context) => context.pages())) console.log(await shownBy(page));
  for (const context of contexts) await context.close();
  contexts = [];
  expect(problems.splice(0)).toEqual([]);
});
afterAll(async () => {
  await browser?.close();
  await demo?.end();
});

/** What a failed test leaves to look at: the list as it is, and what the page says. */
async function shownBy(page: Page): Promise<string> {
  const says = await page.locator("body").innerText();
  return `${await page.locator("#snippets").innerHTML()}\n${says}`;
}

/** A page with its list loaded and its socket open, in a context of its own. */
async function visit(options: BrowserContextOptions = {}, origin = demo.origin, way = "socket"): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 }, reducedMotion: "reduce", ...options });
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    // The browser writes of each answer by HTTP that is no success, and of a server that is gone.
    const isOfNetwork = /Failed to load resource|WebSocket connection to/.test(message.text());
    if (/error|warning/.test(message.type()) && !isOfNetwork) problems.push(message.text());
  });
  await page.goto(origin);
  await isReady(page, way);
  return page;
}

async function isReady(page: Page, way = "socket"): Promise<void> {
  await page.locator(`#status[data-way="${way}"]`).waitFor();
  await page.locator("#snippets li").first().waitFor();
  await page.locator("#language optgroup").first().waitFor({ state: "attached" });
  await page.locator("#preview .highlight").waitFor();
}

async function signIn(page: Page, username = "demo", way = "session"): Promise<void> {
  await page.click("#sign-in-open");
  await page.fill("#username", username);
  await page.fill("#password", username);
  await page.check(`#sign-in [value="${way}"]`);
  await page.keyboard.press("Enter");
  await page.locator("#sign-out").waitFor();
}

/** A write by plain HTTP, of somebody who has no page. */
async function asAdmin(method: string, path: string, body: object = {}): Promise<Record<string, unknown>> {
  const call = async (method: string, path: string, body: object, headers = {}): Promise<Record<string, unknown>> => {
    const options = { method, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) };
    const response = await fetch(demo.origin + path, options);
    return response.status === 204 ? {} : ((await response.json()) as Record<string, unknown>);
  };
  const { access } = await call("POST", "/api/token/", { username: "admin", password: "admin" });
  return call(method, path, body, { Authorization: `JWT ${access}` });
}

const text = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText();
const titles = (page: Page): Promise<string[]> => page.locator("#snippets .title").allInnerTexts();
const choose = (page: Page, way: "socket" | "http"): Promise<void> => page.check(`#switch [value="${way}"]`, { force: true });

test("the list is shown in pages, and a snippet opens to its highlighted code", async () => {
  const page = await visit();
  expect(await titles(page)).toHaveLength(6);
  const first = await titles(page);
  await page.click("#snippets summary >> nth=0");
  await page.locator("#snippets li:first-child .highlight .kn").first().waitFor();
  await page.click("#older");
  await page.waitForFunction((before) => document.querySelector("#snippets .title")?.textContent !== before, first[0]);
  expect(await text(page, "#page-number")).toBe("Page 2 of 2");
  expect((await titles(page)).filter((title) => first.includes(title))).toEqual([]);
});

test("the switch changes what carries a call, and nothing else", async () => {
  const page = await visit();
  const byHttp: string[] = [];
  page.on("request", (request) => byHttp.push(new URL(request.url()).pathname));
  const before = await titles(page);
  const ask = async (way: "WS" | "HTTP", state: "socket" | "events"): Promise<void> => {
    await page.locator(`#list-state[data-state="${state}"]`).waitFor();
    await page.click("#log-clear");
    await page.click("#explorer [type=submit]");
    await page.locator("#log-list li.done", { hasText: "200 GET /api/stats/" }).waitFor();
    // What the list does when the way changes may still be noted meanwhile.
    expect(await page.locator("#log-list li", { hasText: "/api/stats/" }).locator(".way").allInnerTexts()).toEqual([way, way]);
    expect(await titles(page)).toEqual(before);
  };
  await ask("WS", "socket");
  expect(byHttp).toEqual([]);

  await choose(page, "http");
  await page.locator('#status[data-way="http"]').waitFor();
  await ask("HTTP", "events");
  expect(byHttp).toEqual(["/ws/", "/api/stats/"]);

  await choose(page, "socket");
  await page.locator('#status[data-way="socket"]').waitFor();
  await ask("WS", "socket");
  expect(byHttp).toEqual(["/ws/", "/api/stats/"]);
});

test("each call is a bar of the chart, and both ways can be compared", async () => {
  const page = await visit();
  expect(await text(page, "#median-http")).toBe("–");
  const bars = await page.locator("#chart rect.socket").count();
  await page.click("#explorer [type=submit]");
  await page.waitForFunction((count) => document.querySelectorAll("#chart rect.socket").length > count, bars);
  await page.click("#compare");
  await page.waitForFunction(() => /median of 16: .* by WebSocket, .* by HTTP/.test(document.querySelector("#timing-note")!.textContent!));
  expect(await page.locator("#chart rect.http").count()).toBe(17);
  expect(await page.locator("#chart svg").getAttribute("aria-label")).toMatch(/WebSocket: median .* HTTP: median .* of 17 calls/);
  expect(await page.isChecked('#switch [value="socket"]')).toBe(true);
});

test("a refused create shows its errors at the fields, and a good one the new snippet", async () => {
  const page = await visit();
  await page.fill("#code", "");
  await page.click("#editor-save");
  await page.locator("#title-error", { hasText: "may not be blank" }).waitFor();
  expect(await text(page, "#code-error")).toContain("may not be blank");
  expect(await page.locator("[aria-invalid]").evaluateAll((fields) => fields.map(({ id }) => id))).toEqual(["title", "code"]);
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("title");

  await page.fill("#title", "By the page");
  await page.fill("#code", "x = 'by the page'");
  await page.keyboard.press("Control+Enter");
  await page.locator("#snippets li:first-child .title", { hasText: "By the page" }).waitFor();
  await page.locator("#snippets li:first-child .highlight", { hasText: "x = 'by the page'" }).waitFor();
  expect(await page.locator("[aria-invalid]").count()).toBe(0);
  expect(await text(page, "#notices")).toContain("Created “By the page”.");
});

test("the preview follows what is typed, in its language", async () => {
  const page = await visit();
  await page.fill("#code", "SELECT title FROM snippets");
  await page.selectOption("#language", "sql");
  await page.locator("#preview .k", { hasText: "SELECT" }).waitFor();
  await page.check('#editor [name="linenos"]');
  await page.locator("#preview .linenos", { hasText: "1" }).waitFor();
});

test.each(["socket", "http"] as const)("one signs in by %s, edits and deletes, and stays signed in", async (way) => {
  const page = await visit();
  if (way === "http") {
    await choose(page, "http");
    await page.locator('#status[data-way="http"]').waitFor();
  }
  await page.click("#sign-in-open");
  await page.fill("#password", "wrong");
  await page.keyboard.press("Enter");
  await page.locator("#sign-in .error", { hasText: "No active account" }).waitFor();
  await page.fill("#password", "demo");
  await page.keyboard.press("Enter");
  await page.locator("#sign-out").waitFor();
  expect(await text(page, "#who")).toBe("demo");

  await page.fill("#title", `Mine by ${way}`);
  await page.click("#editor-save");
  const mine = page.locator("#snippets li", { hasText: `Mine by ${way}` });
  await mine.getByRole("button", { name: "Edit" }).click();
  await page.fill("#title", `Changed by ${way}`);
  await page.click("#editor-save");
  const changed = page.locator("#snippets li", { hasText: `Changed by ${way}` });
  await changed.getByRole("button", { name: "Delete" }).click();
  await changed.getByRole("button", { name: "Really delete?" }).click();
  await changed.waitFor({ state: "detached" });

  await page.reload();
  await isReady(page);
  await page.locator("#sign-out").waitFor();
  await page.click("#sign-out");
  await page.locator("#sign-in-open").waitFor();
  expect(await text(page, "#who")).toBe("Not signed in");
});

test("one signs in by token, and no secret is in the log", async () => {
  const page = await visit();
  await signIn(page, "demo", "token");
  expect(await text(page, "#who-way")).toBe("by JWT token");
  await choose(page, "http");
  await page.click("#explorer [data-url='/api/session/']");
  await page.locator("#explorer-answer", { hasText: "by HTTP" }).waitFor();
  await page.locator('#list-state[data-state="events"]').waitFor(); // with the token, too
  expect(await text(page, "#who")).toBe("demo");
  for (const line of await page.locator("#log-list summary", { hasText: "/api/token/" }).all()) await line.click();
  const shown = (await page.locator("#log-list pre").allInnerTexts()).join("");
  expect(shown).toContain('"access": "•••"');
  expect(shown).not.toMatch(/eyJ|"demo"\s*}/);
});

test("what others changed is marked, and the rows stay the same elements", async () => {
  const page = await visit();
  await page.evaluate(() => Object.assign(document.querySelectorAll("#snippets li")[1]!, { isTheSame: true }));
  await page.locator("#snippets summary").nth(1).focus();
  const id = (await page.locator("#snippets li").nth(1).getAttribute("id"))!.replace("snippet-", "");
  const before = await titles(page);
  await asAdmin("PATCH", `/api/snippets/${id}/`, { title: "Changed by another" });
  await page.locator("#snippets .title.changed").waitFor();
  expect(await page.locator("#snippets .changed").allInnerTexts()).toEqual(["Changed by another"]);
  expect(await titles(page)).toEqual(before.map((title, index) => (index === 1 ? "Changed by another" : title)));
  const found = await page.evaluate(() => {
    const row = document.querySelectorAll("#snippets li")[1]!;
    return ["isTheSame" in row, row.contains(document.activeElement)];
  });
  expect(found).toEqual([true, true]);
});

/** One signs in, creates, edits and erases; the other only looks on. */
async function showsAll(one: Page, other: Page, name: string): Promise<void> {
  const byOther = other.locator("#snippets li", { hasText: name });
  const news = async (words: string): Promise<void> => {
    await other.locator("#list-news", { hasText: words }).waitFor({ state: "attached" });
  };
  await signIn(one);
  const count = Number(await text(other, "#snippet-count"));
  await one.fill("#title", name);
  await one.click("#editor-save");
  await byOther.locator(".news", { hasText: "new" }).waitFor();
  expect(await text(other, "#snippet-count")).toBe(String(count + 1));
  expect((await titles(other))[0]).toBe(name);
  await news("1 snippet added by others.");

  const byOne = one.locator("#snippets li", { hasText: name });
  await byOne.getByRole("button", { name: "Edit" }).click();
  await one.fill("#title", `${name}, edited`);
  await one.click("#editor-save");
  await byOther.locator(".title.changed", { hasText: "edited" }).waitFor();
  await byOther.locator(".news", { hasText: "edited" }).waitFor();
  await news("1 snippet edited by others.");

  await byOne.getByRole("button", { name: "Delete" }).click();
  await byOne.getByRole("button", { name: "Really delete?" }).click();
  await byOther.locator(".news", { hasText: "erased" }).waitFor();
  expect(await byOther.evaluate((row) => row.matches("[inert]"))).toBe(true);
  await byOther.waitFor({ state: "detached" });
  expect(await text(other, "#snippet-count")).toBe(String(count));
  await news("1 snippet erased by others.");
  expect(await text(one, "#list-news")).toBe(""); // it was its own
}

test("what one does the other sees, who does nothing", async () => {
  const [one, other] = [await visit(), await visit()];
  const byHttp: string[] = [];
  other.on("request", (request) => byHttp.push(request.url()));
  await showsAll(one, other, "Seen by the socket");
  expect(byHttp).toEqual([]);
  const lines = await other.locator("#log-list .facts", { hasText: /version \d+ · patch/ }).count();
  expect(lines).toBeGreaterThanOrEqual(3);
});

test("where no WebSocket is let through, the other sees it by server-sent events", async () => {
  const proxy = await Proxy.start(demo, { upgrades: "refuse" });
  try {
    const [one, other] = [await visit(), await visit({}, proxy.origin, "fallback")];
    await other.locator('#list-state[data-state="events"]', { hasText: "Live, by HTTP events" }).waitFor();
    await showsAll(one, other, "Seen by events");
    expect(proxy.handshakes).toBeGreaterThan(0);
    const events = other.locator("#log-list li.done", { hasText: "200 live GET /api/snippets/", has: other.locator(".way.http") });
    expect(await events.filter({ hasText: "patch" }).count()).toBeGreaterThanOrEqual(3);
  } finally {
    for (const context of contexts.splice(0)) await context.close();
    await proxy.stop();
  }
});

test("what the admin and plain HTTP write is seen, on each page of the list", async () => {
  const page = await visit();
  await page.click("#older");
  await page.locator("#page-number", { hasText: "Page 2" }).waitFor();
  await page.locator('#list-state[data-state="socket"]').waitFor();
  const [first, last] = [(await titles(page))[0], (await titles(page)).at(-1)];
  const onFirst = (await (await fetch(`${demo.origin}/api/snippets/?page_size=6`)).json()) as { results: { title: string }[] };
  const made = await asAdmin("POST", "/api/snippets/", { title: "By plain HTTP", code: "x" });
  await page.waitForFunction((before) => document.querySelector("#snippets .title")!.textContent !== before, first);
  expect((await titles(page))[0]).toBe(onFirst.results.at(-1)!.title); // it came from page 1
  expect(await page.locator("#snippets .news:not(:empty)").count()).toBe(0); // so it is not new

  const context = await browser.newContext();
  contexts.push(context);
  const admin = await context.newPage();
  await admin.goto(`${demo.origin}/admin/snippets/snippet/${made["id"]}/delete/`);
  for (const field of ["username", "password"]) await admin.fill(`[name="${field}"]`, "admin");
  await admin.click('[type="submit"]');
  await admin.locator('#content [type="submit"]').click();
  await page.waitForFunction((before) => document.querySelector("#snippets .title")!.textContent === before, first);
  expect((await titles(page)).at(-1)).toBe(last);
  expect(await text(page, "#page-number")).toMatch(/^Page 2 of /);
});

test("the row that one is at is erased, and the focus goes to the list", async () => {
  const page = await visit();
  await asAdmin("POST", "/api/snippets/", { title: "Soon gone", code: "x" });
  const row = page.locator("#snippets li", { hasText: "Soon gone" });
  await row.locator("summary").focus();
  const id = (await row.getAttribute("id"))!.replace("snippet-", "");
  await asAdmin("DELETE", `/api/snippets/${id}/`);
  await row.waitFor({ state: "detached" });
  expect(await page.evaluate(() => document.activeElement!.id)).toBe("snippets-heading");
});

test("the motion of a change is for those who want it", async () => {
  const animations = async (reducedMotion: "reduce" | "no-preference"): Promise<string> => {
    const page = await visit({ reducedMotion });
    await asAdmin("POST", "/api/snippets/", { title: `Motion: ${reducedMotion}`, code: "x" });
    const row = page.locator("#snippets li", { hasText: `Motion: ${reducedMotion}` });
    await row.locator(".news", { hasText: "new" }).waitFor();
    return row.evaluate((element) => getComputedStyle(element).animationName);
  };
  expect(await animations("no-preference")).toBe("come, glow");
  expect(await animations("reduce")).toBe("none");
});

test("a session that ends elsewhere ends what the list showed to its user", async () => {
  const page = await visit();
  await signIn(page);
  await page.click("#snippets summary >> nth=0");
  await page.fill("#title", "Of the session");
  await page.click("#editor-save");
  const edit = page.locator("#snippets li", { hasText: "Of the session" }).getByRole("button", { name: "Edit" });
  await edit.waitFor();
  const second = await page.context().newPage();
  await second.goto(demo.origin);
  // What is asked by HTTP as soon as the socket is closed may be answered before the session is deleted.
  const user = { username: "demo", is_staff: false };
  await page.route("**/api/session/", (route) => route.fulfill({ json: { user, via: "session" } }), { times: 1 });
  await second.locator("#sign-out").click();
  await second.locator("#sign-in-open").waitFor();
  await edit.waitFor({ state: "hidden" });
  await page.locator("#who", { hasText: "Not signed in" }).waitFor();
  await page.locator('#list-state[data-state="socket"]').waitFor();
});

test("the log folds away, and stays so", async () => {
  const page = await visit();
  await page.locator("#log-list summary").first().click();
  await page.locator("#log-list pre").waitFor();
  await page.click("#log-toggle");
  expect(await page.isVisible("#log-list")).toBe(false);
  expect(await page.getAttribute("#log-toggle", "aria-expanded")).toBe("false");
  await page.reload();
  await isReady(page);
  expect(await page.isVisible("#log-list")).toBe(false);
  await page.click("#log-toggle");
  expect(await page.isVisible("#log-list")).toBe(true);
});

test("all of it works by keyboard", async () => {
  const page = await visit();
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const focus = (): Promise<string> => page.evaluate(() => document.activeElement!.id || document.activeElement!.tagName);
  await press("Tab");
  expect(await text(page, ":focus")).toBe("Skip to the snippets");
  await press("Tab");
  expect(await focus()).toBe("sign-in-open");
  await press("Enter");
  await page.locator("#sign-in[open]").waitFor();
  expect(await focus()).toBe("password");
  await press("Escape");
  expect(await focus()).toBe("sign-in-open");
  await press("Tab", "Tab", "ArrowRight"); // the live pages, the switch
  await page.locator('#status[data-way="http"]').waitFor();
  await press("ArrowLeft");
  await page.locator('#status[data-way="socket"]').waitFor();
  await press("Tab", "Tab", "Tab"); // compare, the admin, the first snippet
  expect(await focus()).toBe("SUMMARY");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
  expect(outline).toBe("solid");
  await press("Enter");
  await page.locator("#snippets li:first-child .highlight").waitFor();
});

test("who signs in or out by keyboard goes on from the button that took the place of the other", async () => {
  const page = await visit();
  await page.focus("#sign-in-open");
  await page.keyboard.press("Enter");
  await page.locator("#sign-in[open]").waitFor();
  await page.keyboard.type("demo");
  await page.keyboard.press("Enter");
  await page.locator("#sign-out:focus").waitFor();
  await page.keyboard.press("Enter");
  await page.locator("#sign-in-open:focus").waitFor();
});

test.each([320, 480, 768, 992, 1024, 1100, 1200, 1280, 1440, 1920])("the stops of a call stand in one row or one column, %i px wide", async (width) => {
  const page = await visit({ viewport: { width, height: 900 } });
  const [places, right] = await page.evaluate(() => {
    const boxes = [...document.querySelectorAll(".stop")].map((stop) => stop.getBoundingClientRect());
    const end = document.querySelector(".story")!.getBoundingClientRect().right;
    return [boxes.map(({ x, y }) => [Math.round(x), Math.round(y)]), Math.max(...boxes.map(({ right }) => right)) - end] as const;
  });
  const isRow = new Set(places.map(([, y]) => y)).size === 1;
  const isColumn = new Set(places.map(([x]) => x)).size === 1;
  expect({ isRow, isColumn, places }).toMatchObject(width >= 1280 ? { isRow: true } : isRow ? {} : { isColumn: true });
  expect(right).toBeLessThanOrEqual(0.5);
});

test("what is to be pressed twice is red under the mouse, too", async () => {
  const page = await visit();
  await signIn(page, "admin");
  await page.click("#snippets summary >> nth=0");
  const button = page.locator('#snippets li:first-child [data-part="delete"]');
  await button.click();
  await page.locator('[data-part="delete"][data-sure]').hover();
  const colors = await button.evaluate((element) => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = "var(--bad)";
    const found = [getComputedStyle(element).color, getComputedStyle(probe).color];
    probe.remove();
    return found;
  });
  expect(colors[0]).toBe(colors[1]);
});

test("a burst of frames asks for the layout of the log once for each frame of the screen", async () => {
  const page = await visit();
  await page.evaluate(() => {
    const { get } = Object.getOwnPropertyDescriptor(Element.prototype, "scrollHeight")!;
    Object.defineProperty(Element.prototype, "scrollHeight", {
      get(this: Element) {
        if (this.id === "log-list") (globalThis as { asked?: number }).asked = ((globalThis as { asked?: number }).asked ?? 0) + 1;
        return get!.call(this) as number;
      },
    });
  });
  const [frames, asked] = await page.evaluate(async () => {
    const count = (): number => Number(document.querySelector("#log-count")!.textContent);
    const before = count();
    let drawn = 0;
    let goesOn = true;
    const tick = (): void => {
      drawn += 1;
      if (goesOn) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    const { wsrequest } = globalThis as unknown as { wsrequest: { fetch: typeof fetch } };
    await Promise.all(Array.from({ length: 100 }, () => wsrequest.fetch("/api/session/")));
    await new Promise((resolve) => setTimeout(resolve, 100));
    goesOn = false;
    return [drawn, (globalThis as { asked?: number }).asked ?? 0, count() - before] as const;
  });
  expect(asked).toBeLessThanOrEqual(3 * frames);
  expect(asked).toBeLessThan(100);
});

test.each(["socket", "http"] as const)("a server that is gone is said so by %s, nothing typed is lost, and all comes back with it", async (way) => {
  const page = await visit();
  await choose(page, way);
  await page.locator(`#list-state[data-state="${way === "http" ? "events" : way}"]`).waitFor();
  await page.fill("#title", "Still here");
  await demo.stop();
  await page.locator('#status[data-way="offline"]').waitFor();
  await page.locator("#banner", { hasText: "The server cannot be reached." }).waitFor();
  expect(await titles(page)).toHaveLength(6);
  expect(await text(page, "#list-state-text")).toBe("Stale, connecting again…");
  await page.locator("#list-said", { hasText: "The list may be out of date." }).waitFor();
  demo.run(`from snippets.models import Snippet; Snippet.objects.create(title='Away: ${way}', code='x')`);
  await demo.start();
  await Promise.any([page.click("#banner-retry"), isReady(page, way)]); // it tries again by itself, too
  await isReady(page, way);
  await page.locator("#snippets li:first-child .title", { hasText: `Away: ${way}` }).waitFor();
  await page.locator("#list-said", { hasText: "The list is live again." }).waitFor();
  await page.locator("#banner").waitFor({ state: "hidden" });
  expect(await page.inputValue("#title")).toBe("Still here");
});

test("on a phone nothing is wider than the screen", async () => {
  const page = await visit({ viewport: { width: 360, height: 740 } });
  await signIn(page);
  await page.click("#snippets summary >> nth=0");
  await page.locator("#snippets li:first-child .highlight").waitFor();
  await page.click("#log-toggle");
  await page.click("#explorer [type=submit]");
  await page.locator("#explorer-answer:not([hidden])").waitFor();
  const [width, wanted] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect(width).toBe(wanted);
  // What stands fixed makes no scroll bar, and can be out of sight all the same.
  const out = await page.locator("body *").evaluateAll((elements) =>
    elements.filter((element) => element.checkVisibility() && element.matches("button, input, select, .pill"))
      .filter((element) => element.getBoundingClientRect().right > innerWidth).map(({ id, className }) => `${id} ${className}`),
  );
  expect(out).toEqual([]);
});

// Last, since nobody can create anonymously for a minute after it.
test("the throttle is shown with the seconds left, and signing in lifts it", async () => {
  const page = await visit();
  await page.click("#burst");
  await page.locator("#burst-throttle").waitFor();
  const cells = await page.locator("#burst-cells li").allInnerTexts();
  expect(new Set(cells)).toEqual(new Set(["400", "429"]));
  expect(await text(page, "#burst-throttle")).toMatch(/Throttled \(429\).*\d+ s left/s);
  expect(await page.locator("#editor-throttle progress").isVisible()).toBe(true);
  expect(await text(page, "#editor-save")).toMatch(/^Create snippet in \d+ s$/);
  await signIn(page);
  await page.locator("#editor-throttle").waitFor({ state: "hidden" });
  expect(await text(page, "#editor-save")).toBe("Create snippet");
});

test.each(["light", "dark"] as const)("axe finds nothing in %s: with errors, throttled, with a row that is marked, in the dialog", async (colorScheme) => {
  const page = await visit({ colorScheme });
  await page.addInitScript({ path: AXE });
  await page.reload();
  await isReady(page);
  await page.click("#snippets summary >> nth=0");
  await page.locator("#snippets li:first-child .highlight").waitFor();
  await page.click("#compare");
  await page.click("#explorer [data-url='/nothing/here/']");
  await page.locator("#explorer-answer:not([hidden])").waitFor();
  await page.waitForFunction(() => document.querySelector("#timing-note")!.textContent!.includes("median"));
  await page.click("#burst");
  await page.locator("#burst-throttle").waitFor();
  await asAdmin("POST", "/api/snippets/", { title: `For axe, in ${colorScheme}`, code: "x" });
  await page.locator("#snippets .news", { hasText: "new" }).waitFor();
  expect(await violations(page)).toEqual([]);
  await page.click("#sign-in-open");
  await page.fill("#password", "wrong");
  await page.keyboard.press("Enter");
  await page.locator("#sign-in .error:not(:empty)").waitFor();
  expect(await violations(page)).toEqual([]);
});
