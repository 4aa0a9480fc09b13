/** Live requests of the client as it is built, in Node, against the demo: a real server and a real database. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import type { Client } from "../src/index.js";
import { startDemo } from "./demo.js";

interface Page {
  count: number;
  results: { title: string }[];
}

let demo: Awaited<ReturnType<typeof startDemo>>;
let built: typeof import("../src/index.js");
const clients: Client[] = [];

beforeAll(async () => {
  demo = await startDemo();
  const path = "../../src/wsrequest/static/wsrequest/client.js"; // not a literal, since it has no types
  built = (await import(path)) as typeof built;
}, 50_000);
afterAll(async () => {
  for (const client of clients) client.close();
  await demo?.stop();
});

function connect(): Client {
  const client = new built.Client({ url: `${demo.url}/ws/`, WebSocket, openTimeoutMs: 8000 });
  clients.push(client);
  return client;
}
const create = (client: Client, title: string, settled = false): Promise<Response> =>
  client.fetch("/api/snippets/", { method: "POST", body: new URLSearchParams({ title, code: "x = 1", language: "python" }), settled });
const titleOf = async (response: Response): Promise<string | undefined> => ((await response.json()) as Page).results[0]?.title;

test.each([
  ["the socket", () => {}],
  ["server-sent events", (client: Client) => client.close()],
])("by %s one client sees what another creates", async (way, prepare) => {
  const [one, other] = [connect(), connect()];
  prepare(one);
  const subscription = one.live("/api/snippets/");
  const loop = subscription[Symbol.asyncIterator]();
  const first = (await loop.next()).value as Response;
  expect([first.status, first.url, subscription.state]).toEqual([200, `${demo.url}/api/snippets/`, "live"]);
  for (const title of [`first by ${way}`, `second by ${way}`]) {
    expect((await create(other, title)).status).toBe(201);
    expect(await titleOf((await loop.next()).value as Response)).toBe(title);
  }
  await loop.return!();
  expect([subscription.state, one.unfinishedCount]).toEqual(["ended", 0]);
});

test("what a patch makes of it is what a fresh GET answers", async () => {
  const client = connect();
  const seen: Response[] = [];
  const subscription = client.live("/api/snippets/", (response) => seen.push(response));
  await subscription.ready();
  for (const title of ["a", "b", "c"]) expect((await create(client, title, true)).status).toBe(201);
  const fresh = await client.fetch("/api/snippets/");
  expect(await seen.at(-1)!.json()).toEqual(await fresh.json());
  subscription.close();
});

test("with settled the callback was called before the change is answered", async () => {
  const client = connect();
  const seen: Response[] = [];
  const subscription = client.live("/api/snippets/", (response) => seen.push(response));
  await subscription.ready();
  await create(client, "settled", true);
  expect(await titleOf(seen.at(-1)!)).toBe("settled");
  subscription.close();
});

test("what is gone, and what cannot be live, ends it", async () => {
  const client = connect();
  const { id } = (await (await create(client, "to go")).json()) as { id: number };
  const login = new URLSearchParams({ username: "ann", password: "pw" });
  const { access } = (await (await client.fetch("/api/token/", { method: "POST", body: login })).json()) as { access: string };
  const subscription = client.live(`/api/snippets/${id}/`);
  await subscription.ready();
  expect((await client.fetch(`/api/snippets/${id}/`, { method: "DELETE", headers: { Authorization: `JWT ${access}` } })).status).toBe(204);
  await vi.waitUntil(() => subscription.state === "ended", 10_000);
  expect(subscription.error).toMatchObject({ inDoubt: false, response: { status: 404 } });
  await expect(client.live("/api/nothing/").ready()).rejects.toMatchObject({ response: { status: 404 } });
});
