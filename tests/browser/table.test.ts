/**
 * The same calls by window.fetch and by client.fetch: everything that a page can tell must be the same, but for
 * what the table "What differs from fetch" in docs/client.md lists. What it lists must still differ.
 */
import { readFileSync } from "node:fs";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Server } from "./servers.js";
import type { Fields } from "./table/observing.js";
import { useBrowser } from "./visits.js";

declare const table: typeof import("./table/page.js");

const visit = useBrowser();
let server: Server;
beforeAll(async () => void (server = await Server.start()));
afterAll(() => server?.stop());

/** What the socket cannot carry (docs/client.md, "Which way a call goes"); all the rest must go over it. */
const BY_HTTP = [
  ...["address: blob", "address: other origin", "address: other origin, no-cors", "address: nobody listens"],
  ...["method: patch", "method: PROPFIND", "redirect: to another origin", "redirect: to another origin, no-cors"],
  ...["request header: of proxies", "request header: underscore", "cache: force-cache", "cache: only-if-cached"],
  ...["mode: no-cors", "credentials: omit", "integrity: broken", "keepalive"],
];

interface Row {
  calls: string[];
  fields: string[];
}

/** The rows of the table: which fields of which calls may differ; `*` stands for any characters. */
function listed(): Row[] {
  const page = readFileSync(new URL("../../docs/client.md", import.meta.url), "utf8");
  const section = page.split("\n## What differs from fetch\n")[1]!.split("\n## ")[0]!;
  const cells = section.split("\n").filter((line) => line.startsWith("| `")).map((line) => line.split(" | "));
  const words = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);
  return cells.map(([calls, fields]) => ({ calls: words(calls!), fields: words(fields!) }));
}

const fits = (pattern: string, name: string): boolean =>
  new RegExp(`^${pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`).test(name);

/** What is to be compared: an order is that of the names that both have. */
function differing(one: Fields, other: Fields): string[] {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  const order = (of: Fields, by: Fields): string[] =>
    ((of["headers order"] ?? []) as string[]).filter((name) => `header ${name}` in by);
  return [...names].filter((name) =>
    name === "headers order"
      ? String(order(one, other)) !== String(order(other, one))
      : JSON.stringify(one[name]) !== JSON.stringify(other[name]),
  );
}

test("a page sees the same by window.fetch and by client.fetch, but for what is listed", async () => {
  const entryPoints = [new URL("table/page.ts", import.meta.url).pathname];
  const built = await build({ entryPoints, bundle: true, write: false, format: "iife", globalName: "table" });
  const content = built.outputFiles[0]!.text;
  // Pages of their own, so that neither finds the other's cookies or cache.
  const [plain, ours] = await Promise.all([visit(`${server.origin}/`), visit(`${server.origin}/`)]);
  for (const { page } of [plain, ours]) await page.addScriptTag({ content });
  const names = await plain.page.evaluate(() => table.names);
  expect(names.length).toBeGreaterThan(250);
  const rows = listed();
  const unused = new Set(rows.flatMap(({ calls, fields }, row) => [...calls, ...fields].map((word) => `row ${row + 1}: ${word}`)));
  const [unlisted, byHttp]: string[][] = [[], []];
  for (const name of names) {
    const [expected, came] = await Promise.all([
      plain.page.evaluate((name) => table.run(name, "window"), name),
      ours.page.evaluate((name) => table.run(name, "client"), name),
    ]);
    if (ours.byHttp.splice(0).some((each) => each !== "ticket")) byHttp!.push(name);
    for (const field of differing(expected, came)) {
      // The first row that has it counts, so that a wide row behind it cannot pass for one that is needed.
      const found = rows
        .map(({ calls, fields }, row) => {
          const [call, known] = [calls.filter((each) => fits(each, name)), fields.filter((each) => fits(each, field))];
          return call.length && known.length ? [...call, ...known].map((word) => `row ${row + 1}: ${word}`) : [];
        })
        .find((words) => words.length);
      for (const word of found ?? []) unused.delete(word);
      if (!found) {
        const told = [expected[field], came[field]].map((value) => JSON.stringify(value)?.slice(0, 200));
        unlisted!.push(`${name} / ${field}: fetch has ${told[0]}, the client ${told[1]}`);
      }
    }
  }
  expect(unlisted).toEqual([]);
  expect(byHttp).toEqual(BY_HTTP);
  expect([...unused], "listed in docs/client.md, but it does not differ any more").toEqual([]);
}, 120_000);
