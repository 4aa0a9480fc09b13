/** Login, logout and renewal over the socket: the cookies become the browser's, and scripts never see them. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BrowserContext, Cookie } from "playwright-core";
import { startDemo } from "../../client/tests/live.js";
import { Server } from "./servers.js";
import { useBrowser, useClient } from "./visits.js";

const BUILT = "/static/wsrequest/client.js";
const visit = useBrowser();
let server: Server;
let demo: Awaited<ReturnType<typeof startDemo>>;
beforeAll(async () => {
  [server, demo] = await Promise.all([Server.start(), startDemo()]);
});
afterAll(async () => {
  await Promise.all([server?.stop(), demo?.stop()]);
});

async function session(context: BrowserContext): Promise<Cookie | undefined> {
  return (await context.cookies()).find(({ name }) => name === "sessionid");
}

test("a login over the socket is the browser's, and so is the logout", async () => {
  const { page, context, byHttp } = await visit(`${demo.url}/`);
  await useClient(page, BUILT);
  byHttp.length = 0;
  const login = await page.evaluate(async () => {
    const body = JSON.stringify({ username: "ann", password: "pw" });
    const headers = { "Content-Type": "application/json" };
    const response = await wsrequest.fetch("/api/session/", { method: "POST", headers, body });
    return [response.status, response.headers.get("set-cookie"), document.cookie.includes("sessionid")];
  });
  expect(login).toEqual([200, null, false]);
  expect(byHttp).toEqual(["ticket"]);
  expect(await session(context)).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/" });
  // Plain HTTP knows the user now, and so does the socket.
  const who = await page.evaluate(async () => {
    const answers = await Promise.all([fetch("/api/session/"), wsrequest.fetch("/api/session/")]);
    const users = await Promise.all(answers.map(async (each) => (await each.json()) as { user: { username: string } }));
    return users.map(({ user }) => user.username);
  });
  expect(who).toEqual(["ann", "ann"]);
  expect(await page.evaluate(async () => (await wsrequest.fetch("/api/session/", { method: "DELETE" })).status)).toBe(204);
  expect(await session(context)).toBeUndefined();
  const after = await page.evaluate(async () => {
    const answers = await Promise.all([fetch("/api/session/"), wsrequest.fetch("/api/session/")]);
    return Promise.all(answers.map(async (each) => ((await each.json()) as { user: unknown }).user));
  });
  expect(after).toEqual([null, null]);
});

test("a session that is renewed over the socket is renewed in the browser", async () => {
  const { page, context, byHttp } = await visit(server.origin);
  const call = (way: string): Promise<unknown> =>
    page.evaluate(async (way) => (await wsrequest.fetch(`/visits/${way}`, { method: "POST" })).json(), way);
  await call("?do=login");
  const first = (await session(context))!;
  expect(await call("?do=renew")).toEqual({ visits: 2, way: "socket" });
  const second = (await session(context))!;
  expect(second.value).not.toBe(first.value);
  expect(second.expires).toBeGreaterThanOrEqual(first.expires);
  expect(await page.evaluate(() => document.cookie)).not.toContain("sessionid");
  // HTTP goes on where the socket was, and what HTTP does the socket sees.
  const byFetch = await page.evaluate(async () => (await fetch("/visits/")).json() as unknown);
  expect(byFetch).toEqual({ visits: 3, way: "http" });
  expect(await call("")).toEqual({ visits: 4, way: "socket" });
  expect(byHttp.filter((each) => each === "ticket")).toHaveLength(2);
});

test("what throttles a client over HTTP throttles it over the socket", async () => {
  const { page } = await visit(`${demo.url}/`);
  await useClient(page, BUILT);
  const found = await page.evaluate(async () => {
    for (let count = 0; count < 40; count++) {
      const body = new URLSearchParams({ title: "t", code: "x = 1", language: "python" });
      const response = await wsrequest.fetch("/api/snippets/", { method: "POST", body });
      if (response.status !== 201) return [response.status, Number(response.headers.get("retry-after")) > 0, wsrequest.state];
    }
    return [];
  });
  expect(found).toEqual([429, true, "open"]);
});
