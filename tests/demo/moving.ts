/**
 * The moving picture of docs/live-pages.md: somebody types on the left, while rows come from the right and from a script.
 * Each frame is a screenshot of both browsers. The program img2webp (Debian package webp) joins them.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { isIn } from "../browser/live-pages.js";

export type Enter = (options: BrowserContextOptions, path?: string) => Promise<[BrowserContext, Page]>;

const WINDOW = { width: 560, height: 870 }; // down to the first field
const TYPING_MS = 110;
const MOST_BYTES = 400_000;

/** Shows a caret that does not blink. */
async function settle(page: Page): Promise<void> {
  await isIn(page, "live");
  await page.evaluate(async () => {
    // Adopted, because the page's policy takes no inline style.
    const style = new CSSStyleSheet();
    style.replaceSync("input, textarea { caret-animation: manual; caret-color: var(--accent); } .skip { display: none; }");
    document.adoptedStyleSheets = [style];
    await document.fonts.ready;
  });
}

/** Takes the picture, as `path`. */
export async function takeMoving(browser: Browser, enter: Enter, path: string): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), "wsrequest-frames-"));
  const [first, one] = await enter({ colorScheme: "light", viewport: WINDOW }, "/pages/");
  const [second, other] = await enter({ colorScheme: "dark", viewport: WINDOW }, "/pages/");
  const both = await browser.newPage({ viewport: { width: 2 * WINDOW.width + 12, height: WINDOW.height } });
  const words: string[] = [];
  let count = 0;

  /** Takes a frame that is shown for this long. */
  async function frame(milliseconds: number): Promise<void> {
    const taken = await Promise.all([one, other].map((page) => page.screenshot({ caret: "initial" })));
    const images = taken.map((picture) => `<img alt="" src="data:image/png;base64,${picture.toString("base64")}">`);
    await both.setContent(`<body style="margin: 0; display: flex; gap: 12px; background: #8a9690">${images.join("")}`);
    const file = join(place, `${String(count++).padStart(3, "0")}.png`);
    await both.screenshot({ path: file });
    words.push("-d", String(milliseconds), "-lossy", "-q", "80", "-m", "6", file);
  }
  async function type(page: Page, name: string, text: string, step = 1): Promise<void> {
    await page.evaluate((name) => document.querySelector<HTMLElement>(`[name=${name}]`)!.focus({ preventScroll: true }), name);
    for (let at = 0; at < text.length; at += step) {
      await page.keyboard.insertText(text.slice(at, at + step));
      await frame(TYPING_MS);
    }
  }
  /** Sends the form, whose code is below what the picture shows. */
  async function send(page: Page, code: string): Promise<void> {
    await frame(500);
    await page.evaluate((code) => (document.querySelector<HTMLTextAreaElement>("[name=code]")!.value = code), code);
    await page.keyboard.press("Enter");
    await page.locator(".message").waitFor();
    await settle(page);
  }
  const row = (page: Page, title: string): Promise<void> => page.locator("#rows li", { hasText: title }).waitFor();

  for (const page of [one, other]) await settle(page);
  await frame(900);
  await type(one, "title", "Typed whi");
  await frame(500);
  await type(other, "title", "From the right", 2);
  await send(other, "print('seen on the left')");
  await row(one, "From the right");
  await frame(1800);
  await type(one, "title", "le others write");
  const response = await first.request.post(new URL("/api/snippets/", one.url()).href, { data: { title: "From a script", code: "x = 1", language: "bash" }, headers: { "X-CSRFToken": await csrf(one) } });
  if (!response.ok()) throw new Error(await response.text());
  for (const page of [one, other]) await row(page, "From a script");
  await frame(1800);
  await send(one, "print('seen on the right')");
  await row(other, "Typed while others write");
  await frame(3000);

  const { status, stderr } = spawnSync("img2webp", ["-min_size", "-mixed", ...words, "-o", path], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr || "img2webp was not found: install the Debian package webp");
  for (const each of [both, first, second]) await each.close();
  if (process.env["KEEP_FRAMES"]) console.log(`The frames are in ${place}`);
  else rmSync(place, { recursive: true });
  const { size } = statSync(path);
  if (size > MOST_BYTES) throw new Error(`${path} has ${size} bytes, which is more than ${MOST_BYTES}`);
}

const csrf = (page: Page): Promise<string> => page.inputValue("[name=csrfmiddlewaretoken]");
