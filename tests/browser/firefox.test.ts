/** The main path in Firefox: calls by the socket, a live list, HTTP while the socket's process is down, and back. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client } from "../../client/src/index.js";
import { Firefox } from "./firefox.js";
import { Halves } from "./halves.js";
import { until } from "./servers.js";

const BUILT = "/static/wsrequest/client.js";
let firefox: Firefox;
let halves: Halves;
beforeAll(async () => {
  [firefox, halves] = await Promise.all([Firefox.launch(process.env["FIREFOX"]!), Halves.start()]); // scripts/client sets it
}, 240_000);
afterAll(async () => {
  await firefox?.stop();
  await halves?.stop();
});

declare global {
  // eslint-disable-next-line no-var
  var seen: { titles: string[]; states: string[] };
  // eslint-disable-next-line no-var
  var wsrequest: Client;
}
const state = (): Promise<string> => firefox.evaluate(() => wsrequest.state);
/** Waits for the socket. A page that comes online does not wait for the client's pause, which is random and up to 30 s. */
const socketOpens = (): Promise<boolean> =>
  until("the socket is open", async () => (await firefox.evaluate(() => (dispatchEvent(new Event("online")), wsrequest.state))) === "open", 60);
const stands = (wanted: string): Promise<boolean> => until(wanted, async () => (await firefox.evaluate(() => seen.states.at(-1))) === wanted, 60);
const shows = (wanted: string): Promise<boolean> => until(wanted, async () => (await firefox.evaluate(() => seen.titles.at(-1))) === wanted, 60);
const create = (title: string): Promise<number> =>
  firefox.evaluate(async (title) => {
    const body = new URLSearchParams({ title, code: "x", language: "python" });
    return (await wsrequest.fetch("/api/snippets/", { method: "POST", body })).status;
  }, title);

test("calls go by the socket, a live list follows, and HTTP stands in while the socket is down", async () => {
  await firefox.goto(`${halves.origin}/`);
  expect(await firefox.evaluate(() => navigator.userAgent)).toMatch(/Firefox/);
  // A text, since Vitest would make its own of an import.
  await firefox.evaluate("(path) => import(path).then(({ Client }) => void (globalThis.wsrequest = new Client()))", BUILT);
  await firefox.evaluate(() => {
    globalThis.seen = { titles: [], states: [] };
    const subscription = wsrequest.live("/api/snippets/", async (response) => {
      const { results } = (await response.json()) as { results: { title: string }[] };
      seen.titles.push(results[0]!.title);
    });
    subscription.addEventListener("statechange", () => seen.states.push(subscription.state));
  });
  await socketOpens();
  await stands("live");
  expect([await state(), await create("by the socket")]).toEqual(["open", 201]);
  await shows("by the socket");

  const bodies = await firefox.evaluate(async () => {
    const { status, url, redirected, headers, body } = await wsrequest.fetch("/api/languages/");
    const big = await wsrequest.fetch("/api/snippets/", { method: "POST", body: new Blob([new Uint8Array(3_000_000)]) });
    const controller = new AbortController();
    const aborted = wsrequest.fetch("/api/languages/", { signal: controller.signal }).catch((error: Error) => error.name);
    controller.abort();
    return {
      ...{ status, path: new URL(url).pathname, redirected, isStream: body instanceof ReadableStream },
      ...{ type: headers.get("content-type"), big: big.status, aborted: await aborted, unfinished: wsrequest.unfinishedCount },
    };
  });
  expect(bodies).toEqual({
    ...{ status: 200, path: "/api/languages/", redirected: false, isStream: true },
    ...{ type: "application/json", big: expect.any(Number) as number, aborted: "AbortError", unfinished: 0 },
  });
  expect(bodies.big).toBeGreaterThanOrEqual(400); // that is no form; it was read

  await halves.socketSide.kill();
  await stands("polling");
  expect(await create("by HTTP")).toBe(201);
  await shows("by HTTP");
  await halves.socketSide.start();
  await socketOpens();
  await stands("live");
  expect([await state(), await create("by the socket again")]).toEqual(["open", 201]);
  await shows("by the socket again");
}, 180_000);

test("a line that forwards nothing is noticed when the network changes", async () => {
  for (const each of halves.sockets) each.unpipe(); // what comes from either side stays here
  await firefox.evaluate(() => void dispatchEvent(new Event("offline")));
  const began = performance.now();
  await until("the line is given up", async () => (await state()) !== "open", 20);
  expect(performance.now() - began).toBeLessThan(5000);
  await socketOpens();
}, 240_000);
