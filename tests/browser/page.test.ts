/** The client in a page as people have them: behind a policy, in a worker, behind window.fetch. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Server } from "./servers.js";
import { useBrowser } from "./visits.js";

const visit = useBrowser();
let server: Server;
beforeAll(async () => void (server = await Server.start()));
afterAll(() => server?.stop());

test.each([
  ["", "socket"],
  ["?tag=other", "no client"],
])("under a policy of nonces only the tag with its nonce runs (%s)", async (query, title) => {
  const { page } = await visit(`${server.origin}/policy/${query}`);
  await page.waitForFunction(() => document.title !== "none");
  expect(await page.title()).toBe(title);
});

test("live.js, which client.js imports, has the nonce of its tag", async () => {
  const { page, byHttp } = await visit(`${server.origin}/policy/`);
  await page.waitForFunction(() => globalThis.wsrequest);
  const found = page.evaluate(() => wsrequest.live("/way/").ready().catch(({ code }: { code: string }) => code));
  expect(await found).toBe("not_live"); // the server says so, of a view that reads nothing
  expect(byHttp).toContain("GET /static/wsrequest/live.js");
});

test("it works in a worker", async () => {
  const { page, byHttp } = await visit(server.origin);
  const found = await page.evaluate(
    (init) =>
      new Promise<unknown>((resolve, reject) => {
        const worker = new Worker("/worker.js", { type: "module" });
        worker.onerror = (event) => reject(new Error(event.message));
        worker.onmessage = ({ data }) => resolve(data);
        worker.postMessage(["/echo/?a=1", init]);
      }),
    { method: "POST", body: "from a worker" },
  );
  expect(found).toEqual({ state: "open", url: `${server.origin}/echo/?a=1`, text: "from a worker" });
  expect(byHttp).toEqual(["GET /worker.js", "GET /static/wsrequest/client.js"]);
});

test("install() takes window.fetch for its paths, and uninstall() gives it back", async () => {
  const { page, byHttp } = await visit(`${server.origin}/`);
  const found = await page.evaluate(async () => {
    const before = window.fetch;
    const calls = async (): Promise<string[]> => {
      const inputs = ["/way/", "way/", new URL("/way/", location.href), new Request("/way/"), `${location.origin}/way/?a#b`];
      return Promise.all(inputs.map(async (each) => (await fetch(each)).text()));
    };
    wsrequest.install({ paths: ["/way/", "/echo/"] });
    const taken = await calls();
    const body = new Request("/echo/", { method: "POST", body: "in a Request" });
    const echoed = await fetch(body);
    const other = (await fetch("/type/?hex=61")).status;
    const twice = (wsrequest.install({ paths: ["/none/"] }), await (await fetch("/way/")).text());
    wsrequest.uninstall();
    return { taken, echoed: await echoed.text(), other, twice, isBack: window.fetch === before, after: await calls() };
  });
  expect(found).toEqual({
    taken: Array(5).fill("socket"),
    ...{ echoed: "in a Request", other: 200, twice: "http", isBack: true },
    after: Array(5).fill("http"),
  });
  expect(byHttp).toEqual(["GET /type/", ...Array<string>(6).fill("GET /way/")]);
});
