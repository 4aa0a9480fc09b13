/**
 * The Web Platform Tests of fetch: what passes with the browser's own fetch passes with the client's, behind
 * `install({ paths: ["/"] })`, but for what wpt/losses.txt lists with its reason. What that lists must still fail.
 *
 * `scripts/client wpt` fetches the tests, and runs them all; `scripts/client browser` runs some of the folders.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inTurns, run, WptServer, type Results } from "./wpt/running.js";
import { testsOf, type Test } from "./wpt/tests.js";

const ROOT = process.env["WPT_ROOT"] ?? "";
const IS_WHOLE = !!process.env["WPT_WHOLE"];
/** Where each test's results are written as they come, for a look at what failed. */
const OUT = process.env["WPT_OUT"];
/** Quick ones, of all kinds. */
const SOME = ["abort", "body", "credentials", "headers", "policies", "redirect"];
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"];
const AT_ONCE = 3;

let browser: Browser;
let servers: WptServer[] = [];
beforeAll(async () => {
  browser = await chromium.launch({ executablePath: process.env["CHROMIUM"]!, args: FLAGS });
  servers = await Promise.all([WptServer.start(ROOT, false), WptServer.start(ROOT, true)]);
});
afterAll(async () => {
  await browser?.close();
  for (const each of servers) await each.stop();
});

interface Loss {
  pattern: string;
  isUsed: boolean;
}

/** The lines of losses.txt: `path kind: subtest`, with `*` for any characters; the reason stands above them. */
function listed(): Loss[] {
  const text = readFileSync(new URL("wpt/losses.txt", import.meta.url), "utf8");
  const lines = text.split("\n").filter((line) => line.trim() && !line.startsWith("#"));
  return lines.map((pattern) => ({ pattern, isUsed: false }));
}

const fits = (pattern: string, name: string): boolean =>
  new RegExp(`^${pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`, "s").test(name);

test("what passes with the browser's own fetch passes with the client's, but for what is listed", async () => {
  const folders = IS_WHOLE ? ["fetch/api"] : SOME.map((name) => `fetch/api/${name}`);
  const filter = process.env["WPT_ONLY"];
  const tests = folders.flatMap((folder) => testsOf(ROOT, folder)).filter(({ page }) => !filter || page.includes(filter));
  const losses = listed();
  const unlisted: string[] = [];
  const totals = new Map<string, [passed: number, kept: number]>();
  const pages = async (): Promise<Page[]> => Promise.all(servers.map(async () => (await browser.newContext()).newPage()));
  const workers = await Promise.all(Array.from({ length: AT_ONCE }, pages));
  await inTurns(tests, workers, async (each: Test, worker) => {
    const results = servers.map(({ origin }, index) => run(worker[index]!, origin, each));
    const [native, ours] = (await Promise.all(results)) as [Results, Results];
    if (OUT) appendFileSync(OUT, `${JSON.stringify([each, [...native.passed], [...ours.passed], [...ours.failed]])}\n`);
    const key = `${each.path.split("/")[2]!} ${each.kind}`;
    const total = totals.get(key) ?? [0, 0];
    totals.set(key, total);
    for (const name of native.passed) {
      total[0]++;
      if (ours.passed.has(name)) {
        total[1]++;
        continue;
      }
      const loss = `${each.path} ${each.kind}: ${name}`.replaceAll("\n", " ");
      const found = losses.find(({ pattern }) => fits(pattern, loss));
      if (found) found.isUsed = true;
      else unlisted.push(`${loss} | ${(ours.failed.get(name) ?? ours.failed.get("(the page)") ?? "did not run").replaceAll("\n", " ")}`);
    }
  });
  const rows = [...totals].sort().map(([key, [passed, kept]]) => `${key.padEnd(22)} ${String(passed).padStart(5)} ${String(kept).padStart(5)}`);
  const sum = (index: 0 | 1): number => [...totals.values()].reduce((total, each) => total + each[index], 0);
  const [passed, kept] = [sum(0), sum(1)];
  const share = ((100 * kept) / passed).toFixed(1);
  console.log(["folder                native  ours", ...rows, `all ${passed} ${kept} (${share} %)`].join("\n"));
  expect(unlisted.sort()).toEqual([]);
  if (!IS_WHOLE || filter) return;
  const unused = losses.filter(({ isUsed }) => !isUsed).map(({ pattern }) => pattern);
  expect(unused, "listed in losses.txt, but it passes").toEqual([]);
}, 1_500_000);
