/** The client as it is built, in Node against the demo, a real server: what it is for, once through. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import type { Client } from "../src/index.js";
import { startDemo } from "./demo.js";

let demo: Awaited<ReturnType<typeof startDemo>> ;
let client: Client;
const plain = vi.fn(globalThis.fetch);
let token = "broken";
const tokens = vi.fn(async () => token);

beforeAll(async () => {
  demo = await startDemo();
  const path = "../../src/wsrequest/static/wsrequest/client.js"; // not a literal, since it has no types
  const built = (await import(path)) as typeof import("../src/index.js");
  client = new built.Client({ url: `${demo.url}/ws/`, WebSocket, fetch: plain, token: tokens, openTimeoutMs: 8000 });
}, 50_000);
afterAll(async () => {
  client?.close();
  await demo?.stop();
});

test("a list comes over the socket as it comes by HTTP, byte for byte", async () => {
  const given = { headers: { Authorization: "" } }; // anonymous
  const [bySocket, byHttp] = await Promise.all([client.fetch("/api/languages/", given), fetch(`${demo.url}/api/languages/`)]);
  expect(await bySocket.text()).toBe(await byHttp.text());
  for (const name of ["status", "ok", "url", "redirected"] as const) expect(bySocket[name]).toBe(byHttp[name]);
  expect(bySocket.headers.get("content-type")).toBe(byHttp.headers.get("content-type"));
  expect(client.state).toBe("open");
  expect(plain).not.toHaveBeenCalled();
});

test("a snippet is created with a token, which is asked for again after a 401", async () => {
  const login = { username: "ann", password: "pw" };
  const headers = { "Content-Type": "application/json", Authorization: "" };
  const answer = await client.fetch("/api/token/", { method: "POST", headers, body: JSON.stringify(login) });
  const { access } = (await answer.json()) as { access: string };
  tokens.mockImplementationOnce(async () => "broken");
  token = access;
  const body = JSON.stringify({ title: "é", code: "print(1)", language: "python" });
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body };
  const created = await client.fetch("/api/snippets/", init);
  expect([created.status, tokens.mock.calls.length]).toEqual([201, 2]);
  expect(await created.json()).toMatchObject({ title: "é" });
});

test("a form with a file, and a body of many parts, arrive", async () => {
  const form = new FormData();
  form.set("title", "from a form");
  form.set("code", "x = 1\n".repeat(10));
  form.set("language", "python");
  expect((await client.fetch("/api/snippets/", { method: "POST", body: form })).status).toBe(201);
  const code = "y".repeat(1_500_000);
  const large = await client.fetch("/api/snippets/", { method: "POST", body: new URLSearchParams({ code, language: "python" }) });
  // Django refuses such a form by DATA_UPLOAD_MAX_MEMORY_SIZE or the demo by its own limit: it was read.
  expect([400, 413]).toContain(large.status);
  expect(client.state).toBe("open");
});

test("200 calls at once are answered, each with its own", async () => {
  const pages = Array.from({ length: 200 }, (_, index) => `/api/nothing/${index}/`);
  const answers = await Promise.all(pages.map((page) => client.fetch(page)));
  expect(answers.map(({ url, status }) => [url, status])).toEqual(pages.map((page) => [demo.url + page, 404]));
  expect(plain).not.toHaveBeenCalled();
});

test("an abort rejects, and leaves nothing behind", async () => {
  const controller = new AbortController();
  const call = client.fetch("/api/languages/", { signal: controller.signal });
  controller.abort();
  await expect(call).rejects.toMatchObject({ name: "AbortError" });
  expect(client.unfinishedCount).toBe(0);
});
