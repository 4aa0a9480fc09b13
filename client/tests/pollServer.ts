/** HTTP without events. The test answers the plain GETs. */
import { afterEach, beforeEach, expect, vi } from "vitest";
import type { Subscription } from "../src/index.js";
import { beginAlone, client, endAlone, JSON_TYPE, quiet, serveHttp } from "./liveClient.js";

type Polled = (request: Request) => Response | Promise<Response>;

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
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await quiet();
}
export const ok = (value: unknown, etag?: string): Response =>
  new Response(JSON.stringify(value), { headers: { ...JSON_TYPE, ...(etag && { ETag: etag }) } });
export function states(subscription: Subscription): string[] {
  const list: string[] = [];
  subscription.addEventListener("statechange", () => list.push(subscription.state));
  return list;
}

/** Hooks for each test of a file: a fake clock, no socket and no request from before. */
export function eachAlone(): void {
  beforeEach(() => {
    serveHttp(byHttp);
    gets = [];
    http.events = () => new Response("no such page", { status: 404 });
    http.page = () => Promise.reject(new TypeError("unreachable"));
    uncaught.mockClear();
    others = process.rawListeners("unhandledRejection") as typeof others;
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", uncaught);
    beginAlone();
    vi.advanceTimersByTime(1000);
  });
  afterEach(async () => {
    await endAlone();
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
