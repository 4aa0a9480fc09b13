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
