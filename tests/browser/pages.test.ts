/** Live pages of an ordinary project in a real browser: from the tag to what the visitor sees, and every way it ends. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { isIn, shows, startPages, type LiveClient, type PagesServer } from "./live-pages.js";
import { until } from "./servers.js";
import { useBrowser, type Visit } from "./visits.js";

declare global {
  interface Window {
    notes: string[];
  }
}

const visit = useBrowser();
let server: PagesServer;
beforeAll(async () => void (server = await startPages()));
afterAll(() => server?.stop());
let titles: string[] = [];
beforeEach(async () => {
  const all = Object.keys(await server.write());
  await server.write(...all.map((title) => ["delete", title] as ["delete", string]), ...["a", "b", "c"].map((title) => ["create", title] as ["create", string]));
  titles = ["a", "b", "c"];
});

/** Opens a page that is live. It notes what is drawn. */
async function open(path: string): Promise<Visit> {
  const opened = await visit(server.origin + path);
  await isIn(opened.page, "live");
  await watch(opened.page);
  return opened;
}
/** Counts what the page draws, in `window.notes`. */
const watch = (page: Page): Promise<void> =>
  page.evaluate(() => {
    window.notes = [];
    for (const type of ["before-morph", "after-morph", "held"]) document.addEventListener(`wsrequest:${type}`, () => window.notes.push(type));
  });
const notesOf = (page: Page): Promise<string[]> => page.evaluate(() => window.notes);
const create = (...added: string[]): Promise<unknown> => server.write(...added.map((title) => ["create", title] as ["create", string]));
const client = `globalThis.wsrequest`;

test("a page is live without being sent or drawn again, and shows each commit with what is typed", async () => {
  const before = await server.runs();
  const [one, other] = [await open("/notes/"), await open("/notes/")];
  expect((await server.runs()).live - before.live).toBeLessThanOrEqual(2);
  await one.page.fill("[name=title]", "half a ti");
  await one.page.evaluate(() => (document.querySelector("[name=title]") as HTMLInputElement).setSelectionRange(4, 6));
  await one.page.evaluate(() => Object.assign(window, { row: document.querySelector("#notes li") }));
  await create("d");
  for (const { page } of [one, other]) {
    await shows(page, ...titles, "d");
    expect(await page.title()).toBe("4 notes");
    expect(await notesOf(page)).toEqual(["before-morph", "after-morph"]);
  }
  const field = await one.page.evaluate(() => {
    const { value, selectionStart, selectionEnd } = document.activeElement as HTMLInputElement;
    return [value, selectionStart, selectionEnd, (window as unknown as { row: Element }).row === document.querySelector("#notes li")];
  });
  expect(field).toEqual(["half a ti", 4, 6, true]);
  expect(one.byHttp).toEqual([]);
});

test("nothing of a page that is current is sent when it goes live, and when it is back", async () => {
  const { page, received } = await open("/notes/");
  const answers = (): string[] => received.filter((frame) => frame.includes('"status":'));
  expect(answers()).toEqual([expect.stringContaining('"status":304')]);
  await page.evaluate(`wsrequest.pause()`);
  await page.evaluate(`wsrequest.resume()`);
  await until("a second answer", () => answers().length === 2);
  await isIn(page, "live");
  expect(answers()[1]).toContain('"status":304');
  expect(received.join()).not.toContain("<li");
  await create("d");
  await shows(page, ...titles, "d");
  expect(received.join()).toContain("<li");
});

test("the view of a page that goes live at once runs no second time", async () => {
  const { page, received } = await open("/counted/"); // its first visit sets a cookie, and shows that the URL is live
  const before = (await server.runs()).counted;
  await page.reload();
  await isIn(page, "live");
  expect((await server.runs()).counted).toBe(before + 1);
  expect(received.filter((frame) => frame.includes('"status":304'))).toHaveLength(2);
  await create("d");
  await shows(page, ...titles, "d");
  expect((await server.runs()).counted).toBe(before + 2);
});

test("typed text survives a lost connection (P22)", async () => {
  const { page } = await open("/notes/");
  await page.fill("[name=title]", "typed");
  await page.evaluate(`${client}.close()`);
  await page.waitForSelector("html:not([data-live-state=live])");
  await create("while it was away");
  await page.evaluate(`${client}.open()`);
  await shows(page, ...titles, "while it was away");
  expect(await page.inputValue("[name=title]")).toBe("typed");
});

