/** Calls over HTTP: the token, the CSRF token, the referrer and the body. */
import { expect, test, vi } from "vitest";
import "../src/upload.js"; // so that it is there at once when it is needed
import { BASE, OTHER, begin, byHttp, client, eachAlone } from "./connected.js";

eachAlone();

test.each([
  ["", "no-referrer"],
  ["about:client", "no-referrer"],
  ["about:client", "same-origin"],
] as const)("by HTTP a request keeps its referrer %o and its policy %s, whatever is added to it", async (referrer, referrerPolicy) => {
  begin({ token: "t1" });
  client.close();
  const init = { method: "POST", body: "x", referrer, referrerPolicy };
  await client.fetch(`${OTHER}/`, init);
  await client.fetch(new Request(`${OTHER}/`, init));
  expect(byHttp.mock.calls.map(([given]) => [given.referrer, given.referrerPolicy])).toEqual(Array(2).fill([referrer, referrerPolicy]));
});

test("by HTTP a call without a body has none, and an empty one is one", async () => {
  begin();
  client.close();
  await client.fetch("/", { method: "DELETE" });
  await client.fetch("/", { method: "DELETE", body: "" });
  expect(byHttp.mock.calls.map(([{ body }]) => body === null)).toEqual([true, false]);
});

test("by HTTP a token is a header, and a stream is a body still", async () => {
  begin({ token: "t1", tokenScheme: "Bearer" });
  client.close();
  const body = new Blob(["streamed"]).stream();
  await client.fetch("/", { method: "POST", body });
  const [request] = byHttp.mock.calls[0]!;
  expect([request.headers.get("authorization"), await request.text()]).toEqual(["Bearer t1", "streamed"]);
});

test("Django's CSRF token goes by HTTP with unsafe requests to the page's own origin", async () => {
  vi.stubGlobal("location", new URL(`${BASE}/page/`));
  vi.stubGlobal("document", { baseURI: `${BASE}/page/`, cookie: "a=b; csrftoken=t%2B1", querySelector: () => null });
  begin({ url: "/ws/" });
  client.close();
  for (const [method, url] of [["POST", "/"], ["GET", "/"], ["POST", "http://other.example/"]] as const) await client.fetch(url, { method });
  expect(byHttp.mock.calls.map(([request]) => request.headers.get("x-csrftoken"))).toEqual(["t+1", null, null]);
  vi.unstubAllGlobals();
});

test("Django's CSRF token stays away from the page's origin where that is not the socket's", async () => {
  const page = "http://front.example";
  vi.stubGlobal("location", new URL(`${page}/`));
  vi.stubGlobal("document", { baseURI: `${page}/`, cookie: "csrftoken=t", querySelector: () => null });
  for (const trustedOrigins of [[], [page]]) {
    begin({ trustedOrigins });
    client.close();
    await client.fetch(`${page}/`, { method: "POST" });
  }
  expect(byHttp.mock.calls.map(([request]) => request.headers.get("x-csrftoken"))).toEqual([null, "t"]);
  vi.unstubAllGlobals();
});
