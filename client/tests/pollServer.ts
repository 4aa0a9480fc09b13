/** A client with live requests, and HTTP without events. The test answers the plain GETs. */
import { afterEach, beforeEach, expect, vi } from "vitest";
import { Client, type Subscription } from "../src/index.js";
import { FakeSocket } from "./fakeSocket.js";

export const BASE = "http://example.com";
export const JSON_TYPE = { "Content-Type": "application/json" };
type Polled = (request: Request) => Response | Promise<Response>;

export let client: Client;
let subscriptions: Subscription[] = [];
export let gets: Request[] = [];
/** The responses over HTTP: to a plain GET, and to a request for events, of which there are none. */
export const http = {} as { page: Polled; events: Polled };
export const uncaught = vi.fn();
let others: NodeJS.UnhandledRejectionListener[] = [];

const byHttp = async (request: Request | string): Promise<Response> => {
  if (!(request instanceof Request)) return new Response(null, { status: 204 }); // a ticket
  if (request.headers.get("accept") === "text/event-stream") return http.events(request);
  gets.push(request);
  return http.page(request);
};
export function begin(options: object = {}): void {
  client = new Client({ url: `${BASE}/ws/`, WebSocket: FakeSocket, fetch: byHttp as typeof fetch, ...options });
}
export function connect(options: object = {}): FakeSocket {
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
  for (const end = Date.now() + 5_000; !holds() && Date.now() < end; ) await turn();
  expect(holds()).toBeTruthy();
}
export const quiet = async (): Promise<void> => {
  for (let turns = 0; turns < 20; turns++) await turn();
};
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await quiet();
}
export async function sent(socket: FakeSocket, count: number): Promise<Record<string, unknown> & { id: string }> {
  const frames = (): object[] => socket.heads.filter((head) => !("ping" in head));
  await until(() => frames().length >= count);
  return frames()[count - 1] as never;
}
export const answer = (version: number, data: unknown): object => ({
  ...{ version, status: 200, headers: { ...JSON_TYPE, ETag: `"${version}"` }, data },
});
export const ok = (value: unknown, etag?: string): Response =>
  new Response(JSON.stringify(value), { headers: { ...JSON_TYPE, ...(etag && { ETag: etag }) } });
export function collected(): [unknown[], (response: Response) => void] {
  const values: unknown[] = [];
  return [values, (response) => void response.json().then((value) => values.push(value))];
}
export function states(subscription: Subscription): string[] {
  const list: string[] = [];
  subscription.addEventListener("statechange", () => list.push(subscription.state));
  return list;
}

/** Hooks for each test of a file: a fake clock, no socket and no request from before. */
export function eachAlone(): void {
  beforeEach(() => {
    FakeSocket.all = [];
    gets = [];
    http.events = () => new Response("no such page", { status: 404 });
    http.page = () => Promise.reject(new TypeError("unreachable"));
    uncaught.mockClear();
    others = process.rawListeners("unhandledRejection") as typeof others;
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", uncaught);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    vi.advanceTimersByTime(1000);
    vi.spyOn(Math, "random").mockReturnValue(0.5);
  });
  afterEach(async () => {
    for (const each of subscriptions.splice(0)) each.close();
    await quiet();
    client.close();
    const timers = vi.getTimerCount();
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
    process.removeAllListeners("unhandledRejection");
    for (const each of others) process.on("unhandledRejection", each);
    expect(timers).toBe(0); // nothing is kept
  });
}