test("a form without JavaScript works, and its message is shown once and stays (P16)", async () => {
  const [one, other] = [await open("/notes/"), await open("/notes/")];
  await one.page.fill("[name=title]", "mine");
  await one.page.click("button");
  await isIn(one.page, "live");
  await shows(other.page, ...titles, "mine");
  expect(await one.page.textContent(".messages")).toContain("Saved mine.");
  await watch(one.page);
  await create("e");
  for (const { page } of [one, other]) await shows(page, ...titles, "mine", "e");
  expect(await one.page.textContent(".messages")).toContain("Saved mine.");
  expect(await other.page.$(".messages")).toBeNull();
  await create("Saved mine."); // a row is no message, whatever it says
  for (const { page } of [one, other]) await shows(page, ...titles, "mine", "e", "Saved mine.");
  await server.write(["delete", "Saved mine."]);
  for (const { page } of [one, other]) await shows(page, ...titles, "mine", "e");
  await one.page.reload();
  expect(await one.page.$(".messages")).toBeNull();
});

test("a form with errors is the answer to a POST, and is not live", async () => {
  const { page } = await open("/notes/");
  await page.evaluate(() => document.querySelector("form")!.setAttribute("novalidate", ""));
  await page.click("button");
  await page.waitForSelector(".error");
  await create("d");
  await page.waitForTimeout(500);
  expect(await page.getAttribute("html", "data-live-state")).toBeNull();
  expect(await page.textContent(".error")).toContain("needs a title");
});

test.each([true, false])("a form that the client sends empties its field, and keeps what is typed since (P2, P3): settled %s", async (settled) => {
  const { page } = await open("/notes/");
  await page.evaluate((settled) => {
    const form = document.querySelector("form")!;
    form.insertAdjacentHTML("beforeend", "<input name=other>");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      await (globalThis as unknown as { wsrequest: LiveClient }).wsrequest.fetch("/notes/", { method: "POST", body: new FormData(form), settled });
      window.notes.push("answered");
    });
  }, settled);
  await page.fill("[name=title]", "mine");
  await page.fill("[name=other]", "sent");
  await page.evaluate(() => {
    document.querySelector("form")!.requestSubmit();
    (document.querySelector("[name=other]") as HTMLInputElement).value = "since";
  });
  await shows(page, ...titles, "mine");
  await page.waitForFunction(() => (document.querySelector("[name=title]") as HTMLInputElement).value === "");
  expect(await page.inputValue("[name=other]")).toBe("since");
});

/** Has the client send the page's form, and notes in `window.notes` which rows and messages come and go. */
const sendByClient = (page: Page, settled: boolean): Promise<void> =>
  page.evaluate((settled) => {
    const form = document.querySelector("form")!;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { wsrequest } = globalThis as unknown as { wsrequest: LiveClient };
      const response = await wsrequest.fetch("/notes/", { method: "POST", body: new FormData(form), settled });
      window.notes.push(`${response.status} ${(await response.text()).includes("Saved")}`);
    });
    const note = (sign: string, nodes: NodeList): void =>
      nodes.forEach((node) => node instanceof Element && node.matches("li, ul") && window.notes.push(sign + node.textContent!.replace("open", "").trim()));
    new MutationObserver((records) => {
      for (const { addedNodes, removedNodes } of records) {
        note("+", addedNodes);
        note("-", removedNodes);
      }
    }).observe(document.body, { childList: true, subtree: true });
    window.notes = [];
  }, settled);

test.each([true, false])("a form that the client sends, its redirect and its version are one change, with a message (P16): settled %s", async (settled) => {
  const [one, other] = [await open("/notes/"), await open("/notes/")];
  await sendByClient(one.page, settled);
  const send = async (title: string): Promise<void> => {
    await one.page.evaluate(() => void (window.notes = []));
    await one.page.fill("[name=title]", title);
    await one.page.click("button");
    await one.page.waitForFunction(() => window.notes.some((note) => /^\d/.test(note)));
    await create(`after ${title}`);
    titles.push(title, `after ${title}`);
    for (const { page } of [one, other]) await shows(page, ...titles);
    expect(await one.page.$$eval(".messages li", (all) => all.map(({ textContent }) => textContent))).toEqual([`Saved ${title}.`]);
    expect(await one.page.inputValue("[name=title]")).toBe("");
  };
  await send("mine");
  expect((await notesOf(one.page)).filter((note) => !/morph/.test(note)).sort()).toEqual(["+Saved mine.", "+after mine", "+mine", "200 true"]);
  await send("second"); // its message takes the place of the other
  expect((await notesOf(one.page)).filter((note) => /^[+-]/.test(note)).sort()).toEqual(["+after second", "+second"]);
  expect(await other.page.$(".messages")).toBeNull();
  await one.page.reload();
  expect(await one.page.$(".messages")).toBeNull();
});

