/** Proxies on the way that know no WebSocket, or have no patience with one. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { Proxy, type Faults } from "./proxy.js";
import { Server, until } from "./servers.js";
import { reaches, useBrowser } from "./visits.js";

const visit = useBrowser();
let server: Server;
let proxy: Awaited<ReturnType<typeof Proxy.start>>; // not every test has one
beforeAll(async () => void (server = await Server.start()));
afterEach(() => (proxy as typeof proxy | undefined)?.stop());
afterAll(() => server?.stop());

async function behind(faults: Faults): ReturnType<typeof visit> {
  proxy = await Proxy.start(server, faults);
  return visit(proxy.origin);
}
const way = (page: Page): Promise<string> => page.evaluate(async () => (await wsrequest.fetch("/way/")).text());

test.each(["cut", "refuse", "ignore"] as const)("where upgrades are met by %s, HTTP carries everything", async (upgrades) => {
  const { page } = await behind({ upgrades });
  const found = await page.evaluate(async () => {
    const bytes = new Uint8Array([0, 10, 255]);
    const bodies = [
      ...["text", new URLSearchParams({ a: "é" }), new Blob([bytes]), bytes.buffer, bytes.subarray(1)],
      ...[new Blob(["stream"]).stream(), new Blob([])],
    ];
    const call = async (path: string, init?: RequestInit): Promise<string> => (await wsrequest.fetch(path, init)).text();
    const echoed = [];
    for (const body of bodies) {
      const response = await wsrequest.fetch("/echo/", { method: "POST", body, duplex: "half" } as RequestInit);
      echoed.push([response.headers.get("x-way"), [...new Uint8Array(await response.arrayBuffer())]]);
    }
    const form = new FormData();
    form.append("a", "1");
    const controller = new AbortController();
    const aborted = wsrequest.fetch("/wait/?key=http", { signal: controller.signal }).catch((error: Error) => error.name);
    setTimeout(() => controller.abort(), 50);
    return {
      echoed,
      form: await call("/fields/", { method: "POST", body: form }),
      csrf: await call("/csrf/", { method: "POST" }), // with Django's token, which the socket does not need
      long: (await call("/long/")).length,
      many: [...new Set(await Promise.all(Array.from({ length: 50 }, () => call("/way/"))))],
      aborted: await aborted,
      unfinished: wsrequest.unfinishedCount,
    };
  });
  const utf8 = (text: string): number[] => [...Buffer.from(text)];
  const came = [utf8("text"), utf8("a=%C3%A9"), [0, 10, 255], [0, 10, 255], [10, 255], utf8("stream"), []];
  expect(found).toEqual({
    echoed: came.map((bytes) => ["http", bytes]),
    form: '{"fields": {"a": ["1"]}, "files": []}',
    ...{ csrf: "http", long: 7890, many: ["http"], aborted: "AbortError", unfinished: 0 },
  });
  expect(proxy.handshakes).toBeGreaterThan(0);
});

test("a socket that is cut for being idle comes back", async () => {
  const { page } = await behind({ idleMs: 300 });
  expect(await way(page)).toBe("socket");
  const states = page.evaluate(
    () =>
      new Promise<string[]>((resolve) => {
        const seen: string[] = [];
        wsrequest.addEventListener("statechange", () => {
          seen.push(wsrequest.state);
          if (wsrequest.state === "open") resolve(seen);
        });
      }),
  );
  expect(await states).toEqual(["waiting", "connecting", "open"]);
  expect(proxy.cut).toBeGreaterThan(0);
  expect(await way(page)).toBe("socket");
});

test("a socket that has gone deaf without a word is given up, and made anew", async () => {
  const { page, byHttp } = await behind({});
  await page.clock.install();
  await page.reload();
  expect(await way(page)).toBe("socket");
  proxy.isDeaf = true;
  const call = page.evaluate(async () => {
    const [get, post] = ["GET", "POST"].map((method) =>
      wsrequest.fetch("/way/", { method }).then((response) => response.text(), (error: Error & { inDoubt: boolean }) => error.inDoubt),
    );
    return [await get, await post];
  });
  await page.waitForFunction(() => wsrequest.unfinishedCount === 2);
  byHttp.length = 0;
  await page.clock.fastForward(2_000);
  await page.clock.fastForward(3_000); // no pong has come
  proxy.isDeaf = false;
  expect(await call).toEqual(["http", true]);
  expect(byHttp).toEqual(["GET /way/"]);
  await page.clock.fastForward(1000);
  await reaches(page, "open");
  expect(await way(page)).toBe("socket");
  await until("the deaf one was given up", () => proxy.handshakes === 2);
});

test("what is served by HTTP only is called by HTTP, and the rest by the socket", async () => {
  const own = await Server.start({ EXCLUDED_PATHS: ["/echo/"] });
  try {
    const { page } = await visit(own.origin);
    const ways = await page.evaluate(async () => {
      const call = async (path: string, init?: RequestInit): Promise<string | null> =>
        (await wsrequest.fetch(path, init)).headers.get("x-way");
      await wsrequest.fetch("/way/");
      return [await call("/echo/", { method: "POST", body: "a" }), await (await wsrequest.fetch("/way/")).text(), wsrequest.state];
    });
    expect(ways).toEqual(["http", "socket", "open"]);
  } finally {
    await own.stop();
  }
});
