/** Patches of JSON values, with the examples of RFC 6902 that tell rules apart, and patches of texts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { patched, patchedText } from "../src/patches.js";

const json = (value: string, ...operations: object[]): unknown => patched(JSON.parse(value), operations);

test.each([
  ["a member is added", '{"a":1}', [{ op: "add", path: "/b", value: null }], '{"a":1,"b":null}'],
  ["a member is replaced by add", '{"a":1}', [{ op: "add", path: "/a", value: 2 }], '{"a":2}'],
  ["an element is added before", "[1,2]", [{ op: "add", path: "/1", value: 9 }], "[1,9,2]"],
  ["an element is added at the end", "[1]", [{ op: "add", path: "/1", value: 2 }, { op: "add", path: "/-", value: 3 }], "[1,2,3]"],
  ["an element is removed", "[1,2,3]", [{ op: "remove", path: "/1" }], "[1,3]"],
  ["a deep one is replaced", '[{"a":[0,{"b":1}]}]', [{ op: "replace", path: "/0/a/1/b", value: [] }], '[{"a":[0,{"b":[]}]}]'],
  ["the whole is replaced", "[1]", [{ op: "replace", path: "", value: { a: 1 } }], '{"a":1}'],
  ["a member moves", '{"a":{"b":1},"c":{}}', [{ op: "move", from: "/a/b", path: "/c/d" }], '{"a":{},"c":{"d":1}}'],
  ["an element moves behind others", "[0,1,2]", [{ op: "move", from: "/0", path: "/2" }], "[1,2,0]"],
  ["a move makes its target's path another", '[1,{"a":2}]', [{ op: "move", from: "/0", path: "/0/b" }], '[{"a":2,"b":1}]'],
  [
    "a copy is not changed with the other",
    '{"a":{"b":1}}',
    [{ op: "copy", from: "/a", path: "/c" }, { op: "replace", path: "/a/b", value: 2 }],
    '{"a":{"b":2},"c":{"b":1}}',
  ],
  ["a test that holds", '{"a":[1,{"b":null}]}', [{ op: "test", path: "/a", value: [1, { b: null }] }], '{"a":[1,{"b":null}]}'],
  ["names are unescaped", '{"a/b":1,"m~n":2,"~1":3}', ["a~1b", "m~0n", "~01"].map((name) => ({ op: "remove", path: `/${name}` })), "{}"],
  ["a name is empty", '{"":{"":1}}', [{ op: "replace", path: "//", value: 2 }], '{"":{"":2}}'],
  ["__proto__ is a name", '{"__proto__":1}', [{ op: "replace", path: "/__proto__", value: { a: 1 } }], '{"__proto__":{"a":1}}'],
])("%s", (_, before, operations, after) => {
  expect(JSON.stringify(json(before, ...operations))).toBe(after);
  expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
});

test.each([
  ["a member that is not there", "{}", { op: "remove", path: "/a" }],
  ["a replaced member that is not there", "{}", { op: "replace", path: "/a", value: 1 }],
  ["a parent that is not there", "{}", { op: "add", path: "/a/b", value: 1 }],
  ["a parent that has no members", '{"a":1}', { op: "add", path: "/a/b", value: 1 }],
  ["a parent that is null", '{"a":null}', { op: "add", path: "/a/b", value: 1 }],
  ["an inherited member", "{}", { op: "add", path: "/__proto__/polluted", value: 1 }],
  ["an element behind the end", "[1]", { op: "add", path: "/2", value: 1 }],
  ["an index with a zero before", "[1,2]", { op: "remove", path: "/01" }],
  ["an index that is none", "[1]", { op: "add", path: "/", value: 1 }],
  ["the length of an array", "[1]", { op: "replace", path: "/length", value: 0 }],
  ["the end of an array, replaced", "[1]", { op: "replace", path: "/-", value: 0 }],
  ["what moves into itself", '{"a":{}}', { op: "move", from: "/a", path: "/a/b" }],
  ["a test that does not hold", "[1]", { op: "test", path: "/0", value: "1" }],
  ["a pointer without a slash", '{"a":1}', { op: "remove", path: "a" }],
  ["no pointer", "{}", { op: "remove" }],
  ["another operation", "{}", { op: "increase", path: "/a" }],
])("%s does not fit", (_, value, operation) => {
  expect(() => json(value, operation)).toThrow();
  expect(Object.keys(Object.prototype)).toEqual([]);
});

interface TextCase {
  name: string;
  before: string;
  patch: unknown;
  after?: string;
}
const TEXT = new URL("../../tests/wire/patches/text.json", import.meta.url);

test.each((JSON.parse(readFileSync(TEXT, "utf8")) as { cases: TextCase[] }).cases)("$name", ({ before, patch, after }) => {
  const apply = (): Uint8Array => patchedText(new TextEncoder().encode(before), patch);
  if (after === undefined) expect(apply).toThrow();
  else expect(new TextDecoder().decode(apply())).toBe(after);
});
