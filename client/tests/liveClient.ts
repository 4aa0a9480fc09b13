/** A client with live requests, for tests that hold the other end of its socket. A server of its HTTP is in another file. */
import { expect, vi } from "vitest";
import { Client, type Options, type Subscription } from "../src/index.js";
import { FakeSocket } from "./fakeSocket.js";

export const BASE = "http://example.com";
export const JSON_TYPE = { "Content-Type": "application/json" };
export let client: Client;
let byHttp: typeof fetch;
const subscriptions: Subscription[] = [];

/** Sets what answers over HTTP, in each test of a file. */
export function serveHttp(answers: (request: Request) => Promise<Response>): void {
  byHttp = answers as typeof fetch;
}
export function begin(options: Options = {}): void {
  client = new Client({ url: `${BASE}/ws/`, WebSocket: FakeSocket, fetch: byHttp, ...options });
}
export function connect(options: Options = {}, hello: object = {}): FakeSocket {
  begin(options);
  client.open();
  FakeSocket.last.greet(hello);
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
/** Until nothing moves any more without a frame or the clock. The test controls both. */
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

/** Before each test: a fake clock, and no socket from before. */
export function beginAlone(): void {
  FakeSocket.all = [];
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
}
/** After each test: end what it followed. */
export async function endAlone(): Promise<void> {
  for (const each of subscriptions.splice(0)) each.close();
  await quiet();
}
