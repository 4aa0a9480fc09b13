/**
 * Writes the code of docs/howto to files, so that it is what tsc checks and the tests run.
 *
 * A block whose first line is a comment that names a file becomes that file, in `recipes/` under the
 * name of its page; those of README.md, which the pages share, under each of them.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

const pages = new URL("../../docs/howto/", import.meta.url);
const recipes = new URL("recipes/", import.meta.url);
const BLOCK = /^```\w+\n((?:\/\/|<!--) ([\w.]+)(?: -->)?\n[^]*?)^```$/gm;

const blocksOf = (page) => [...readFileSync(new URL(page, pages), "utf8").matchAll(BLOCK)];

rmSync(recipes, { recursive: true, force: true });
for (const page of readdirSync(pages).filter((name) => name !== "README.md")) {
  const folder = new URL(`${basename(page, ".md")}/`, recipes);
  mkdirSync(folder, { recursive: true });
  for (const [, code, name] of [...blocksOf("README.md"), ...blocksOf(page)]) writeFileSync(new URL(name, folder), code);
}