test("a version that came before the answer to a form is not undone by it", async () => {
  const { page, received } = await open("/notes/");
  await sendByClient(page, false);
  // The answer waits in the client, while somebody else adds a row.
  await page.evaluate(() => {
    const waits = new Promise((resolve) => Object.assign(globalThis, { release: resolve }));
    const { clone } = Response.prototype;
    Response.prototype.clone = function (this: Response) {
      const copy = clone.call(this);
      const text = copy.text.bind(copy);
      if (this.redirected) copy.text = () => waits.then(text);
      return copy;
    };
  });
  await page.fill("[name=title]", "mine");
  await page.click("button");
  await shows(page, ...titles, "mine");
  await until("the answer", () => received.some((frame) => frame.includes("Saved mine.")));
  await create("newer");
  await shows(page, ...titles, "mine", "newer");
  await page.evaluate("release()");
  await page.waitForSelector(".messages");
  await shows(page, ...titles, "mine", "newer");
  expect((await notesOf(page)).filter((note) => /^[+-]/.test(note))).toEqual(["+mine", "+newer", "+Saved mine."]);
});

test("a form that was refused keeps what was typed, also when others change the page", async () => {
  const { page } = await open("/notes/");
  await page.fill("[name=title]", "mine");
  await page.evaluate(() => {
    const form = document.querySelector("form")!;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { status } = await (globalThis as unknown as { wsrequest: LiveClient }).wsrequest.fetch("/notes/999999/", { method: "POST", body: new FormData(form) });
      window.notes.push(String(status));
    });
    form.requestSubmit();
  });
  await page.waitForFunction(() => window.notes.includes("404"));
  await create("d");
  await shows(page, ...titles, "d");
  expect(await page.inputValue("[name=title]")).toBe("mine");
});

test("a row that a script adds at once is there once when the server has it (P16)", async () => {
  const { page } = await open("/notes/");
  const next = Math.max(...Object.values(await server.write())) + 1;
  await page.evaluate((pk) => document.getElementById("notes")!.insertAdjacentHTML("beforeend", `<li>mine <a href="/notes/${pk}/">open</a></li>`), next);
  await create("mine");
  await page.waitForFunction(() => document.title === "4 notes");
  await shows(page, ...titles, "mine");
});

test("many commits are one after the other, the newest wins, and nothing is asked for twice (P12, P13, P18)", async () => {
  const { page, bySocket, byHttp } = await open("/notes/");
  await page.evaluate(() => (globalThis.requestAnimationFrame = () => 0)); // as in a hidden tab
  const names = Array.from({ length: 30 }, (_, index) => `n${index}`);
  for (const name of names) await create(name);
  await shows(page, ...titles, ...names);
  expect((await notesOf(page)).filter((note) => note === "after-morph").length).toBeLessThanOrEqual(31);
  expect([byHttp, bySocket.filter((each) => each.startsWith("GET"))]).toEqual([[], ["GET /notes/"]]);
});

test("a busy page skips to the newest version", async () => {
  const { page } = await open("/notes/");
  await page.evaluate(() => {
    document.addEventListener("wsrequest:after-morph", () => {
      for (const until = performance.now() + 700; performance.now() < until; );
    });
  });
  for (let index = 0; index < 12; index++) {
    await create(`n${index}`);
    await page.waitForTimeout(100);
  }
  await shows(page, ...titles, ...Array.from({ length: 12 }, (_, index) => `n${index}`));
  expect((await notesOf(page)).filter((note) => note === "after-morph").length).toBeLessThan(8);
});

