/** Login, logout and renewal over the socket: the cookies become the browser's, and scripts never see them. */
import { request, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BrowserContext, Cookie } from "playwright-core";
import { startDemo } from "../../client/tests/demo.js";
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

test("a session that lives on with each request lives on in the browser, too", { timeout: 90_000 }, async () => {
  const sliding = await Server.start({ SESSION_SAVE_EVERY_REQUEST: true, SESSION_COOKIE_AGE: 10 });
  try {
    const { page, context } = await visit(sliding.origin);
    await page.evaluate(async () => {
      await wsrequest.fetch("/visits/?do=login", { method: "POST" });
      for (let count = 0; count < 7; count++) {
        await new Promise((resolve) => setTimeout(resolve, 2000));
        await wsrequest.fetch("/visits/");
      }
    });
    expect(await session(context)).toBeDefined(); // 14 s later
    const byFetch = await page.evaluate(async () => (await fetch("/visits/")).json() as unknown);
    expect(byFetch).toEqual({ visits: 9, way: "http" });
  } finally {
    await sliding.stop();
  }
});

test("an expiry that is set behind the login reaches the browser", async () => {
  const { page, context, byHttp } = await visit(server.origin);
  const call = (query: string): Promise<unknown> =>
    page.evaluate(async (query) => (await wsrequest.fetch(`/visits/?${query}`, { method: "POST" })).status, query);
  const days = async (): Promise<number> => Math.round(((await session(context))!.expires - Date.now() / 1000) / 86_400);
  await call("do=login");
  expect(await days()).toBe(14);
  await call(`expiry=${86_400 * 30}`); // "remember me"
  expect(await days()).toBe(30);
  await call("expiry=0"); // "don't"
  expect((await session(context))!.expires).toBe(-1);
  expect(byHttp.filter((each) => each === "ticket")).toHaveLength(3);
});

test("a CSRF cookie that Django renews is renewed in the browser, once for a connection", async () => {
  const { page, context, byHttp } = await visit(server.origin);
  const found = async (): Promise<Cookie> => (await context.cookies()).find(({ name }) => name === "csrftoken")!;
  const old = { ...(await found()), expires: Math.round(Date.now() / 1000) + 3600 };
  await context.addCookies([old]);
  await page.evaluate(async () => {
    for (let count = 0; count < 3; count++) await wsrequest.fetch("/");
  });
  const renewed = await found();
  expect(renewed.value).toBe(old.value);
  expect(renewed.expires - old.expires).toBeGreaterThan(86_400 * 300);
  expect(byHttp.filter((each) => each === "ticket")).toHaveLength(1);
});

test("tabs that open at once in a new browser both have their tickets redeemed, and no script sees why", async () => {
  const { page, context, byHttp } = await visit(server.origin);
  const tab = await context.newPage();
  await tab.goto(server.origin);
  const csrf = async (): Promise<Cookie> => (await context.cookies()).find(({ name }) => name === "csrftoken")!;
  const old = { ...(await csrf()), expires: Math.round(Date.now() / 1000) + 3600 };
  await context.addCookies([old]);
  const open = (): Promise<void> =>
    new Promise((resolve) => {
      wsrequest.addEventListener("statechange", () => wsrequest.state === "open" && resolve());
      wsrequest.open();
    });
  await Promise.all([page.evaluate(open), tab.evaluate(open)]);
  const bound = async (): Promise<Cookie[]> =>
    (await context.cookies(`${server.origin}/ws/`)).filter(({ name }) => name.startsWith("wsrequest_browser_"));
  const before = await bound();
  expect(before.length).toBeGreaterThanOrEqual(1);
  for (const cookie of before) expect(cookie).toMatchObject({ path: "/ws/", httpOnly: true, sameSite: "Strict", domain: "127.0.0.1" });
  await page.evaluate(async () => wsrequest.fetch("/visits/?do=login", { method: "POST" }).then(({ status }) => status));
  const first = (await session(context))!.value;
  await tab.evaluate(async () => wsrequest.fetch("/").then(({ status }) => status));
  expect((await csrf()).expires).toBeGreaterThan(old.expires);
  expect(byHttp.filter((each) => each === "ticket")).toHaveLength(2);
  // What one tab did the ticket of another, which began before, does not undo (PROTOCOL.md 6.3).
  await tab.evaluate(async () => wsrequest.fetch("/visits/?do=login", { method: "POST" }).then(({ status }) => status));
  expect((await session(context))!.value).toBe(first);
  await page.reload();
  await page.evaluate(open);
  expect(await bound()).toEqual(before); // once for a browser
  expect(await page.evaluate(() => document.cookie)).not.toContain("wsrequest");
});

test("a ticket that a script carries away is worth nothing", async () => {
  const { page, context } = await visit(server.origin);
  const ticket = await page.evaluate(async () => {
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws/`);
    const answer = await new Promise<string>((resolve) => {
      socket.onopen = () => socket.send(JSON.stringify({ id: 1, method: "POST", url: "/visits/?do=login" }));
      socket.onmessage = ({ data }) => resolve(data as string);
    });
    return (JSON.parse(answer) as { cookies: string }).cookies;
  });
  expect(ticket).toMatch(/^[\w-]{32}$/);
  const elsewhere = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { Origin: server.origin, "X-WSRequest-Ticket": ticket };
    request(`${server.origin}/ws/`, { method: "POST", headers }, resolve).on("error", reject).end();
  });
  elsewhere.resume();
  expect([elsewhere.statusCode, elsewhere.headers["set-cookie"]]).toEqual([403, undefined]);
  expect(await session(context)).toBeUndefined();
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
