/**
 * Takes the pictures of the demo that the README, docs/live-pages.md and docs/push.md show: always the same scenes, of a demo of its own.
 * `scripts/screenshots` runs it, with the directory to put them in. The times in them are measured.
 */
import { chromium, type BrowserContextOptions, type Page } from "playwright-core";
import { takeMoving, type Enter } from "./moving.js";
import { takeBeside, takeRoom } from "./room-picture.js";
import { Demo } from "./served.js";

const DESK = { width: 1280, height: 1150 };
const PICTURES: Record<string, BrowserContextOptions> = {
  "demo-light": { colorScheme: "light", viewport: DESK },
  "demo-dark": { colorScheme: "dark", viewport: DESK },
  "demo-phone": { colorScheme: "light", viewport: { width: 390, height: 780 }, deviceScaleFactor: 1.5 },
};
const WINDOW = { width: 560, height: 690 };
const [place] = process.argv.slice(2);

/** Somebody signed in, compared both ways, and opened a snippet; the last calls went by each. */
async function setScene(page: Page): Promise<void> {
  await page.locator('#status[data-way="socket"]').waitFor();
  await page.locator("#language optgroup").first().waitFor({ state: "attached" });
  await page.click("#sign-in-open");
  await page.fill("#password", "demo");
  await page.keyboard.press("Enter");
  await page.locator("#sign-out").waitFor();
  await page.click("#compare");
  await page.locator("#timing-note", { hasText: "median of" }).waitFor();
  const reload = async (way: string): Promise<void> => {
    await page.check(`#switch [value="${way}"]`, { force: true });
    await page.locator(`#status[data-way="${way}"]`).waitFor();
    await page.click("#explorer [type=submit]");
    await page.locator("#explorer-answer", { hasText: way === "http" ? "by HTTP" : "by WebSocket" }).waitFor();
  };
  for (const way of ["http", "socket"]) await reload(way);
  const row = page.locator("#snippets li", { hasText: "One line and one import" });
  await row.locator("summary").click();
  await row.locator(".highlight").waitFor();
  await page.locator("#notices > *").waitFor({ state: "detached" });
  await settle(page, "body");
}

/** Nothing has the focus or the pointer, and `top` stands below the bar. */
async function settle(page: Page, top: string): Promise<void> {
  await page.evaluate(async (top) => {
    (document.activeElement as HTMLElement).blur();
    scrollTo(0, 0);
    scrollTo(0, document.querySelector(top)!.getBoundingClientRect().top - 72);
    await document.fonts.ready;
  }, top);
  await page.mouse.move(0, 0);
}

/** Two browsers side by side: what the one changed is marked in the other. */
async function takeBoth(enter: Enter, path: string): Promise<void> {
  const [first, one] = await enter({ colorScheme: "light", viewport: WINDOW });
  const [second, other] = await enter({ colorScheme: "dark", viewport: WINDOW });
  const row = (page: Page, title: string, news: string): Promise<void> =>
    page.locator("#snippets li", { hasText: title }).locator(".news", { hasText: news }).waitFor();
  for (const page of [one, other]) await page.locator('#list-state[data-state="socket"]').waitFor();
  await one.click("#sign-in-open");
  await one.fill("#password", "demo");
  await one.keyboard.press("Enter");
  await one.locator("#sign-out").waitFor();
  const edited = one.locator("#snippets li", { hasText: "A client in ten lines" });
  await edited.locator("summary").click();
  await edited.getByRole("button", { name: "Edit" }).click();
  await one.fill("#title", "A client in nine lines");
  await one.click("#editor-save");
  await row(other, "A client in nine lines", "edited");
  await edited.waitFor({ state: "detached" });
  await one.locator("#snippets li", { hasText: "A client in nine lines" }).locator("summary").click(); // closes it
  await one.fill("#title", "Written on the left");
  await one.fill("#code", "print('seen on the right')");
  await one.click("#editor-save");
  for (const page of [one, other]) await row(page, "Written on the left", "new");
  await one.locator("#notices > *").first().waitFor();
  await one.evaluate(() => document.querySelector("#notices")!.replaceChildren());
  await one.locator("#snippets li:first-child .highlight").waitFor();
  await Promise.all([settle(one, "[aria-labelledby=snippets-heading]"), settle(other, "[aria-labelledby=snippets-heading]")]);
  await takeBeside(browser, [one, other], WINDOW, path);
  for (const each of [first, second]) await each.close();
}

const demo = await Demo.serve();
const flags = [
  ...["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  ...["--disable-sync", "--no-first-run"],
  ...["--disable-lcd-text", "--font-render-hinting=none"], // the same on every screen
];
const browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: flags });
const enter: Enter = async (options, path = "/") => {
  const context = await browser.newContext({ ...options, locale: "en", timezoneId: "UTC", reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(demo.origin + path);
  return [context, page];
};
try {
  for (const [name, options] of Object.entries(PICTURES)) {
    const [context, page] = await enter(options);
    await setScene(page);
    await page.screenshot({ path: `${place}/${name}.png` });
    await context.close();
  }
  await takeBoth(enter, `${place}/demo-live.png`);
  await takeRoom(browser, enter, `${place}/room.png`);
  await takeMoving(browser, enter, `${place}/live-pages.webp`);
} finally {
  await browser.close();
  await demo.end();
}