test("a view that fails keeps the last good page, and the state says so", async () => {
  const { page } = await open("/notes/");
  await create("fail");
  await isIn(page, "failing");
  await shows(page, ...titles);
  await server.write(["delete", "fail"], ["create", "d"]);
  await isIn(page, "live");
  await shows(page, ...titles, "d");
});

test("a version can be refused by an event, and pause() and resume() stop and go on", async () => {
  const { page, bySocket } = await open("/notes/");
  await page.evaluate(() => document.addEventListener("wsrequest:before-morph", (event) => event.preventDefault(), { once: true }));
  await create("d");
  await page.waitForFunction(() => window.notes.length);
  await shows(page, ...titles);
  await page.evaluate(`${client}.pause()`);
  await isIn(page, "paused");
  await until("the subscription is taken back", () => bySocket.includes("cancel"));
  await create("e");
  await page.waitForTimeout(300);
  await shows(page, ...titles);
  await page.evaluate(`${client}.resume()`);
  await shows(page, ...titles, "d", "e");
  await isIn(page, "live");
});

test("a hidden tab costs nothing after its time, and is current again when it is shown", async () => {
  const { page, bySocket } = await open("/notes/?template=smooth.html");
  const see = (state: string): Promise<void> =>
    page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  await see("hidden");
  await isIn(page, "paused");
  await until("the subscription is taken back", () => bySocket.includes("cancel"));
  const before = await server.runs();
  await create("d");
  await page.waitForTimeout(500);
  expect(await server.runs()).toEqual(before);
  await see("visible");
  await shows(page, ...titles, "d");
  await isIn(page, "live");
  // Shown soon enough, nothing was closed.
  const count = bySocket.length;
  await page.evaluate(() => (document.documentElement.dataset["liveHiddenSeconds"] = "30"));
  await see("hidden");
  await see("visible");
  await create("e");
  await shows(page, ...titles, "d", "e");
  expect(bySocket.length).toBe(count);
});

test("after a logout in another tab, the rows are gone and the page goes to the login", async () => {
  const { page } = await visit(`${server.origin}/login/?as=ann`);
  await isIn(page, "live");
  await shows(page, ...titles);
  const tab = await page.context().newPage();
  await tab.goto(`${server.origin}/logout/`);
  await page.waitForSelector("#login");
  expect(await page.content()).not.toContain("ann");
  expect(page.url()).toContain("/login/?next=/mine/");
});

test("the visitor's own logout is not cut short", async () => {
  const { page } = await visit(`${server.origin}/login/?as=ann`);
  await isIn(page, "live");
  await page.evaluate(() => location.assign("/logout/?slowly"));
  await page.waitForFunction(() => !document.body.textContent!.includes("ann"));
  await page.locator("text=left").waitFor();
  expect(new URL(page.url()).pathname).toBe("/logout/");
});

test("if the login cannot be reached, the rows are gone all the same, and it is tried once", async () => {
  const { page } = await visit(`${server.origin}/login/?as=ann`);
  await isIn(page, "live");
  await page.evaluate(() => sessionStorage.setItem(`wsrequest-reloaded ${location}`, String(Date.now())));
  const tab = await page.context().newPage();
  await tab.goto(`${server.origin}/logout/`);
  await isIn(page, "ended");
  await page.waitForFunction(() => !document.body.textContent!.includes("ann"));
  expect(page.url()).toContain("/mine/");
});

test("a page whose object was deleted stays, and says so", async () => {
  const { b } = await server.write();
  const { page } = await open(`/notes/${b}/`);
  await page.fill("textarea", "a long comment");
  await server.write(["rename", "b", "B"]);
  await page.waitForFunction(() => document.querySelector("h1")!.textContent === "B");
  await server.write(["delete", "B"]);
  await isIn(page, "ended");
  expect([await page.textContent("h1"), await page.inputValue("textarea"), await page.getAttribute("html", "data-live-reason")]).toEqual(["B", "a long comment", "gone"]);
});

test.each(["json", "redirect", "200", "204", "403", "410", "429", "500"])("a page whose live answer is %s stays as it was served (bad input)", async (kind) => {
  const { page } = await visit(`${server.origin}/broken/${kind}/`);
  await page.waitForSelector(`html:is([data-live-state=ended],[data-live-state=live],[data-live-state=failing])`);
  await create("d");
  await page.waitForTimeout(200);
  expect([await page.textContent("h1"), await page.title()]).toEqual(["0 notes", "0 notes"]);
  expect(page.url()).toContain(kind);
});

