/** Projects whose CSRF token no script can read from a cookie: calls that go by HTTP have it all the same. */
import { expect, test } from "vitest";
import { Server } from "./servers.js";
import { reaches, useBrowser } from "./visits.js";

const visit = useBrowser();

test.each(["CSRF_COOKIE_HTTPONLY", "CSRF_USE_SESSIONS"])("with %s a call by HTTP has the token, also behind a login", async (setting) => {
  const server = await Server.start({}, { [setting]: true });
  try {
    const { page, byHttp } = await visit(server.origin);
    expect(await page.evaluate(() => document.cookie)).toBe(""); // there is nothing to read
    const post = (): Promise<[number, string]> =>
      page.evaluate(async () => {
        const response = await wsrequest.fetch("/csrf/", { method: "POST", body: "x" });
        return [response.status, await response.text()] as [number, string];
      });
    await page.evaluate(() => wsrequest.close());
    expect(await post()).toEqual([200, "http"]);
    await page.evaluate(() => wsrequest.open());
    await reaches(page, "open");
    // Django's login() makes another secret: the token of the page is worth nothing from here on.
    await page.evaluate(async () => (await wsrequest.fetch("/visits/?do=enter", { method: "POST" })).status);
    expect(byHttp).toContain("ticket");
    await page.evaluate(() => wsrequest.close());
    expect(await post()).toEqual([200, "http"]);
  } finally {
    await server.stop();
  }
});

test("a page of another origin is told no token", async () => {
  const server = await Server.start({ ALLOWED_ORIGINS: ["http://other.example"] }, { CSRF_COOKIE_HTTPONLY: true });
  try {
    const told = async (Origin: string): Promise<boolean> => {
      const { WebSocket } = await import("ws");
      const socket = new WebSocket(`${server.origin.replace("http", "ws")}/ws/`, { headers: { Origin } });
      const answer = await new Promise<string>((resolve, reject) => {
        socket.on("open", () => socket.send(JSON.stringify({ id: 1, url: "/" }))); // the view makes a token
        socket.on("message", (data: Buffer) => resolve(data.toString()));
        socket.on("error", reject);
      });
      socket.close();
      const { csrf } = JSON.parse(answer) as { csrf?: string };
      if (csrf !== undefined) expect(csrf).toMatch(/^\w{64}$/); // masked, as Django does
      return csrf !== undefined;
    };
    expect([await told(server.origin), await told("http://other.example")]).toEqual([true, false]);
  } finally {
    await server.stop();
  }
});
