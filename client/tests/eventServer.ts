/** HTTP with event streams. The test holds the other end of each. */
import { afterEach, beforeEach, expect, vi } from "vitest";
import { beginAlone, client, endAlone, serveHttp } from "./liveClient.js";

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
  // A plain GET: pollServer.ts answers one.
  if (request instanceof Request && !request.headers.get("accept")?.endsWith("text/event-stream")) throw new TypeError("unreachable");
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (created) => void (controller = created) });
  request.signal.addEventListener("abort", () => controller.error(request.signal.reason));
  const text = (text: string): void => controller.enqueue(new TextEncoder().encode(text));
  const event = (head: object): void => text(`data: ${JSON.stringify(head)}\n\n`);
  streams.push({ request, event, text, end: () => controller.close() });
  return new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
});

/** Hooks for each test of a file: a fake clock, no socket and no request from before. */
export function eachAlone(): void {
  beforeEach(() => {
    serveHttp(byHttp);
    streams = [];
    http.answer = undefined;
    byHttp.mockClear();
    beginAlone();
  });
  afterEach(async () => {
    await endAlone();
    expect(client.unfinishedCount).toBe(0);
    client.close();
    for (const { request } of streams) expect(request.signal.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0); // nothing is kept
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
}
