/**
 * Takes the pictures of the demo that the README shows: always the same scene, of a demo of its own.
 * `scripts/screenshots` runs it, with the directory to put them in. The times in them are measured.
 */
import { chromium, type BrowserContextOptions, type Page } from "playwright-core";
import { Demo } from "./served.js";

const DESK = { width: 1280, height: 1120 };
const PICTURES: Record<string, BrowserContextOptions> = {
  "demo-light": { colorScheme: "light", viewport: DESK },
  "demo-dark": { colorScheme: "dark", viewport: DESK },
  "demo-phone": { colorScheme: "light", viewport: { width: 390, height: 780 }, deviceScaleFactor: 1.5 },
};
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
  await page.evaluate(async () => {
    (document.activeElement as HTMLElement).blur();
    scrollTo(0, 0);
    await document.fonts.ready;
  });
  await page.mouse.move(0, 0);
}

const demo = await Demo.serve();
const flags = [
  ...["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  ...["--disable-sync", "--no-first-run"],
  ...["--disable-lcd-text", "--font-render-hinting=none"], // the same on every screen
];
const browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: flags });
try {
  for (const [name, options] of Object.entries(PICTURES)) {
    const context = await browser.newContext({ ...options, locale: "en", timezoneId: "UTC", reducedMotion: "reduce" });
    const page = await context.newPage();
    await page.goto(demo.origin);
    await setScene(page);
    await page.screenshot({ path: `${place}/${name}.png` });
    await context.close();
  }
} finally {
  await browser.close();
  await demo.end();
}
