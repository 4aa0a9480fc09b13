/** The tables of docs/client.md, compared with the source. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LIVE_STATES } from "../src/subscription.js";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("the documentation lists every option, and no other", () => {
  const documented = [...read("docs/client.md").matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);
  const known = [...read("client/src/options.ts").matchAll(/^ {2}(\w+)\?:/gm)].map((match) => match[1]);
  expect(documented).toEqual(known);
});

test("the documentation lists every state and reason, and no other", () => {
  const table = (heading: string): string[] =>
    [...(read("docs/client.md").split(heading)[1]!.split("\n\n")[0]!.matchAll(/^\| `"(\w+)"` \|/gm))].map(([, name]) => name!);
  expect(table("| state | is")).toEqual(LIVE_STATES);
  expect(table("| `subscription.reason` |")).toEqual(["closed", "denied", "gone", "moved", "failed"]);
});
