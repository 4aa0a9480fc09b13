/**
 * What a page can tell about a Response, or about how a call was rejected. Runs in the page, or in a worker.
 *
 * Owns the names of the fields that docs/client.md lists differences by.
 */
export type Fields = Record<string, unknown>;
export type Fetch = typeof globalThis.fetch;

/** How a promise ends, in words that survive the way out of the page. */
async function outcome(of: () => Promise<unknown>): Promise<unknown> {
  try {
    return await of();
  } catch (error) {
    return `rejects: ${(error as Error).name}`;
  }
}

function rejection(error: unknown): Fields {
  const { name } = error as Error;
  return {
    "rejection name": name,
    "rejection class": [TypeError, DOMException, Error].find((each) => error instanceof each)?.name ?? typeof error,
    "rejection code": (error as DOMException).code,
  };
}

const hex = (bytes: Uint8Array): string =>
  bytes.length > 200 ? `${bytes.length} bytes` : [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Each on a Response of its own, since a body is read once. */
const READINGS: Record<string, (response: Response) => Promise<unknown>> = {
  text: (response) => response.text(),
  json: async (response) => JSON.stringify(await response.json()),
  arrayBuffer: async (response) => hex(new Uint8Array(await response.arrayBuffer())),
  bytes: async (response) => hex(await response.bytes()),
  blob: async (response) => {
    const blob = await response.blob();
    return [blob.type, blob.size];
  },
  formData: async (response) => {
    const entries = [...(await response.formData())];
    return entries.map(([name, value]) => [name, value instanceof File ? [value.name, value.type, value.size] : value]);
  },
  stream: async ({ body }) => {
    if (!body) return body;
    const chunks: Uint8Array[] = [];
    const reader = body.getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) chunks.push(read.value);
    return [chunks.every((chunk) => chunk instanceof Uint8Array), hex(new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer()))];
  },
  byob: async ({ body }) => {
    if (!body) return body;
    const { value } = await body.getReader({ mode: "byob" }).read(new Uint8Array(4));
    return hex(value!);
  },
  "bodyUsed when read": async (response) => {
    const text = response.text();
    const used = response.bodyUsed;
    await text;
    return [used, response.bodyUsed, response.body?.locked];
  },
  "read twice": async (response) => {
    await response.text();
    return response.text();
  },
  "cloned when read": async (response) => {
    await response.text();
    return response.clone().status;
  },
  cancelled: async (response) => {
    await response.body?.cancel();
    return [response.bodyUsed, await outcome(() => response.text())];
  },
  cloned: async (response) => {
    const clone = response.clone();
    const deep = clone.clone();
    const texts = await Promise.all([response, clone, deep].map((each) => each.text()));
    return [response !== clone, JSON.stringify(facts(clone)) === JSON.stringify(facts(deep)), clone.url, clone.type, ...texts];
  },
  "made another of": async (response) => {
    const made = new Response(response.body, response);
    return [made.status, made.headers.get("content-type"), await made.text()];
  },
};

function facts(response: Response): Fields {
  const { type, url, redirected, status, ok, statusText, bodyUsed, body, headers } = response;
  const found: Fields = { type, url, redirected, status, ok, statusText, bodyUsed };
  found["body"] = body && [body.constructor.name, body.locked];
  found["class"] = [response.constructor.name, response instanceof Response, String(response), Object.keys(response)];
  found["headers class"] = [headers.constructor.name, headers instanceof Headers, response.headers === headers];
  found["headers order"] = [...headers.keys()];
  for (const [name, value] of headers) found[`header ${name}`] = value;
  try {
    headers.set("x-set", "1");
    found["headers guard"] = "can be changed";
  } catch (error) {
    found["headers guard"] = (error as Error).name;
  }
  return found;
}

/** Everything that can be told about what `call` gives; by every way to read a body where `isWhole`, else by some. */
export async function observe(call: () => Promise<Response>, isWhole: boolean): Promise<Fields> {
  let response: Response;
  try {
    response = await call();
  } catch (error) {
    return rejection(error);
  }
  const found = facts(response);
  found["cancel"] = await outcome(async () => response.body?.cancel());
  const names = isWhole ? Object.keys(READINGS) : ["text", "cloned"];
  const readings = names.map(async (name) => {
    found[name] = await outcome(async () => READINGS[name]!(await call()));
  });
  await Promise.all(readings);
  found["document.cookie"] = (globalThis.document?.cookie ?? "").replace(/csrftoken=\w+/, "csrftoken").split("; ").sort().join("; ");
  return found;
}
