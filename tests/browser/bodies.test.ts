/** Bodies of every type, both ways, byte for byte; many calls at once. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Server } from "./servers.js";
import { useBrowser } from "./visits.js";

const visit = useBrowser();
let server: Server;
beforeAll(async () => void (server = await Server.start()));
afterAll(() => server?.stop());

/** All 256 bytes, so that no text encoding gets away with it. */
const BYTES = Array.from({ length: 256 }, (_, index) => index);

test("every type of body arrives as it is, and comes back as it is", async () => {
  const { page, byHttp } = await visit(server.origin);
  const found = await page.evaluate(async (given) => {
    const bytes = new Uint8Array(given);
    const stream = (): ReadableStream<Uint8Array> =>
      new ReadableStream({
        start(controller) {
          for (const part of [bytes.slice(0, 100), bytes.slice(100)]) controller.enqueue(part);
          controller.close();
        },
      });
    const bodies: Record<string, [body: () => BodyInit, bytes: number[], type?: string]> = {
      string: [() => "héllo\0\u2028", [...new TextEncoder().encode("héllo\0\u2028")], "text/plain;charset=UTF-8"],
      "empty string": [() => "", [], "text/plain;charset=UTF-8"],
      URLSearchParams: [
        () => new URLSearchParams([["a", "1 é"], ["a", "&"]]),
        [...new TextEncoder().encode("a=1+%C3%A9&a=%26")],
        "application/x-www-form-urlencoded;charset=UTF-8",
      ],
      Blob: [() => new Blob([bytes], { type: "image/x-mine" }), given, "image/x-mine"],
      "Blob without type": [() => new Blob([bytes]), given],
      "empty Blob": [() => new Blob([]), []],
      ArrayBuffer: [() => bytes.buffer, given],
      Uint8Array: [() => bytes.subarray(10, 20), given.slice(10, 20)],
      DataView: [() => new DataView(bytes.buffer, 250), given.slice(250)],
      Float64Array: [() => new Float64Array(bytes.buffer, 8, 2), given.slice(8, 24)],
      ReadableStream: [stream, given],
    };
    const results = [];
    for (const [name, [make, expected, type]] of Object.entries(bodies)) {
      const init = { method: "POST", body: make(), duplex: "half" };
      const response = await wsrequest.fetch("/echo/", init);
      const came = [...new Uint8Array(await response.arrayBuffer())];
      const facts = { name, came, type: response.headers.get("x-given-type"), way: response.headers.get("x-way") };
      results.push([facts, { name, came: expected, type: type ?? "None", way: "socket" }]);
    }
    return results;
  }, BYTES);
  expect(found.map(([came]) => came)).toEqual(found.map(([, expected]) => expected));
  expect(byHttp).toEqual([]);
});

test("a FormData brings its fields and its files", async () => {
  const { page, byHttp } = await visit(server.origin);
  const found = await page.evaluate(async (given) => {
    const bytes = new Uint8Array(given);
    const hex = (buffer: ArrayBuffer): string =>
      [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const form = new FormData();
    form.append("title", "é\r\n\"quoted\"");
    form.append("many", "1");
    form.append("many", "2");
    form.append("file", new File([bytes], "a \"b\" é.bin", { type: "image/png" }));
    form.append("file", new File([], "empty.txt", { type: "text/plain" }));
    const response = await wsrequest.fetch("/fields/", { method: "POST", body: form });
    const [full, none] = await Promise.all([bytes, new Uint8Array(0)].map((each) => crypto.subtle.digest("SHA-256", each)));
    return { answer: (await response.json()) as unknown, digests: [hex(full!), hex(none!)] };
  }, BYTES);
  expect(found.answer).toEqual({
    fields: { title: ["é\r\n\"quoted\""], many: ["1", "2"] },
    files: [
      ["file", "a %22b%22 é.bin", "image/png", 256, found.digests[0]],
      ["file", "empty.txt", "text/plain", 0, found.digests[1]],
    ],
  });
  expect(byHttp).toEqual([]);
});

test("answers of every kind are read by every way of reading them", async () => {
  const { page, byHttp } = await visit(server.origin);
  const found = await page.evaluate(async (given) => {
    const get = (path: string): Promise<Response> => wsrequest.fetch(path);
    const hex = given.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const json = '{"b": 1.0, "a": [1e400, "\\u00e9"], "b": 12345678901234567890}';
    const jsonHex = [...new TextEncoder().encode(json)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const blob = await (await get(`/type/?type=image/png&hex=${hex}`)).blob();
    const reader = (await get("/parts/?count=4&size=3")).body!.getReader();
    const streamed: number[] = [];
    for (let part = await reader.read(); !part.done; part = await reader.read()) streamed.push(...part.value);
    const form = await (await get("/form/")).formData();
    return {
      text: await (await get("/type/?type=text/plain;charset=utf-8&hex=c3a900e282ac")).text(),
      bom: await (await get("/type/?type=text/plain&hex=efbbbf61")).text(),
      latin: [...new Uint8Array(await (await get("/type/?type=text/plain;charset=latin-1&hex=e9")).arrayBuffer())],
      json: (await (await get(`/type/?type=application/json&hex=${jsonHex}`)).text()) === json,
      brokenJson: await (await get("/type/?type=application/json&hex=7b")).text(),
      binary: [...new Uint8Array(await (await get(`/type/?type=image/png&hex=${hex}`)).arrayBuffer())],
      blob: [blob.type, blob.size],
      empty: await (await get("/type/?type=text/plain&hex=")).text(),
      none: (await get("/status/204/")).body,
      streamed,
      form: [form.get("a"), await (form.get("f") as File).text()],
      encoded: await Promise.all(
        ["gzip", "deflate", "empty"].map(async (name) => (await (await get(`/encoded/${name}/`)).text()).length),
      ),
      compressible: (await (await get("/long/")).text()).length,
    };
  }, BYTES);
  expect(found).toEqual({
    ...{ text: "é\0€", bom: "a", latin: [0xe9], json: true, brokenJson: "{", binary: BYTES },
    ...{ blob: ["image/png", 256], empty: "", none: null, streamed: [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3] },
    ...{ form: ["1", "content"], encoded: [found.compressible, found.compressible, 0] },
    compressible: expect.any(Number),
  });
  expect(byHttp).toEqual([]);
});

test("200 calls at once are answered, each with its own", async () => {
  const { page, byHttp } = await visit(server.origin);
  const answers = await page.evaluate(() => {
    const one = async (index: number): Promise<string> => {
      const response = await wsrequest.fetch(`/echo/?n=${index}`, { method: "POST", body: `body ${index}` });
      return `${response.headers.get("x-way")} ${await response.text()}`;
    };
    return Promise.all(Array.from({ length: 200 }, (_, index) => one(index)));
  });
  expect(answers).toEqual(Array.from({ length: 200 }, (_, index) => `socket body ${index}`));
  expect(byHttp).toEqual([]);
});
