/** A front end that is served from another origin: listed, and not. */
import { createServer, get, type Server as HttpServer } from "node:http";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createVite } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { listen, Server, until } from "./servers.js";
import { useBrowser, useClient } from "./visits.js";

const BUILT = new URL("../../src/wsrequest/static/wsrequest/client.js", import.meta.url);
const visit = useBrowser();
let server: Server;
const fronts: HttpServer[] = [];
let [listed, unlisted, foreign] = ["", "", ""];

/** An origin of its own with one page, which brings the client along. */
async function front(): Promise<string> {
  const found = createServer(({ url }, response) => {
    const isScript = url === "/client.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? readFileSync(BUILT) : "<!doctype html><link rel=icon href=data:,><title>front</title>");
  });
  fronts.push(found);
  return `http://127.0.0.1:${await listen(found)}`;
}
beforeAll(async () => {
  [listed, unlisted] = [await front(), await front()];
  foreign = (await front()).replace("127.0.0.1", "localhost"); // of another site than the server
  server = await Server.start({ ALLOWED_ORIGINS: [listed, foreign] });
});
afterAll(async () => {
  for (const each of fronts) each.close();
  await server?.stop();
});

const useOurs = (page: Page): Promise<void> => useClient(page, "/client.js", { url: `${server.origin}/ws/` });

test("a listed origin calls over the socket, and gets its cookies by ticket", async () => {
  const { page, context, byHttp } = await visit(listed);
  await useOurs(page);
  byHttp.length = 0;
  const api = server.origin;
  const first = await page.evaluate(async (api) => {
    const response = await wsrequest.fetch("/visits/?do=login", { method: "POST" }); // relative to the socket
    const { url, type, headers } = response;
    return [url === `${api}/visits/?do=login`, type, headers.get("set-cookie"), await response.json()];
  }, api);
  expect(first).toEqual([true, "cors", null, { visits: 1, way: "socket" }]);
  expect(byHttp.filter((each) => each !== "OPTIONS /ws/")).toEqual(["ticket"]);
  const cookie = (await context.cookies(api)).find(({ name }) => name === "sessionid");
  expect(cookie).toMatchObject({ httpOnly: true, domain: "127.0.0.1" });
  // The cookie is the browser's, so a new connection has it from its handshake on.
  await page.reload();
  await useOurs(page);
  const second = await page.evaluate(async (api) => (await wsrequest.fetch(`${api}/visits/`)).json() as unknown, api);
  expect(second).toEqual({ visits: 2, way: "socket" });
});

test("a page of another site is told that its cookies are not kept, and calls over the socket all the same", async () => {
  const { page, context, byHttp } = await visit(foreign);
  await useOurs(page);
  byHttp.length = 0;
  const found = await page.evaluate(async () => {
    const before = wsrequest.keepsCookies;
    const first = await wsrequest.fetch("/visits/?do=login", { method: "POST" });
    const second = await wsrequest.fetch("/visits/");
    return [before, wsrequest.keepsCookies, await first.json(), await second.json()];
  });
  expect(found).toEqual([true, false, { visits: 1, way: "socket" }, { visits: 2, way: "socket" }]);
  expect(byHttp).toEqual([]);
  expect(await context.cookies(`${server.origin}/ws/`)).toEqual([]);
});

test("the token goes to the server of the socket, and not to the page's own", async () => {
  const { page, context } = await visit(listed);
  await useClient(page, "/client.js", { url: `${server.origin}/ws/`, token: "secret" });
  const told: (string | undefined)[] = [];
  context.on("request", (request) => void told.push(request.headers()["authorization"]));
  await page.evaluate(async (listed) => wsrequest.fetch(`${listed}/`).then(({ status }) => status), listed);
  expect(told).toEqual([undefined]);
});

test("an origin that is not listed is refused, which says why and names the setting", async () => {
  const { page } = await visit(unlisted);
  await useOurs(page);
  const outcome = await page.evaluate(async () => {
    const failed = await wsrequest.fetch("/way/").catch((error: Error) => error.name);
    return [failed, wsrequest.state];
  });
  expect(outcome).toEqual(["TypeError", "waiting"]); // by HTTP it is CORS that refuses
  await until("the log tells", () => server.log().includes(`origin ${unlisted} is neither`));
  const headers = { Upgrade: "websocket", Connection: "Upgrade", Origin: unlisted, "Sec-WebSocket-Version": "13" };
  const told = await new Promise<string>((resolve, reject) => {
    const request = get(`${server.origin}/ws/`, { headers: { ...headers, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==" } });
    request.on("error", reject).on("response", (response) => {
      response.setEncoding("utf8").on("data", (text: string) => resolve(`${response.statusCode} ${text}`));
    });
  });
  expect(told).toContain(`403 origin ${unlisted} is neither this server's own (${server.origin}) nor in WSREQUEST_ALLOWED_ORIGINS`);
});

// As docs/howto/another-origin.md has it.
test.each([
  ["without changeOrigin the socket has the page's own origin", false, []],
  ["with changeOrigin the page must be listed, or it goes by HTTP", true, ["socket"]],
] as const)("behind Vite's proxy, %s", async (_, changeOrigin, whenListed) => {
  const root = mkdtempSync(join(tmpdir(), "wsrequest-vite-"));
  writeFileSync(join(root, "index.html"), "<!doctype html><link rel=icon href=data:,><title>front</title>");
  mkdirSync(join(root, "public"));
  cpSync(BUILT, join(root, "public/client.js"));
  const serve = async (target: string): ReturnType<typeof createVite> => {
    const proxy = { "/way/": { target, changeOrigin }, "/ws/": { target, changeOrigin, ws: true } };
    const options = { root, configFile: false, logLevel: "silent" } as const;
    const vite = await createVite({ ...options, server: { proxy, host: "127.0.0.1", hmr: false }, optimizeDeps: { noDiscovery: true } });
    return vite.listen();
  };
  const vite = await serve(server.origin);
  const own: Server[] = [];
  try {
    const way = async (origin: string): Promise<string> => {
      const { page } = await visit(origin);
      await useClient(page, "/client.js", { url: "/ws/" });
      return page.evaluate(async () => (await wsrequest.fetch("/way/")).text());
    };
    const front = vite.resolvedUrls!.local[0]!.replace(/\/$/, "");
    expect(await way(front)).toBe(changeOrigin ? "http" : "socket");
    if (!whenListed.length) return;
    await vite.close();
    own.push(await Server.start({ ALLOWED_ORIGINS: [front] }));
    const again = await serve(own[0]!.origin);
    try {
      const found = again.resolvedUrls!.local[0]!.replace(/\/$/, "");
      expect(found).toBe(front);
      expect(await way(found)).toBe("socket");
    } finally {
      await again.close();
    }
  } finally {
    await vite.close();
    for (const each of own) await each.stop();
    rmSync(root, { recursive: true, force: true });
  }
});
