/**
 * What drawing one version costs, beside Turbo's morph and beside `innerHTML`, in one run: a page of 1,000 rows and 100 KB.
 *
 * Times are those of the script alone, and the three take turns. Medians are printed. The limits are for the shortest times,
 * which a busy machine disturbs least.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";
import type { Page } from "playwright-core";
import { useBrowser } from "./visits.js";

const visit = useBrowser();
const ROUNDS = 15;
const WAYS = ["morph", "turbo", "innerHTML"] as const;
type Way = (typeof WAYS)[number];

interface Drawing {
  /** Draws a version, and returns how many milliseconds that took. */
  draw(html: string, way: Way): number;
}

/** The page at a step of a change. */
const CHANGES = {
  "one row": (step: number) => page((index) => (index === 7 * step ? step : 0)),
  "a row at the top": (step: number) => page(() => 0, step),
  "all rows": (step: number) => page(() => step),
};

const row = (index: number, version: number): string => `    <tr>
      <td><a href="/n/${index}/">Note ${index}</a></td>
      <td>${version} changes</td>
      <td>ann</td>
    </tr>\n`;
function page(versionOf: (index: number) => number, extra = 0): string {
  const rows = Array.from({ length: 1000 + extra }, (_, index) => row(1000 + extra - index, versionOf(index)));
  return `<!doctype html>\n<html lang="en">\n<head>\n  <title>Notes</title>\n</head>\n<body>\n<h1>Notes</h1>\n<table>\n  <tbody>\n${rows.join("")}  </tbody>\n</table>\n</body>\n</html>\n`;
}

async function open(code: string): Promise<Page> {
  const { page: tab } = await visit("about:blank");
  await tab.setContent(page(() => 0));
  await tab.evaluate(code);
  await tab.evaluate(() => {
    const { morphing, Turbo } = globalThis as unknown as {
      morphing: { createMorph(root: Element, served: Node): { apply(html: string): boolean } };
      Turbo: { morphBodyElements(one: Element, other: Element): void };
    };
    const morph = morphing.createMorph(document.documentElement, document.documentElement);
    const draw: Drawing["draw"] = (html, way) => {
      const body = html.slice(html.indexOf("<body>") + 6, html.indexOf("</body>"));
      const startedAt = performance.now();
      if (way === "morph") morph.apply(html);
      else if (way === "turbo") Turbo.morphBodyElements(document.body, new DOMParser().parseFromString(html, "text/html").body);
      else document.body.innerHTML = body;
      const took = performance.now() - startedAt;
      void document.body.offsetHeight; // layout is not in it, and does not wait for the next
      return took;
    };
    Object.assign(globalThis, { draw });
  });
  return tab;
}

const median = (numbers: number[]): number => numbers.sort((one, other) => one - other)[numbers.length >> 1]!;

test("a version costs at most 0.35 of Turbo's morph, and 3 times innerHTML", async () => {
  const entry = fileURLToPath(new URL("../../client/src/pages/morph.ts", import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "iife", globalName: "morphing", target: "es2022", minify: true, write: false });
  const turbo = readFileSync(createRequire(import.meta.url).resolve("@hotwired/turbo/dist/turbo.es2017-umd.js"), "utf8");
  const code = `${outputFiles[0]!.text}; globalThis.morphing = morphing; ${turbo}`;
  for (const [change, at] of Object.entries(CHANGES)) {
    const tabs = new Map<Way, Page>();
    for (const way of WAYS) tabs.set(way, await open(code));
    const times: Record<Way, number[]> = { morph: [], turbo: [], innerHTML: [] };
    for (let step = 1; step <= ROUNDS; step++) {
      for (const way of WAYS) times[way].push(await tabs.get(way)!.evaluate(([html, way]) => (globalThis as unknown as Drawing).draw(html, way), [at(step), way] as const));
    }
    const [morph, other, plain] = WAYS.map((way) => median(times[way])) as [number, number, number];
    console.log(`${change}, ${at(1).length} bytes: ${morph.toFixed(1)} ms, of Turbo's ${other.toFixed(1)} ms: ${(morph / other).toFixed(2)}, of innerHTML's ${plain.toFixed(1)} ms: ${(morph / plain).toFixed(2)}`);
    if (change !== "one row") continue;
    const [least, turboLeast, plainLeast] = WAYS.map((way) => Math.min(...times[way])) as [number, number, number];
    expect(least / turboLeast).toBeLessThan(0.35);
    expect(least / plainLeast).toBeLessThan(3);
  }
});
