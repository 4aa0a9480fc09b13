/** A client with live requests. The test holds the other end of its socket, and of its event streams. */
import { afterEach, beforeEach, expect, vi } from "vitest";
import { Client, type Options, type Subscription } from "../src/index.js";
import { FakeSocket } from "./fakeSocket.js";

export const BASE = "http://example.com";
export const JSON_TYPE = { "Content-Type": "application/json" };
export let client: Client;
let subscriptions: Subscription[] = [];

/** An event stream: the request for it, and functions that send to it. */
export interface Stream {
  request: Request;
  event(head: object): void;
  text(text: string): void;
  end(): void;
}
export let streams: Stream[] = [];
/** `answer` answers each request over HTTP, instead of a stream. */
export const http: { answer?: (() => Response | Promise<Response>) | undefined } = {};

export const byHttp = vi.fn(async (request: Request): Promise<Response> => {
  if (http.answer) return http.answer();
  // A plain GET: live-polling.test.ts has servers that answer one.
  if (request instanceof Request && request.headers.get("accept") !== "text/event-stream") throw new TypeError("unreachable");
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (created) => void (controller = created) });
  request.signal.addEventListener("abort", () => controller.error(request.signal.reason));
  const text = (text: string): void => controller.enqueue(new TextEncoder().encode(text));
  const event = (head: object): void => text(`data: ${JSON.stringify(head)}\n\n`);
  streams.push({ request, event, text, end: () => controller.close() });
  return new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
});

export function begin(options: Options = {}): void {
  client = new Client({ url: `${BASE}/ws/`, WebSocket: FakeSocket, fetch: byHttp as unknown as typeof fetch, ...options });
}
export async function connect(options: Options = {}): Promise<FakeSocket> {
  begin(options);
  client.open();
  FakeSocket.last.greet();
  return FakeSocket.last;
}
export const live = ((...call: Parameters<Client["live"]>) => {
  const subscription = client.live(...call);
  subscriptions.push(subscription);
  return subscription;
}) as Client["live"];

export const turn = (): Promise<void> => new Promise((done) => setImmediate(done));
export async function until(holds: () => unknown): Promise<void> {
  for (const end = performance.now() + 5_000; !holds() && performance.now() < end; ) await turn();
  expect(holds()).toBeTruthy();
}
/** Until nothing moves any more without a frame or the clock; both are the test's. */
export const quiet = async (): Promise<void> => {
  for (let turns = 0; turns < 20; turns++) await turn();
};
/** The `count`th frame that the client sent on this socket, its pings left out. */
export async function sent(socket: FakeSocket, count: number): Promise<Record<string, unknown> & { id: string }> {
  const frames = (): object[] => socket.heads.filter((head) => !("ping" in head));
  await until(() => frames().length >= count);
  expect(frames().length).toBe(count);
  return frames()[count - 1] as never;
}
export const answer = (version: number, data: unknown, changes: object = {}): object => ({
  ...{ version, status: 200, headers: { ...JSON_TYPE, ETag: `"${version}"` } },
  ...changes,
  data,
});
export const json = async (response: Response): Promise<unknown> => response.json();
/** What a callback was given, as values. */
export function collected(): [unknown[], (response: Response) => void] {
  const values: unknown[] = [];
  return [values, (response) => void json(response).then((value) => values.push(value))];
}

/** Hooks for each test of a file: a fake clock, no socket and no request from before. */
export function eachAlone(): void {
  beforeEach(() => {
    FakeSocket.all = [];
    streams = [];
    http.answer = undefined;
    byHttp.mockClear();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    vi.spyOn(Math, "random").mockReturnValue(0.5);
  });
  afterEach(async () => {
    for (const each of subscriptions.splice(0)) each.close();
    await quiet();
    expect(client.unfinishedCount).toBe(0);
    client.close();
    for (const { request } of streams) expect(request.signal.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0); // nothing is kept
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
}
