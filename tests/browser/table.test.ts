/**
 * The same calls by window.fetch and by client.fetch: everything that a page can tell must be the same, but for
 * what the table "What differs from fetch" in docs/client.md lists. What it lists must still differ.
 */
import { readFileSync } from "node:fs";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Server } from "./servers.js";
import type { Fields } from "./table/observing.js";
import { useBrowser, type Visit } from "./visits.js";

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

/** Phrases that RFC 9110 has renamed, and that a server on an older Python says still; the client's are the new ones. */
const OLDER_PHRASES: Record<string, string> = {
  "Request Entity Too Large": "Content Too Large",
  "Unprocessable Entity": "Unprocessable Content",
};
const renamed = ({ statusText, ...fields }: Fields): Fields => ({
  ...fields,
  ...(statusText !== undefined && { statusText: OLDER_PHRASES[statusText as string] ?? statusText }),
});

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

/** How calls are made, and by which the browser's own are made that they are compared with. */
const WAYS = [
  ["client.fetch, in a page", "client", "page"],
  ["install(), in a page", "installed", "page"],
  ["client.fetch, in a worker", "client", "worker"],
] as const;

type Run = (name: string) => Promise<Fields>;

/** A page of its own, so that nobody finds another's cookies or cache; what it calls by HTTP is in `byHttp`. */
async function caller(content: string, way: "window" | "client" | "installed", place: "page" | "worker"): Promise<[Run, Visit]> {
  const found = await visit(`${server.origin}/`);
  const { page } = found;
  await page.addScriptTag({ content });
  const by = way === "client" ? "client" : "window";
  if (way === "installed") await page.evaluate(() => wsrequest.install({ paths: ["/"] }));
  if (place === "page") return [(name) => page.evaluate(([name, by]) => table.run(name, by), [name, by] as const), found];
  await page.evaluate((content) => {
    const worker = new Worker("/?worker", { type: "module" });
    worker.postMessage(content);
    const call = (name: string, by: string): Promise<Fields> =>
      new Promise((resolve, reject) => {
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.onmessage = ({ data }) => resolve(data as Fields);
        worker.postMessage([name, by]);
      });
    Object.assign(globalThis, { call });
  }, content);
  type Calling = { call(name: string, by: string): Promise<Fields> };
  return [(name) => page.evaluate(([name, by]) => (globalThis as unknown as Calling).call(name, by), [name, by] as const), found];
}

const used = new Set<string>();
const rows = listed();

test.each(WAYS)("by %s a call gives the same as by the browser's own fetch, but for what is listed", async (_, way, place) => {
  const entryPoints = [new URL("table/page.ts", import.meta.url).pathname];
  const built = await build({ entryPoints, bundle: true, write: false, format: "iife", globalName: "table" });
  const content = built.outputFiles[0]!.text;
  const [[plain, { page }], [ours, visited]] = await Promise.all([caller(content, "window", place), caller(content, way, place)]);
  const names = await page.evaluate(() => table.names);
  expect(names.length).toBeGreaterThan(250);
  const [unlisted, byHttp]: string[][] = [[], []];
  visited.byHttp.length = 0;
  for (const name of names) {
    const [expected, came] = await Promise.all([plain(name).then(renamed), ours(name)]);
    if (visited.byHttp.splice(0).some((each) => !/^ticket$|client.js$|worker$/.test(each))) byHttp!.push(name);
    for (const field of differing(expected, came)) {
      // The first row that has it counts, so that a wide row behind it cannot pass for one that is needed.
      const found = rows
        .map(({ calls, fields }, row) => {
          const [call, known] = [calls.filter((each) => fits(each, name)), fields.filter((each) => fits(each, field))];
          return call.length && known.length ? [...call, ...known].map((word) => `row ${row + 1}: ${word}`) : [];
        })
        .find((words) => words.length);
      for (const word of found ?? []) used.add(word);
      if (!found) {
        const told = [expected[field], came[field]].map((value) => JSON.stringify(value)?.slice(0, 200));
        unlisted!.push(`${name} / ${field}: fetch has ${told[0]}, the client ${told[1]}`);
      }
    }
  }
  expect(unlisted).toEqual([]);
  expect(byHttp).toEqual(BY_HTTP);
}, 400_000);

test("what is listed differs", () => {
  const words = rows.flatMap(({ calls, fields }, row) => [...calls, ...fields].map((word) => `row ${row + 1}: ${word}`));
  const unused = words.filter((word) => !used.has(word));
  expect(unused, "listed in docs/client.md, but it does not differ any more").toEqual([]);
});
