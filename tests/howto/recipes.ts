/**
 * A recipe of docs/howto as a page runs it: bundled with what it imports, in Chromium, against the demo.
 *
 * The code is that of the page of the documentation (`extract.mjs`); its client is the built file.
 */
import { build, type Plugin } from "esbuild";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { JSHandle, Page } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { compileScript, parse } from "vue/compiler-sfc";
import { until } from "../browser/servers.js";
import { useBrowser, type Visit } from "../browser/visits.js";
import { Demo } from "../demo/served.js";

const CLIENT = fileURLToPath(new URL("../../src/wsrequest/static/wsrequest/client.js", import.meta.url));
const HERE = fileURLToPath(new URL(".", import.meta.url));

export interface Opened<Recipe> extends Visit {
  /** What the recipe exports; `recipe.evaluate` calls it in the page. */
  recipe: JSHandle<Recipe>;
}

export interface Recipes {
  demo: () => Demo;
  /** A page of this HTML at the demo's origin; `prepare` is done to it before. */
  show: (html: string, prepare?: (page: Page) => Promise<void>) => Promise<Visit>;
  /** A page with the module at `path`, relative to this file. */
  open: <Recipe>(path: string) => Promise<Opened<Recipe>>;
  /** What `begin` comes to when `interrupt` is done between its request and the answer. */
  interrupted: <T>(visit: Visit, request: string, begin: () => Promise<T>, interrupt: () => Promise<unknown>) => Promise<T>;
}

/** Compiles a component as Vue's own plugins for bundlers do, but for its styles. */
const vue: Plugin = {
  name: "vue",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.vue$/ }, async ({ path }) => {
      const { descriptor } = parse(await readFile(path, "utf8"));
      const { content } = compileScript(descriptor, { id: path, inlineTemplate: true });
      return { contents: content, loader: "ts" };
    }),
};

/** The module at `path` as one script, which leaves its exports on `globalThis.recipe`. */
async function bundled(path: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `import * as recipe from "./${path}"; globalThis.recipe = recipe;`, resolveDir: HERE },
    ...{ bundle: true, write: false, format: "esm", target: "es2022", jsx: "automatic", logLevel: "error" },
    plugins: [vue],
    alias: { "django-websocket-request": CLIENT },
  });
  return outputFiles[0]!.text;
}

/** Call at the top of a test file: a demo and a browser for it, and what opens recipes on a page of the demo's origin. */
export function useRecipes(): Recipes {
  let demo: Demo;
  beforeAll(async () => void (demo = await Demo.serve()));
  const visit = useBrowser();
  afterAll(() => demo?.end());

  const show: Recipes["show"] = async (html, prepare) => {
    const opened = await visit(`${demo.origin}/api/stats/`); // without the policy of the demo's page
    await prepare?.(opened.page);
    await opened.page.setContent(html);
    return opened;
  };
  return {
    demo: () => demo,
    show,
    open: async <Recipe>(path: string): Promise<Opened<Recipe>> => {
      const script = await bundled(path);
      const opened = await show(`<!doctype html><div id="app"></div><script type="module">${script}</script>`);
      const recipe = await opened.page.evaluateHandle(() => (globalThis as unknown as { recipe: Recipe }).recipe);
      return { ...opened, recipe };
    },
    interrupted: ({ bySocket }, request, begin, interrupt) =>
      demo.frozenDuring(async () => {
        const outcome = begin();
        await until(`${request} is sent`, () => bySocket.includes(request));
        await interrupt();
        return outcome;
      }),
  };
}
