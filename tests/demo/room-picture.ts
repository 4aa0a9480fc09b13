/** Takes the picture of two browsers in one room, for docs/push.md. */
import type { Browser, Page } from "playwright-core";
import type { Enter } from "./moving.js";

const WINDOW = { width: 500, height: 790 };

/** Puts the pictures of two windows of this size beside each other, in a file at `path`. */
export async function takeBeside(browser: Browser, pages: readonly Page[], { width, height }: typeof WINDOW, path: string): Promise<void> {
  const taken = await Promise.all(pages.map((page) => page.screenshot()));
  const both = await browser.newPage({ viewport: { width: 2 * width + 12, height } });
  const images = taken.map((picture) => `<img alt="" src="data:image/png;base64,${picture.toString("base64")}">`);
  await both.setContent(`<body style="margin: 0; display: flex; gap: 12px; background: #8a9690">${images.join("")}`);
  await both.screenshot({ path });
  await both.close();
}

/** A visitor and a user who talk about a snippet, while its job runs. */
export async function takeRoom(browser: Browser, enter: Enter, path: string): Promise<void> {
  const [first, one] = await enter({ colorScheme: "light", viewport: WINDOW }, "/rooms/1/");
  const [second, other] = await enter({ colorScheme: "dark", viewport: WINDOW }, "/api-auth/login/?next=/rooms/1/");
  for (const field of ["username", "password"]) await other.fill(`[name=${field}]`, "demo");
  await other.keyboard.press("Enter");
  for (const page of [one, other]) await page.locator("#members li:nth-child(2)").waitFor();
  await other.fill("#note", "Look at the last line");
  await other.keyboard.press("Enter");
  await one.locator("#notes", { hasText: "last line" }).waitFor();
  await one.click("#start");
  await other.waitForFunction(() => document.querySelector("progress")!.position > 0.4);
  await other.locator("#note").pressSequentially("It");
  await one.locator("#typing", { hasText: "demo is typing" }).waitFor();
  for (const page of [one, other]) await page.evaluate(() => scrollTo(0, scrollY + document.querySelector("#room")!.getBoundingClientRect().top - 90));
  await takeBeside(browser, [one, other], WINDOW, path);
  for (const each of [first, second]) await each.close();
}
