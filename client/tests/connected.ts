/** A client with the other end of its socket in the test's own hand, and HTTP that is answered here. */
import { afterEach, beforeEach, expect, vi } from "vitest";
import { Client, type Options } from "../src/index.js";
import { FakeSocket } from "./fakeSocket.js";

export const BASE = "http://example.com";
export const OTHER = "https://other.example";
export const byHttp = vi.fn(async (_: Request) => new Response("by http"));
export let client: Client;

export function begin(options: Options = {}): void {
  const fetch = byHttp as unknown as typeof globalThis.fetch;
  client = new Client({ url: `${BASE}/ws/`, WebSocket: FakeSocket, fetch, ...options });
}

export async function connect(options: Options = {}): Promise<FakeSocket> {
  begin(options);
  client.open();
  FakeSocket.last.greet();
  return FakeSocket.last;
}

export const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

/** Until the client has sent so many frames. */
export const sent = async (socket: FakeSocket, count: number): Promise<void> => {
  for (let turns = 0; turns < 200 && socket.sent.length < count; turns++) await turn();
  expect(socket.sent.length).toBe(count);
};

/** Until nothing moves any more without a frame or the clock; both are the test's. */
export const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 20; turns++) await turn();
};

export const texted = (headers = {}): object => ({ "Content-Type": "text/plain", ...headers });

/** For each test of a file: no socket, no call, and a clock of the test's own. */
export function eachAlone(): void {
  beforeEach(() => {
    FakeSocket.all = [];
    byHttp.mockClear();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    vi.spyOn(Math, "random").mockReturnValue(0.5);
  });
  afterEach(() => {
    expect(client.unfinishedCount).toBe(0); // no test leaves a promise behind
    client.close();
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
}
