/** docs/howto/htmx.md */
import { readFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
import { until } from "../browser/servers.js";
import type { Visit } from "../browser/visits.js";
import { useRecipes } from "./recipes.js";

declare const htmx: { trigger(on: string, event: string): void };

const { demo, show, interrupted } = useRecipes();
const STATIC = { "htmx.min.js": "htmx.min.js", "hx-preload.min.js": "ext/hx-preload.min.js" };
const LISTENER = /document\.addEventListener.*/;
const PRELOAD = '<script src="/static/hx-preload.min.js"></script><a id="list" hx-get="/api/recent/" hx-preload>List</a>';

const block = (name: string): Promise<string> => readFile(new URL(`recipes/htmx/${name}`, import.meta.url), "utf8");

let rendered: string;
beforeAll(async () => void (rendered = demo().render((await block("head.html")) + (await block("preview.html")))));

/** A page with the recipe's head and form as Django renders them, and `more`. */
async function visit({ more = "", html = rendered } = {}): Promise<Visit> {
  return show(`<!doctype html>${html}${more}`, async (page) => {
    for (const [name, path] of Object.entries(STATIC)) {
      const body = await readFile(new URL(`node_modules/htmx.org/dist/${path}`, import.meta.url));
      await page.route(`**/static/${name}`, (route) => route.fulfill({ contentType: "text/javascript", body }));
    }
  });
}

/** What was asked for by HTTP, but for scripts. */
const byHttp = (visit: Visit): string[] => visit.byHttp.filter((each) => !each.startsWith("GET /static/"));

test("forms, files and what is loaded at once go by the socket", async () => {
  const opened = await visit({
    more: `
      <p id="loaded" hx-get="/api/recent/?limit=1" hx-trigger="load"></p>
      <form id="upload" hx-post="/api/snippets/" hx-encoding="multipart/form-data" hx-headers='{"Accept": "application/json"}'>
        <input name="title" value="By htmx"><input name="code" value="x = 1"><input name="file" type="file"><button>Send</button>
      </form>`,
  });
  const { page, bySocket } = opened;
  await page.locator("#loaded", { hasText: "results" }).waitFor();
  await page.fill("textarea", "import this");
  await page.click("text=Preview");
  await page.locator("#preview .kn", { hasText: "import" }).waitFor();
  await page.setInputFiles("[type=file]", { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
  await page.click("text=Send");
  await page.locator("#upload", { hasText: '"title":"By htmx"' }).waitFor();
  expect(bySocket).toEqual(["GET /api/recent/?limit=1", "POST /api/preview/", "POST /api/snippets/"]);
  expect(byHttp(opened)).toEqual([]);
});

test("boosted links and the way back go by the socket", async () => {
  const opened = await visit({
    more: `
      <a hx-get="/api/snippets/1/highlight/" hx-target="#shown" hx-push-url="true">First</a> <p id="shown"></p>
      <a href="/api/snippets/2/highlight/" hx-boost="true">Second</a>`,
  });
  const { page, bySocket } = opened;
  const isAt = (id: number): Promise<unknown> =>
    page.waitForFunction((path) => location.pathname === path && document.querySelector(".highlight"), `/api/snippets/${id}/highlight/`);
  await page.click("text=First");
  await page.locator("#shown .highlight").waitFor();
  await page.click("text=Second");
  await isAt(2);
  await page.evaluate(() => history.back());
  await isAt(1);
  const [first, second] = [1, 2].map((id) => `GET /api/snippets/${id}/highlight/`);
  await until("the first is asked for again", () => bySocket.length === 3);
  expect(bySocket).toEqual([first, second, first]);
  expect(byHttp(opened)).toEqual([]);
});

test("a 400 is put where hx-status says", async () => {
  const opened = await visit();
  const { page } = opened;
  await page.fill("[name=language]", "none such");
  await page.click("text=Preview");
  await page.locator("#problem", { hasText: "language" }).waitFor();
  expect(await page.locator("#preview").innerText()).toBe("");
  expect(byHttp(opened)).toEqual([]);
});

test("an abort is told to the server", async () => {
  const opened = await visit();
  const { page, bySocket } = opened;
  await page.click("text=Preview");
  await page.locator("#preview .highlight").waitFor();
  bySocket.length = 0;
  const abort = (): Promise<void> => page.evaluate(() => htmx.trigger("form", "htmx:abort"));
  await interrupted(opened, "POST /api/preview/", () => page.click("text=Preview"), abort);
  await until("it is told", () => bySocket.at(-1) === "cancel");
});

test("a call that is in doubt is an htmx:error", async () => {
  const opened = await visit();
  const { page, bySocket } = opened;
  await page.click("text=Preview");
  await page.locator("#preview .highlight").waitFor();
  bySocket.length = 0;
  const call = async (): Promise<boolean> => {
    const error = page.evaluate(
      () =>
        new Promise<boolean>((resolve) =>
          document.addEventListener("htmx:error", (event) => {
            const { detail } = event as CustomEvent<{ error: { inDoubt: boolean } }>;
            resolve(detail.error.inDoubt);
          }),
        ),
    );
    await page.click("text=Preview");
    return error;
  };
  expect(await interrupted(opened, "POST /api/preview/", call, () => demo().kill())).toBe(true);
  await demo().start();
});

test("an extension that calls fetch itself goes by HTTP, or by the socket after install()", async () => {
  const opened = await visit({ more: PRELOAD });
  const { page, bySocket } = opened;
  await page.click("#list");
  await page.locator("#list", { hasText: "results" }).waitFor();
  expect([byHttp(opened), bySocket]).toEqual([["GET /api/recent/"], []]);

  const installed = await visit({ more: PRELOAD, html: rendered.replace(LISTENER, 'wsrequest.install({ paths: ["/"] });') });
  await installed.page.click("#list");
  await installed.page.locator("#list", { hasText: "results" }).waitFor();
  await installed.page.click("text=Preview");
  await installed.page.locator("#preview .highlight").waitFor();
  expect([byHttp(installed), installed.bySocket]).toEqual([[], ["GET /api/recent/", "POST /api/preview/"]]);
});

// Live.

async function live(more: string): Promise<Visit> {
  const head = demo().render(await block("live_head.html"));
  return visit({ html: rendered + head, more });
}
const RECENT = `hx-get="/api/recent/?limit=1" hx-headers='{"Accept": "application/json"}'`;
const create = (opened: Visit, title: string): Promise<number> =>
  opened.page.evaluate(async (text) => {
    const body = new URLSearchParams({ title: text, code: "x = 1", language: "python" });
    return (await wsrequest.fetch("/api/snippets/", { method: "POST", body, settled: true })).status;
  }, title);
const state = (opened: Visit, selector: string, name: string): Promise<unknown> => opened.page.waitForSelector(`${selector}[data-live-state=${name}]`, { state: "attached" });
const liveRequests = ({ bySocket }: Visit): string[] => bySocket.filter((each) => /^GET|cancel/.test(each));

test("an element with the trigger live follows its URL, with one request", async () => {
  const opened = await live((await block("live.html")) + `<p id="recent" ${RECENT} hx-trigger="live"></p>`);
  const { page } = opened;
  await page.locator("#snippet .highlight").waitFor();
  await state(opened, "#snippet", "live");
  const events = page.evaluate(() => {
    const names: string[] = [];
    Object.assign(window, { names });
    for (const name of ["before:request", "after:swap"]) document.addEventListener(`htmx:${name}`, () => names.push(name));
  });
  await events;
  expect(await create(opened, "followed by htmx")).toBe(201);
  await page.locator("#recent", { hasText: "followed by htmx" }).waitFor();
  expect(await page.evaluate(() => (window as unknown as { names: string[] }).names.slice(0, 2))).toEqual(["before:request", "after:swap"]);
  expect(liveRequests(opened)).toEqual(["GET /api/snippets/1/highlight/", "GET /api/recent/?limit=1"]);
  expect(byHttp(opened)).toEqual([]);
});

test("one that is swapped for its like goes on with the same subscription, and one that is removed ends", async () => {
  const opened = await live("<main></main>");
  const { page } = opened;
  await page.evaluate((attributes) => {
    const { htmx } = window as unknown as { htmx: { process(element: Element): void } };
    // The response has the element, too, as that of a view would.
    document.addEventListener("htmx:after:request", (event) => {
      const { ctx } = (event as CustomEvent<{ ctx: { text: string } }>).detail;
      ctx.text = `<p id="recent" ${attributes} hx-trigger="live" hx-swap="outerHTML" hx-select="p">${ctx.text}</p>`;
    });
    document.querySelector("main")!.innerHTML = `<p id="recent" ${attributes} hx-trigger="live" hx-swap="outerHTML" hx-select="p"></p>`;
    htmx.process(document.querySelector("main")!);
  }, RECENT.replace("limit=1", "limit=2"));
  await page.locator("#recent", { hasText: "results" }).waitFor();
  for (const title of ["swapped once", "swapped twice"]) {
    await create(opened, title);
    await page.locator("#recent", { hasText: title }).waitFor();
  }
  const asked = (): string[] => opened.bySocket.filter((each) => each.includes("limit=2"));
  expect(asked()).toEqual(["GET /api/recent/?limit=2"]);
  await page.evaluate(() => {
    const { htmx } = window as unknown as { htmx: { swap?: unknown; ajax(verb: string, path: string, options: object): Promise<void> } };
    return htmx.ajax("GET", "/api/stats/", { target: "main", swap: "textContent" });
  });
  await until("it is told", () => opened.bySocket.includes("cancel"));
});

test("other parameters are another live request", async () => {
  const opened = await live(`<input id="limit" name="limit" value="1"><p id="recent" ${RECENT.replace("?limit=1", "")} hx-include="#limit" hx-trigger="live"></p>`);
  const { page } = opened;
  await page.locator("#recent", { hasText: "results" }).waitFor();
  await page.fill("#limit", "2");
  await page.evaluate(() => htmx.trigger("#recent", "live"));
  await until("the other is asked for", () => opened.bySocket.includes("GET /api/recent/?limit=2"));
  expect(opened.bySocket).toContain("cancel");
});

test("what cannot be live is loaded once, and an error is handed over", async () => {
  const opened = await live(`
    <p id="still" hx-get="/static/wsrequest/htmx.js" hx-trigger="live"></p>
    <p id="lost" hx-get="/api/snippets/999999/" hx-headers='{"Accept": "application/json"}' hx-trigger="live" hx-status:404="target:#problem"></p>
    <form id="wrong" hx-post="/api/snippets/" hx-trigger="live"></form>`);
  const { page } = opened;
  await state(opened, "#lost", "ended");
  await page.locator("#problem", { hasText: "No Snippet" }).waitFor();
  await state(opened, "#still", "ended");
  await page.locator("#still", { hasText: "wsrequest" }).waitFor();
  expect(opened.bySocket.filter((each) => each.startsWith("POST"))).toEqual([]);
});

test("a hidden tab ends it after a while, and is current when it is shown", async () => {
  const opened = await live(`<p id="recent" ${RECENT} hx-trigger="live"></p>`);
  const { page } = opened;
  await state(opened, "#recent", "live");
  const show = (visibility: string): Promise<void> =>
    page.evaluate((value) => {
      Object.defineProperty(document, "visibilityState", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, visibility);
  await page.clock.install();
  await show("hidden");
  await page.clock.fastForward(31_000);
  await state(opened, "#recent", "paused");
  await create(opened, "while hidden");
  await show("visible");
  await page.locator("#recent", { hasText: "while hidden" }).waitFor();
});

test("after a logout in another tab the target is empty, whether the view redirects or shows less", async () => {
  const pages = (path: string, id: string): string => `<div id="${id}" hx-get="${path}" hx-trigger="live" hx-select="main" hx-swap="innerHTML"></div>`;
  const opened = await live("<main></main>");
  const own = await opened.page.evaluate(async () => {
    const send = async (url: string, body: object): Promise<Response> => wsrequest.fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), settled: true });
    await send("/api/session/", { username: "demo", password: "demo" });
    return ((await (await send("/api/snippets/", { title: "one's own", code: "x" })).json()) as { id: number }).id;
  });
  await until("the cookies are the browser's", async () => (await opened.context.cookies()).some(({ name }) => name === "sessionid"));
  const { page } = opened;
  await page.evaluate((html) => {
    document.querySelector("main")!.innerHTML = html;
    (window as unknown as { htmx: { process(element: Element): void } }).htmx.process(document.querySelector("main")!);
  }, `${pages(`/pages/${own}/edit/`, "form")}${pages(`/pages/${own}/`, "detail")}<p id="end">end</p>`);
  await page.locator("#form [name=title]").waitFor();
  await page.locator("#detail", { hasText: "Edit" }).waitFor();
  for (const id of ["form", "detail"]) await state(opened, `#${id}`, "live");
  await page.evaluate(() => (document.querySelector<HTMLInputElement>("#form [name=title]")!.value = "of demo alone"));
  const tab = await opened.context.newPage();
  await tab.goto(`${demo().origin}/pages/`);
  await tab.click("text=Sign out");
  await page.waitForFunction(() => document.querySelector("#form")!.textContent === "");
  await state(opened, "#form", "ended");
  await page.waitForFunction(() => !document.querySelector("#detail")!.textContent!.includes("Edit"));
  await page.locator("#detail", { hasText: "one's own" }).waitFor(); // as anybody may see it
  expect(await page.locator("#end").innerText()).toBe("end");
});

test("a view that redirects at first is loaded once", async () => {
  const opened = await live(`<div id="moved" hx-get="/pages/1" hx-trigger="live" hx-select="h1"></div>`);
  const { page } = opened;
  await page.locator("#moved h1").waitFor();
  await state(opened, "#moved", "ended");
  const title = await page.locator("#moved h1").innerText();
  expect(await create(opened, "after the redirect")).toBe(201);
  expect(await page.locator("#moved h1").innerText()).toBe(title);
});
