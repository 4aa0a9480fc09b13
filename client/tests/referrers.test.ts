/** Which Referer goes with a request: the tables of the Referrer Policy standard, sections 3 and 8.3. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { policyOf, refererOf } from "../src/referrers.js";

const PAGE = "https://ann:pw@a.example/page?q#part";
const [WHOLE, ORIGIN] = ["https://a.example/page?q", "https://a.example/"];
const TARGETS = ["https://a.example/", "https://b.example/", "http://b.example/"];

function request(url: string, referrerPolicy: ReferrerPolicy, referrer = "about:client"): Request {
  return { url, referrer, referrerPolicy } as Request; // in Node one has no referrer of its own
}
afterEach(() => vi.unstubAllGlobals());

describe.each([
  ["no-referrer", "", "", ""],
  ["no-referrer-when-downgrade", WHOLE, WHOLE, ""],
  ["same-origin", WHOLE, "", ""],
  ["origin", ORIGIN, ORIGIN, ORIGIN],
  ["strict-origin", ORIGIN, ORIGIN, ""],
  ["origin-when-cross-origin", WHOLE, ORIGIN, ORIGIN],
  ["strict-origin-when-cross-origin", WHOLE, ORIGIN, ""],
  ["unsafe-url", WHOLE, WHOLE, WHOLE],
] as const)("%s", (policy, ...expected) => {
  test("to the same origin, to another one, and to one without TLS", () => {
    vi.stubGlobal("location", { href: PAGE });
    expect(TARGETS.map((url) => refererOf(request(url, policy)))).toEqual(expected);
    expect(TARGETS.map((url) => refererOf(request(url, "", PAGE), policy))).toEqual(expected);
  });
});

test("without a policy it is strict-origin-when-cross-origin", () => {
  expect(TARGETS.map((url) => refererOf(request(url, "", PAGE)))).toEqual([WHOLE, ORIGIN, ""]);
});

test.each(["origin-only", "toString", "__proto__"])("a page that was told the unknown policy %o has the usual one", (policy) => {
  expect(TARGETS.map((url) => refererOf(request(url, "", PAGE), policy as ReferrerPolicy))).toEqual([WHOLE, ORIGIN, ""]);
  expect(policyOf(policy)).toBeNull();
});

test.each(["", "about:blank", "data:text/plain,x", "blob:https://a.example/1"])("none comes of %o", (href) => {
  vi.stubGlobal("location", { href });
  expect(refererOf(request(TARGETS[0]!, "unsafe-url"))).toBe("");
  expect(refererOf(request(TARGETS[0]!, "unsafe-url", ""))).toBe("");
});

test("of one that is too long its origin is left", () => {
  expect(refererOf(request(TARGETS[0]!, "unsafe-url", `${ORIGIN}${"x".repeat(4096)}`))).toBe(ORIGIN);
});

test.each([
  [null, null],
  ["", null],
  ["nothing", null],
  ["Origin", "origin"],
  ["no-referrer, unsafe-url", "unsafe-url"],
  ["same-origin,unknown", "same-origin"],
])("the header %o names %o", (header, policy) => expect(policyOf(header)).toBe(policy));
