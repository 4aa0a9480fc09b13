/** Long bodies, slow readers and aborts: what the server may send, and what becomes of its views. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Server, until } from "./servers.js";
import { useBrowser } from "./visits.js";

const visit = useBrowser();
let server: Server;
beforeAll(async () => void (server = await Server.start()));
afterAll(() => server?.stop());

const MIB = 2 ** 20;
const produced = (key: string): number =>
  server.journal(key).filter(({ event }) => event === "produced").length;

/** What is produced once nothing more has been for half a second. */
async function settled(key: string): Promise<number> {
  let [count, since] = [-1, 0];
  await until("the stream pauses", () => {
    if (produced(key) !== count) [count, since] = [produced(key), Date.now()];
    return Date.now() - since > 500;
  });
  return count;
}

test("an abort cancels the view, and rejects with its reason", async () => {
  const { page } = await visit(server.origin);
  await page.evaluate(() => {
    const controller = new AbortController();
    const call = wsrequest.fetch("/wait/?key=abort", { method: "POST", signal: controller.signal });
    const outcome = call.catch((error: unknown) => [error instanceof DOMException, (error as Error).name]);
    Object.assign(globalThis, { controller, outcome });
  });
  await until("the view waits", () => server.events("abort").includes("wait began"));
  const outcome = await page.evaluate(() => {
    const { controller, outcome } = globalThis as unknown as { controller: AbortController; outcome: Promise<unknown> };
    controller.abort();
    return outcome;
  });
  expect(outcome).toEqual([true, "AbortError"]);
  await until("the view is cancelled", () => server.events("abort").includes("wait cancelled"));
  expect(await page.evaluate(() => [wsrequest.state, wsrequest.unfinishedCount])).toEqual(["open", 0]);
});

test("a page that goes away cancels its view", async () => {
  const { page } = await visit(server.origin);
  await page.evaluate(() => void wsrequest.fetch("/wait/?key=gone"));
  await until("the view waits", () => server.events("gone").includes("wait began"));
  await page.close();
  await until("the view is cancelled", () => server.events("gone").includes("wait cancelled"));
});

test.each(["sync", "async"])("a page that reads slowly stops an endless %s answer", async (kind) => {
  const { page, byHttp } = await visit(server.origin);
  const before = server.memoryBytes();
  await page.evaluate(async (path) => {
    const response = await wsrequest.fetch(path);
    const reader = response.body!.getReader();
    await reader.read();
    Object.assign(globalThis, { reader });
  }, `/endless/${kind}/?key=${kind}`);
  const ahead = await settled(kind);
  expect(ahead).toBeLessThanOrEqual(4); // MiB
  const read = await page.evaluate(async (bytes) => {
    const { reader } = globalThis as unknown as { reader: ReadableStreamDefaultReader<Uint8Array> };
    let count = 0;
    while (count < bytes) count += (await reader.read()).value!.length;
    return count;
  }, 24 * MIB);
  const total = await settled(kind);
  expect(total).toBeGreaterThanOrEqual(Math.floor(read / MIB));
  expect(total).toBeLessThanOrEqual(read / MIB + 4);
  expect(server.memoryBytes() - before).toBeLessThan(20 * MIB);
  expect(server.events(kind)).not.toContain("stream closed");
  await page.evaluate(() => (globalThis as unknown as { reader: ReadableStreamDefaultReader }).reader.cancel());
  await until("the stream is closed", () => server.events(kind).includes("stream closed"));
  expect(byHttp).toEqual([]);
});

test("an abort while the body is read ends the stream on both sides", async () => {
  const { page } = await visit(server.origin);
  const outcome = await page.evaluate(async () => {
    const controller = new AbortController();
    const response = await wsrequest.fetch("/endless/sync/?key=half", { signal: controller.signal });
    const text = response.arrayBuffer();
    controller.abort(new RangeError("enough"));
    return text.catch((error: unknown) => (error as Error).name);
  });
  expect(outcome).toBe("RangeError");
  await until("the stream is closed", () => server.events("half").includes("stream closed"));
});

test.each(["Blob", "ReadableStream", "file of a form"])("20 MB arrive as a %s, byte for byte", async (kind) => {
  const { page, byHttp } = await visit(server.origin);
  const [answer, size, progress] = await page.evaluate(async (kind) => {
    const bytes = new Uint8Array(20_000_000);
    for (let index = 0, state = 1; index < bytes.length; index++) {
      state = (state * 48271) % 2147483647; // not one part equals another
      bytes[index] = state & 255;
    }
    Object.assign(globalThis, { bytes });
    const form = new FormData();
    form.append("file", new File([bytes], "large.bin"));
    let start = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(bytes.slice(start, (start += 777_777)));
        if (start >= bytes.length) controller.close();
      },
    });
    const body = kind === "Blob" ? new Blob([bytes]) : kind === "ReadableStream" ? stream : form;
    const path = body instanceof FormData ? "/fields/" : "/digest/";
    const progress: [number, number | null][] = [];
    const onUploadProgress = (...told: [number, number | null]): void => void progress.push(told);
    const response = await wsrequest.fetch(path, { method: "POST", body, duplex: "half", onUploadProgress } as RequestInit);
    return [await response.text(), bytes.length, progress] as const;
  }, kind);
  expect(answer).toContain(digest());
  expect(answer).toContain(String(size));
  const [sent, total] = progress.at(-1)!;
  expect(total === null).toBe(kind === "ReadableStream");
  expect([sent, progress.map(([count]) => count)]).toEqual([total ?? size, progress.map(([count]) => count).sort((a, b) => a - b)]);
  expect(progress.length).toBeGreaterThanOrEqual(Math.floor(size / 262_144));
  expect(byHttp).toEqual([]);
});

let known: string | undefined;
/** Of the same bytes, made here. */
function digest(): string {
  if (known) return known;
  const bytes = new Uint8Array(20_000_000);
  for (let index = 0, state = 1; index < bytes.length; index++) {
    state = (state * 48271) % 2147483647;
    bytes[index] = state & 255;
  }
  return (known = createHash("sha256").update(bytes).digest("hex"));
}