test("a page that reads nothing is not live, and nobody is bothered", async () => {
  const warnings: string[] = [];
  const { page } = await visit("about:blank");
  page.on("console", (message) => message.type() !== "debug" && warnings.push(message.text()));
  await page.goto(`${server.origin}/still/`);
  await isIn(page, "ended");
  expect([await page.textContent("h1"), warnings]).toEqual(["0 notes", []]);
});

test("a page that is another each time is drawn, paced, said once in the console, and stays usable", async () => {
  const said: string[] = [];
  const { page } = await visit("about:blank");
  page.on("console", (message) => said.push(message.text()));
  await page.goto(`${server.origin}/notes/`);
  await isIn(page, "live");
  await create("d");
  await shows(page, ...titles, "d");
  expect(said).toEqual([]);
  await page.goto(`${server.origin}/random/`);
  await isIn(page, "live");
  await page.fill("[name=title]", "typed");
  for (const title of ["e", "f"]) await create(title);
  await shows(page, ...titles, "d", "e", "f");
  expect(await page.inputValue("[name=title]")).toBe("typed");
  expect(said).toEqual([expect.stringContaining("/random/ has changed since it was served")]);
});

test("only the parts with data-live are live, if there are any", async () => {
  const { page } = await open("/notes/?template=parts.html");
  await create("d");
  await page.waitForFunction(() => document.querySelector("b")!.textContent === "4");
  expect(await page.evaluate(() => [...document.querySelectorAll("p")].map(({ textContent }) => textContent))).toEqual(["3", "4"]);
});

test("the subscription follows pushState and ends with the page it belongs to (P14)", async () => {
  const { page, bySocket } = await open("/notes/");
  await page.evaluate(() => history.pushState(null, "", "?q=b"));
  await until("the filtered page is asked for", () => bySocket.includes("GET /notes/?q=b"));
  expect(bySocket).toContain("cancel");
  await shows(page, "b");
  await create("bb", "d");
  await shows(page, "b", "bb");
  await page.goBack();
  await shows(page, ...titles, "bb", "d");
});

test("a page that a script has fetched in the place of another is followed", async () => {
  const { page } = await open("/notes/");
  const { b } = await server.write();
  await page.evaluate(async (url) => {
    const text = await (await fetch(url)).text();
    const next = new DOMParser().parseFromString(text, "text/html");
    document.body.replaceWith(document.adoptNode(next.body));
    history.pushState(null, "", url);
  }, `/notes/${b}/`);
  await isIn(page, "live");
  await server.write(["rename", "b", "B"]);
  await page.waitForFunction(() => document.querySelector("h1")!.textContent === "B");
});

test("an element that a script has loaded again is followed, as htmx does it (P8, P21)", async () => {
  const { page } = await open("/notes/");
  await page.evaluate(async () => {
    const text = await (await fetch("/notes/")).text();
    const list = new DOMParser().parseFromString(text, "text/html").getElementById("notes")!;
    document.getElementById("notes")!.innerHTML = list.innerHTML;
  });
  await server.write(["rename", "b", "B"]);
  await shows(page, "a", "B", "c");
  await create("d");
  await shows(page, "a", "B", "c", "d");
  await page.evaluate(async () => {
    const text = await (await fetch("/notes/")).text();
    const list = new DOMParser().parseFromString(text, "text/html").getElementById("notes")!;
    document.getElementById("notes")!.replaceWith(document.adoptNode(list));
  });
  await server.write(["rename", "c", "C"], ["delete", "a"]);
  await shows(page, "B", "C", "d");
});

test("Turbo: the subscription follows its visits", async () => {
  const turbo = readFileSync(createRequire(import.meta.url).resolve("@hotwired/turbo"), "utf8");
  const { page, bySocket } = await visit("about:blank");
  await page.context().route("**/turbo.js", (route) => route.fulfill({ contentType: "text/javascript", body: turbo }));
  await page.goto(`${server.origin}/notes/?template=turbo.html`);
  await isIn(page, "live");
  await page.evaluate(() => Object.assign(window, { same: true }));
  await page.evaluate(() => document.getElementById("filtered")!.setAttribute("href", "?q=b&template=turbo.html"));
  await page.click("#filtered");
  await shows(page, "b");
  await until("it is live", () => bySocket.includes("GET /notes/?q=b&template=turbo.html"));
  await isIn(page, "live");
  await create("bb");
  await shows(page, "b", "bb");
  await page.goBack();
  await shows(page, ...titles, "bb");
  await create("d");
  await shows(page, ...titles, "bb", "d");
  expect(await page.evaluate(() => (window as unknown as { same?: boolean }).same)).toBe(true);
});

