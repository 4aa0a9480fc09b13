/** Live requests by server-sent events, from a real HTTP server in Node; what the client sees of it in detail is in live-events.test.ts. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Client } from "../src/index.js";
import { FakeSocket } from "./fakeSocket.js";

const requests: IncomingMessage[] = [];
let answers: ((response: ServerResponse) => void)[];
const server = createServer((request, response) => {
  requests.push(request);
  answers.shift()!(response);
});
let client: Client;

const begin = (response: ServerResponse): ServerResponse => response.writeHead(200, { "Content-Type": "text/event-stream" });
const event = (version: number, changes: object): string =>
  `id: "${version}"\ndata: ${JSON.stringify({ version, status: 200, headers: { "Content-Type": "application/json", ETag: `"${version}"` }, ...changes })}\n\n`;

beforeEach(async () => {
  requests.length = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = new Client({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ws/`, WebSocket: FakeSocket });
  client.close(); // no socket
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("a stream is followed over a lost connection, until the loop is left", async () => {
  let closed!: () => void;
  const isClosed = new Promise<void>((resolve) => (closed = resolve));
  answers = [
    (response) => {
      begin(response).write(event(1, { rerun: "a:b", data: ["a"] }));
      const patch = event(2, { patch: "json", data: [{ op: "add", path: "/-", value: "b" }] });
      response.write(patch.slice(0, 40));
      setImmediate(() => response.write(patch.slice(40), () => setImmediate(() => response.destroy())));
    },
    (response) => {
      begin(response).write(event(1, { status: 304, headers: {} }) + event(2, { data: ["c"] }));
      response.once("close", closed);
    },
  ];
  const seen: unknown[] = [];
  for await (const response of client.live("/api/a/?x=1", { headers: { "X-A": "b" } })) {
    seen.push(await response.json());
    if (JSON.stringify(seen.at(-1)) === '["c"]') break;
  }
  // Only the newest is sure to come: a and b may have come as one piece.
  expect(seen.slice(-2)).toEqual([["a", "b"], ["c"]]);
  await isClosed;
  expect(requests.map(({ method, url, headers }) => [method, url, headers["x-a"], headers["last-event-id"]])).toEqual([
    ["GET", "/ws/?url=%2Fapi%2Fa%2F%3Fx%3D1&patch=json&patch=text", "b", undefined],
    ["GET", "/ws/?url=%2Fapi%2Fa%2F%3Fx%3D1&patch=json&patch=text&rerun=a%3Ab", "b", '"2"'],
  ]);
});

test("where the server has no events a plain GET is asked, whose answer may end it", async () => {
  const gone = (body: string) => (response: ServerResponse) => response.writeHead(404, { "Content-Type": "text/plain" }).end(body);
  answers = [gone("no events"), gone("no such page")];
  const subscription = client.live("/api/a/");
  const error = (await subscription.ready().catch((reason) => reason as unknown)) as { response: Response };
  expect([subscription.state, error.response.status, await error.response.text()]).toEqual(["ended", 404, "no such page"]);
  expect(requests.map(({ url }) => url)).toEqual(["/ws/?url=%2Fapi%2Fa%2F&patch=json&patch=text", "/api/a/"]);
});
