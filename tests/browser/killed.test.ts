/** The server dies in the middle of a request, without a word, and comes back on its port. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { Proxy } from "./proxy.js";
import { Server, until } from "./servers.js";
import { reaches, useBrowser } from "./visits.js";

const visit = useBrowser();
let server: Server;
let proxy: Awaited<ReturnType<typeof Proxy.start>>;
beforeAll(async () => {
  server = await Server.start();
  proxy = await Proxy.start(server);
});
afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
});

const reached = (key: string): Promise<unknown> => until("the view is reached", () => server.journal(key).length);
const ways = (key: string): unknown[] => server.journal(key).map(({ way }) => way);

/** Begin a call, and leave how it ends on the page. */
async function begin(page: Page, path: string, init: RequestInit = {}): Promise<void> {
  await page.evaluate(
    ([path, init]) => {
      const outcome = wsrequest.fetch(path, init).then(
        async (response) => `${response.status} ${await response.text()}`,
        (error: Error & { inDoubt?: boolean }) => `${error.name} ${error.inDoubt}`,
      );
      outcome.catch(() => {}); // how it ends is asked later
      Object.assign(globalThis, { outcome });
    },
    [path, init] as const,
  );
}
const outcome = (page: Page): Promise<string> =>
  page.evaluate(() => (globalThis as unknown as { outcome: Promise<string> }).outcome);

async function worksAgain(page: Page): Promise<void> {
  await reaches(page, "open");
  expect(await page.evaluate(async () => (await wsrequest.fetch("/way/")).text())).toBe("socket");
  expect(await page.evaluate(() => wsrequest.unfinishedCount)).toBe(0);
}

test.each([
  ["GET", {}, "200 GET in another life", ["socket", "http"]],
  ["PUT", { body: "x" }, "200 PUT in another life", ["socket", "http"]],
  ["POST", { body: "x", headers: { "Idempotency-Key": "k" } }, "200 POST in another life", ["socket", "http"]],
  ["POST", { body: "x" }, "TypeError true", ["socket"]],
])("a %s with %o ends as %s", async (method, init, expected, expectedWays) => {
  const { page } = await visit(proxy.origin);
  const key = `${method} ${JSON.stringify(init)}`;
  await begin(page, `/waits-for-life/?life=${server.life}&key=${encodeURIComponent(key)}`, { method, ...init });
  await reached(key);
  await server.kill();
  await server.begin();
  expect(await outcome(page)).toBe(expected);
  expect(ways(key)).toEqual(expectedWays);
  await worksAgain(page);
});

test("an answer that is cut says that it is not whole", async () => {
  const { page, byHttp } = await visit(proxy.origin);
  await begin(page, "/endless/async/?key=cut");
  await until("the stream flows", () => server.journal("cut").length > 3);
  await server.kill();
  const found = await page.evaluate(() =>
    (globalThis as unknown as { outcome: Promise<string> }).outcome.catch((error: Error) => [error.name, error.message]),
  );
  expect(found).toEqual(["TypeError", expect.stringContaining("incomplete")]);
  await server.begin();
  await worksAgain(page);
  expect(byHttp).toEqual([]);
});

test.each([
  ["PUT", "Blob", /^200 .*"size": 3000000/, 1],
  ["POST", "Blob", /^TypeError true/, 0],
  ["PUT", "ReadableStream", /^TypeError true/, 0],
])("an upload by %s of a %s", async (method, kind, expected, times) => {
  const { page, byHttp } = await visit(proxy.origin);
  await page.evaluate(async () => (await wsrequest.fetch("/way/")).text());
  // So it takes no more than the window: the upload is under way, and not whole, when it is killed.
  server.freeze();
  await page.evaluate(
    ([method, kind]) => {
      const bytes = new Uint8Array(3_000_000).fill(7);
      const body = kind === "Blob" ? new Blob([bytes]) : new Blob([bytes]).stream();
      const outcome = wsrequest.fetch("/digest/", { method, body, duplex: "half" } as RequestInit).then(
        async (response) => `${response.status} ${await response.text()}`,
        (error: Error & { inDoubt?: boolean }) => `${error.name} ${error.inDoubt}`,
      );
      Object.assign(globalThis, { outcome });
    },
    [method, kind] as const,
  );
  await page.waitForFunction(() => wsrequest.unfinishedCount === 1);
  const before = server.journal().length;
  await server.kill();
  await server.begin();
  expect(await outcome(page)).toMatch(expected);
  expect([server.journal().length - before, byHttp.length]).toEqual([times, times]);
  await worksAgain(page);
});

test("the proxy gives what comes while the server is frozen to the one that comes after", async () => {
  server.freeze();
  const answer = fetch(`${proxy.origin}/way/`).then((response) => response.text(), String);
  await new Promise((resolve) => setTimeout(resolve, 200)); // enough for a connection to the frozen one
  await server.kill();
  await server.begin();
  expect(await answer).toBe("http");
});

test("while the server is down calls end as fetch's do, and the socket comes back with it", async () => {
  const { page } = await visit(server.origin);
  await begin(page, `/waits-for-life/?life=${server.life}&key=direct`);
  await reached("direct");
  await server.kill();
  expect(await outcome(page)).toBe("TypeError undefined"); // of HTTP, which has no doubt to tell of
  const down = await page.evaluate(() => wsrequest.fetch("/way/").catch((error: Error) => error.name));
  expect(down).toBe("TypeError");
  await server.begin();
  await worksAgain(page);
});