test("a formset with an unsent entry is held, counted, and drawn when it is clean", async () => {
  const { page } = await open("/formset/");
  await page.fill("#id_form-1-title", "half");
  await server.write(["delete", "a"]);
  await page.waitForFunction(() => document.querySelector("h1")!.textContent === "2 notes");
  const fields = (): Promise<string[]> => page.evaluate(() => [...document.querySelectorAll("input")].filter(({ name }) => /-(id|title)$/.test(name)).map(({ value }) => value));
  const before = await fields();
  expect(before[3]).toBe("half");
  await page.waitForSelector("form[data-live-held='1']");
  await create("d");
  await page.waitForSelector("form[data-live-held='2']");
  expect(await fields()).toEqual(before);
  await page.fill("#id_form-1-title", "b");
  await page.waitForSelector("form:not([data-live-held])");
  const notes = await server.write();
  expect(await fields()).toEqual([...Object.entries(notes).flatMap(([title, pk]) => [String(pk), title]), "", ""]);
});

test("an element can be held by a script, and what waits is drawn when it says so", async () => {
  const { page } = await open("/notes/");
  await page.evaluate(() => {
    const { pages } = (globalThis as unknown as { wsrequest: LiveClient }).wsrequest;
    const held = pages.hold(document.getElementById("notes")!, { isHeld: () => true, changed: (count) => window.notes.push(`waits ${count}`) });
    Object.assign(window, { held });
  });
  await create("d");
  await page.waitForFunction(() => document.title === "4 notes" && window.notes.includes("waits 1"));
  await shows(page, ...titles);
  await page.evaluate(() => (window as unknown as { held: { draw(): void } }).held.draw());
  await shows(page, ...titles, "d");
  expect((await notesOf(page)).filter((note) => note.startsWith("waits"))).toEqual(["waits 1", "waits 0"]);
});

test("a page with a nonce: new scripts run with it, once, and without one not at all", async () => {
  const { page } = await visit(`${server.origin}/policy/`);
  await isIn(page, "live");
  await page.waitForFunction(() => document.querySelector("p")!.textContent === "3");
  expect(await page.evaluate(() => window.notes)).toEqual(["old", "a", "b", "c"]);
  await create("d");
  await page.waitForFunction(() => document.querySelector("p")!.textContent === "4");
  expect(await page.evaluate(() => window.notes)).toEqual(["old", "a", "b", "c", "d"]);
});

test("View Transitions are used where the page asks for them, and not where motion is unwanted", async () => {
  const { page } = await visit(`${server.origin}/notes/?template=smooth.html`);
  await isIn(page, "live");
  await page.evaluate(() => {
    window.notes = [];
    const original = document.startViewTransition.bind(document);
    document.startViewTransition = (...call) => (window.notes.push("transition"), original(...call));
  });
  await create("d");
  await shows(page, ...titles, "d");
  expect(await page.evaluate(() => window.notes)).toEqual(["transition"]);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await create("e");
  await shows(page, ...titles, "d", "e");
  expect(await page.evaluate(() => window.notes)).toEqual(["transition"]);
});

test("changes are not read out unless the page asks for it, and the changed elements are named", async () => {
  const { page } = await open("/notes/");
  await page.evaluate(() => document.addEventListener("wsrequest:after-morph", (event) => window.notes.push(...(event as CustomEvent<{ changed: Element[] }>).detail.changed.map(({ localName }) => localName))));
  await create("d");
  await shows(page, ...titles, "d");
  expect(await notesOf(page)).toEqual(expect.arrayContaining(["title", "h1", "li"]));
  expect(await page.$("[aria-live]")).toBeNull();
});

test("a page from the back/forward cache goes live again by itself (P19)", async () => {
  const { page } = await open("/notes/");
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
  await page.evaluate(`${client}.close(), ${client}.open()`);
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await create("d");
  await shows(page, ...titles, "d");
});
