/** The room of a snippet: two browsers at two processes, with Redis between them. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../browser/ports.js";
import { until } from "../browser/servers.js";
import { useBrowser } from "../browser/visits.js";
import { AXE, violations } from "./axe.js";
import { Demo } from "./served.js";

process.env["CHROMIUM"] ??= "/usr/bin/chromium";
const hasRedis = !spawnSync("redis-server", ["--version"]).error;
if (!hasRedis && (process.env["CI"] || process.env["TEST_ALL"])) throw new Error("redis-server is missing (Debian package redis-server)");
const visit = useBrowser();
let redis: ChildProcess | undefined;
let workers: Demo[] = [];
beforeAll(async () => {
  const settings: Record<string, string> = {};
  if (hasRedis) {
    const port = String(await freePort());
    redis = spawn("redis-server", ["--port", port, "--bind", "127.0.0.1", "--save", ""], { stdio: "ignore" });
    settings["DEMO_BUS"] = `redis://127.0.0.1:${port}`;
  }
  const demo = await Demo.serve(settings);
  workers = [demo];
  if (hasRedis) workers.unshift(await demo.another());
});
afterAll(async () => {
  for (const each of workers) await each.end();
  redis?.kill();
});

async function entered(page: Page): Promise<string> {
  await page.locator("#members .me").waitFor();
  return (await page.textContent(".who"))!;
}
const members = (page: Page): Promise<string[]> => page.locator("#members li").allTextContents();
const hasMembers = (page: Page, names: string[]): Promise<unknown> =>
  until(names.join(), async () => JSON.stringify((await members(page)).sort()) === JSON.stringify(names), 30);
const shows = (page: Page, id: string, text: string | RegExp): Promise<void> => page.locator(`#${id}`, { hasText: text }).waitFor();

test("both see who is there, who is typing, what is said, and how far the job is", async () => {
  const { page: one } = await visit(`${workers[0]!.origin}/rooms/1/`);
  const { page: other, context, complaints } = await visit(`${workers.at(-1)!.origin}/api-auth/login/?next=/rooms/1/`);
  await context.addInitScript({ path: AXE });
  for (const field of ["username", "password"]) await other.fill(`[name=${field}]`, "demo");
  await other.keyboard.press("Enter");
  const names = [await entered(one), await entered(other)];
  complaints.length = 0; // of the page of the login
  expect(names).toEqual([expect.stringMatching(/^Visitor \d{4}$/), "demo"]);
  for (const page of [one, other]) await hasMembers(page, names);

  await other.focus("#note");
  await other.keyboard.type("Hel");
  await shows(one, "typing", "demo is typing…");
  expect(await other.textContent("#typing")).toBe(""); // not to itself
  await other.keyboard.type("lo");
  await other.keyboard.press("Enter");
  for (const page of [one, other]) await shows(page, "notes", "demo: Hello");
  expect([await one.textContent("#typing"), await other.inputValue("#note")]).toEqual(["", ""]);

  await one.click("#start");
  await shows(other, "job", / of .* pages/);
  await until("the bar moves", () => other.evaluate(() => document.querySelector("progress")!.position > 0.2), 60);
  expect(await violations(other)).toEqual([]);
  for (const page of [one, other]) await page.locator("#job", { hasText: "Done: " }).waitFor({ timeout: 60_000 });
  expect(await other.evaluate(() => document.querySelector("progress")!.position)).toBe(1);
  expect(await other.isDisabled("#start")).toBe(false);

  await one.close();
  await hasMembers(other, ["demo"]);
  expect(complaints).toEqual([]);
});

test("one person in two tabs is there once", async () => {
  const { page, context } = await visit(`${workers[0]!.origin}/rooms/1/`);
  const name = await entered(page);
  const tab = await context.newPage();
  await tab.goto(`${workers.at(-1)!.origin}/rooms/1/`);
  expect(await entered(tab)).toBe(name);
  for (const each of [page, tab]) await hasMembers(each, [name]);
});

test("an event that the room does not know is refused", async () => {
  const { page } = await visit(`${workers[0]!.origin}/rooms/1/`);
  await entered(page);
  const status = await page.evaluate(() =>
    wsrequest.room("/api/snippets/1/room/").send("nonsense").catch((error: { response: Response }) => error.response.status),
  );
  expect(status).toBe(400);
});
