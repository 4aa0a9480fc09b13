/**
 * The calls that are made by window.fetch and by client.fetch. Runs in the page.
 *
 * Each must give the same whenever it is made, since it is made once for each way of reading its answer.
 */
import type { Fetch } from "./observing.js";

type Call = (fetch: Fetch) => Promise<Response>;
const found: Record<string, Call> = {};
const add = (name: string, call: Call): void => {
  found[name] = call;
};
/** Of one address, with an init that is made anew for each call. */
const simple = (name: string, input: RequestInfo | URL, init?: () => RequestInit): void =>
  add(name, (fetch) => fetch(input, init?.()));

const OTHER = location.origin.replace("127.0.0.1", "localhost"); // the same server, another origin

// Addresses.
simple("address: absolute path", "/seen/?a=1");
simple("address: relative", "seen/");
simple("address: only a query", "?a=1");
simple("address: URL", new URL("/seen/?a=é b", location.href));
simple("address: with a fragment", "/seen/#part");
simple("address: dots", "/a/../seen/?b");
simple("address: characters", "/seen/?a=é&b=\"<>`{}|^&c=%zz&d='");
simple("address: encoded path", "/type%2f/é%20");
simple("address: empty", "");
simple("address: undefined", undefined as unknown as string);
simple("address: broken", "http://[");
simple("address: with a password", location.href.replace("//", "//ann:pw@"));
simple("address: data", "data:text/plain,abc");
simple("address: about", "about:blank");
simple("address: ftp", "ftp://127.0.0.1/");
add("address: blob", async (fetch) => {
  const { status, headers, body } = await fetch(URL.createObjectURL(new Blob(["b"], { type: "text/plain" })));
  return new Response(body, { status, headers }); // its address is another each time
});
simple("address: slash is appended", "/type?hex=61");
simple("address: not found", "/nothing/");
simple("address: other origin", `${OTHER}/way/`);
simple("address: other origin, no-cors", `${OTHER}/way/`, () => ({ mode: "no-cors" }));
simple("address: other origin, same-origin", `${OTHER}/way/`, () => ({ mode: "same-origin" }));
simple("address: nobody listens", "http://127.0.0.1:1/");
simple("address: two slashes", "/seen//x//");

// Requests.
add("Request", (fetch) => fetch(new Request("/seen/?r", { headers: { "X-Mine": "r" } })));
add("Request with a body", (fetch) => fetch(new Request("/seen/", { method: "POST", body: "text" })));
add("Request and init", (fetch) =>
  fetch(new Request("/seen/", { method: "POST", body: "text", headers: { "X-Mine": "r" } }), { headers: { "X-Mine-Too": "i" } }),
);
add("Request and another body", (fetch) => fetch(new Request("/seen/", { method: "POST", body: "a" }), { body: "bb" }));
add("Request that was used", async (fetch) => {
  const request = new Request("/seen/", { method: "POST", body: "text" });
  await request.text();
  return fetch(request);
});
add("Request is used by the call", async (fetch) => {
  const request = new Request("/echo/", { method: "POST", body: "text" });
  await fetch(request);
  return new Response(String(request.bodyUsed));
});

// Methods.
for (const method of ["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "POST", "get", "pOsT", "patch", "PROPFIND"])
  simple(`method: ${method}`, "/seen/", () => ({ method }));
for (const method of ["TRACE", "CONNECT", "NO SPACE", ""]) simple(`method: ${method || "empty"}`, "/seen/", () => ({ method }));
simple("method: HEAD of a stream", "/parts/", () => ({ method: "HEAD" }));
simple("method: HEAD of an error", "/status/404/", () => ({ method: "HEAD" }));

// Statuses.
const STATUSES = [200, 201, 202, 203, 204, 205, 206, 208, 226, 300, 304, 305, 306, 400, 401, 402, 403, 404, 405, 406, 407];
for (const status of [...STATUSES, 409, 410, 412, 413, 415, 418, 422, 425, 428, 429, 431, 451, 500, 501, 502, 503, 504, 507, 599])
  simple(`status: ${status}`, `/status/${status}/`);

// Redirects.
for (const status of [301, 302, 303, 307, 308]) {
  const to = `/redirect/${status}/?to=/seen/`;
  simple(`redirect: ${status}`, to);
  simple(`redirect: ${status} of a HEAD`, to, () => ({ method: "HEAD" }));
  for (const method of ["POST", "PUT", "DELETE"])
    simple(`redirect: ${status} of a ${method}`, to, () => ({ method, body: "text", headers: { "X-Mine": "1", "Content-Language": "de" } }));
  for (const redirect of ["manual", "error"] as const) simple(`redirect: ${status}, ${redirect}`, to, () => ({ redirect }));
  simple(`redirect: ${status} without Location`, `/redirect/${status}/`);
  simple(`redirect: ${status} without Location, manual`, `/redirect/${status}/`, () => ({ redirect: "manual" }));
}
simple("redirect: 302 of a POST, manual", "/redirect/302/?to=/seen/", () => ({ method: "POST", body: "x", redirect: "manual" }));
simple("redirect: error without one", "/seen/", () => ({ redirect: "error" }));
simple("redirect: 300 with Location", "/redirect/300/?to=/seen/");
simple("redirect: relative", "/redirect/302/?to=../../seen/");
simple("redirect: 20 times", "/redirect/302/?times=19&to=/seen/");
simple("redirect: 21 times", "/redirect/302/?times=20&to=/seen/");
simple("redirect: with a fragment", "/redirect/302/?to=/seen/%23part");
simple("redirect: from a fragment", "/redirect/302/?to=/seen/#mine");
simple("redirect: to data", "/redirect/302/?to=data:text/plain,x");
simple("redirect: to another origin", `/redirect/302/?to=${OTHER}/way/`);
simple("redirect: to another origin, no-cors", `/redirect/302/?to=${OTHER}/way/`, () => ({ mode: "no-cors" }));
simple("redirect: to a broken address", "/redirect/302/?to=http://[");
simple("redirect: 307 of a form", "/redirect/307/?to=/fields/", () => ({ method: "POST", body: new URLSearchParams({ a: "1" }) }));

// Bodies that are sent.
const BYTES = Uint8Array.from([0, 10, 13, 255, 34]);
const BODIES: Record<string, () => BodyInit> = {
  string: () => "é\r\n\0",
  "empty string": () => "",
  URLSearchParams: () => new URLSearchParams([["a", "1 é"], ["a", "2"]]),
  Blob: () => new Blob([BYTES], { type: "Image/PNG" }),
  "Blob without a type": () => new Blob([BYTES]),
  "empty Blob": () => new Blob([], { type: "image/png" }),
  ArrayBuffer: () => BYTES.buffer,
  Uint8Array: () => BYTES.subarray(1, 3),
  number: () => 12 as unknown as string,
  object: () => ({}) as unknown as string,
};
for (const [name, body] of Object.entries(BODIES)) simple(`body: ${name}`, "/seen/", () => ({ method: "POST", body: body() }));
simple("body: null", "/seen/", () => ({ method: "POST", body: null }));
simple("body: with GET", "/seen/", () => ({ body: "x" }));
simple("body: empty with GET", "/seen/", () => ({ body: "" }));
simple("body: JSON", "/seen/", () => ({ method: "PUT", body: '{"b":1.0,"a":[]}', headers: { "Content-Type": "application/json" } }));
simple("body: JSON with spaces", "/seen/", () => ({ method: "PUT", body: ' {"b" : 1}\n', headers: { "Content-Type": "application/json" } }));
simple("body: broken JSON", "/seen/", () => ({ method: "PUT", body: "{", headers: { "Content-Type": "application/json" } }));
simple("body: another type", "/seen/", () => ({ method: "POST", body: "<a/>", headers: { "Content-Type": "text/XML; Charset=utf-8" } }));
simple("body: half a surrogate pair", "/seen/", () => ({ method: "POST", body: "\ud800" }));
simple("body: 2 MB", "/digest/", () => ({ method: "POST", body: new Uint8Array(2_000_000).fill(5) }));
simple("body: FormData", "/fields/", () => {
  const body = new FormData();
  body.append("a", "1");
  body.append("é\n\"", "line\nfeed");
  body.append("file", new Blob([BYTES], { type: "image/png" }), "é\".png");
  return { method: "POST", body };
});
const stream = (): ReadableStream => new Blob(["stream"]).stream();
simple("body: stream", "/seen/", () => ({ method: "POST", body: stream(), duplex: "half" }) as RequestInit);
simple("body: stream without duplex", "/seen/", () => ({ method: "POST", body: stream() }));
simple("body: stream with GET", "/seen/", () => ({ body: stream(), duplex: "half" }) as RequestInit);
add("body: stream that is locked", (fetch) => {
  const body = stream();
  body.getReader();
  return fetch("/seen/", { method: "POST", body, duplex: "half" } as RequestInit);
});

// Headers that are sent.
const headers = (name: string, init: () => HeadersInit, method = "GET"): void =>
  simple(`request header: ${name}`, "/seen/", () => ({ method, headers: init() }));
simple("request header: no Accept", "/seen/?accept");
headers("one", () => ({ "X-Mine": "a" }));
headers("given twice", () => [["X-Mine", "a"], ["x-mine", "b"]]);
headers("white space", () => ({ "X-Mine": " \t a b \t" }));
headers("empty", () => ({ "X-Mine": "" }));
headers("Latin-1", () => ({ "X-Mine": "é" }));
headers("outside of Latin-1", () => ({ "X-Mine": "€" }));
headers("line feed", () => ({ "X-Mine": "a\nb" }));
headers("broken name", () => ({ "X Mine": "a" }));
headers("forbidden", () => ({ Cookie: "a=b", Host: "other", "Sec-A": "1", Connection: "close", "Accept-Encoding": "br" }));
headers("of proxies", () => ({ "X-Forwarded-For": "1.2.3.4", "X-Mine": "a" }));
headers("underscore", () => ({ X_Mine: "a", "X-Mine": "a" }));
headers("Accept", () => ({ Accept: "text/x-mine" }));
headers("Accept-Language", () => ({ "Accept-Language": "de-AT" }));
headers("Authorization", () => ({ Authorization: "Basic YTpi" }));
headers("User-Agent", () => ({ "User-Agent": "mine" }));
headers("Content-Type without a body", () => ({ "Content-Type": "text/x-mine" }));
headers("Content-Type of an empty POST", () => ({ "Content-Type": "text/x-mine" }), "POST");
headers("a method to override with", () => ({ "X-HTTP-Method-Override": "TRACE" }));
headers("100 of them", () => Array.from({ length: 100 }, (_, index): [string, string] => [`X-Mine-${index}`, "x"]));
headers("4 KB", () => ({ "X-Mine": "x".repeat(4096) }));

// Answers.
const typed = (name: string, type: string, body: string): void =>
  simple(`type: ${name}`, `/type/?type=${encodeURIComponent(type)}&hex=${body}`);
const JSON_HEX = "7b226122 3a312e30 7d".replaceAll(" ", ""); // {"a":1.0}
typed("text", "text/plain", "c3a900 0d0a".replace(" ", ""));
typed("Latin-1", "text/plain; charset=iso-8859-1", "e9");
typed("byte order mark", "text/plain; charset=utf-8", "efbbbf61");
typed("JSON", "application/json", JSON_HEX);
typed("JSON with spaces around", "application/json", `20${JSON_HEX}0a`);
typed("JSON with byte order mark", "application/json", `efbbbf${JSON_HEX}`);
typed("problem+json", "Application/Problem+JSON; charset=utf-8", JSON_HEX);
typed("JSON that is broken", "application/json", "7b");
typed("JSON that is empty", "application/json", "");
typed("JSON in another charset", "application/json", "22e922");
typed("JSON of a string", "application/json", "2261c3a922");
typed("JSON null", "application/json", "6e756c6c");
typed("HTML", "text/html", "3c703e");
typed("image", "image/PNG; a=b", "00ff");
typed("broken type", "nonsense", "61");
typed("empty", "text/plain", "");
typed("urlencoded", "application/x-www-form-urlencoded", "613d31");
simple("type: none", "/type/?hex=00ff61");
simple("answer: headers", "/headers/");
simple("answer: cookies", "/cookies/");
simple("answer: compressed by middleware", "/long/");
for (const coding of ["gzip", "deflate", "raw", "empty"]) simple(`answer: encoded, ${coding}`, `/encoded/${coding}/`);
simple("answer: stream", "/parts/");
simple("answer: stream, empty", "/parts/?count=0");
simple("answer: stream, 1 MB", "/parts/?count=16&size=65536");
simple("answer: 1 MB", `/type/?type=image/png&hex=${"00ff".repeat(1000)}`);
// Of what breaks only how it is read to its end: whether it has broken before a cancel is chance.
for (const path of ["/encoded/broken/", "/broken/"])
  add(`answer: breaks, ${path}`, async (fetch) => new Response(await (await fetch(path)).text()));
simple("answer: view that fails", "/raises/");
simple("answer: form, multipart", "/form/");
simple("answer: form, urlencoded", "/form/?kind=urlencoded");
simple("answer: not modified", "/cached/", () => ({ headers: { "If-None-Match": '"e2"' } }));
simple("answer: CSRF is checked", "/csrf/", () => ({ method: "POST" }));

// Options.
for (const cache of ["no-store", "reload", "no-cache", "force-cache"] as const) simple(`cache: ${cache}`, "/cached/", () => ({ cache }));
simple("cache: only-if-cached", "/cached/?none", () => ({ cache: "only-if-cached", mode: "same-origin" }));
simple("cache: only-if-cached with cors", "/cached/?none", () => ({ cache: "only-if-cached" }));
for (const mode of ["cors", "same-origin", "no-cors", "navigate"] as const) simple(`mode: ${mode}`, "/seen/", () => ({ mode }));
simple("mode: no-cors of a PUT", "/seen/", () => ({ mode: "no-cors", method: "PUT" }));
for (const credentials of ["omit", "same-origin", "include"] as const) simple(`credentials: ${credentials}`, "/seen/", () => ({ credentials }));
simple("integrity: broken", "/way/", () => ({ integrity: "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }));
simple("keepalive", "/seen/", () => ({ keepalive: true, method: "POST", body: "x" }));
simple("referrer: other", "/seen/", () => ({ referrer: "/other/" }));
simple("referrer: broken", "/seen/", () => ({ referrer: "http://[" }));
simple("priority", "/seen/", () => ({ priority: "low" }));
simple("window", "/seen/", () => ({ window: null }));
simple("window: other", "/seen/", () => ({ window: {} as unknown as null }));
simple("option: wrong", "/seen/", () => ({ redirect: "sideways" as "follow" }));
simple("init: null", "/seen/", () => null as unknown as RequestInit);
simple("init: number", "/seen/", () => 5 as unknown as RequestInit);

// Aborts.
const aborted = (reason?: unknown): AbortSignal => AbortSignal.abort(reason);
simple("abort: before", "/seen/", () => ({ signal: aborted() }));
simple("abort: before, with a reason", "/seen/", () => ({ signal: aborted(new RangeError("mine")) }));
simple("abort: before, with a text", "/seen/", () => ({ signal: aborted("mine") }));
simple("abort: before, of a broken call", "http://[", () => ({ signal: aborted() }));
add("abort: of a Request", (fetch) => fetch(new Request("/seen/", { signal: aborted() })));
add("abort: of a Request, taken back by init", (fetch) => fetch(new Request("/seen/", { signal: aborted() }), { signal: null }));
const later = (reason?: unknown): AbortSignal => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 20);
  return controller.signal;
};
simple("abort: while waiting", "/wait/?key=table", () => ({ signal: later() }));
simple("abort: while waiting, with a reason", "/wait/?key=table", () => ({ signal: later(new RangeError("mine")) }));
simple("abort: by a timeout", "/wait/?key=table", () => ({ signal: AbortSignal.timeout(20) }));
simple("abort: not a signal", "/seen/", () => ({ signal: {} as AbortSignal }));
add("abort: after the head", async (fetch) => {
  const controller = new AbortController();
  const response = await fetch("/endless/async/?key=table", { signal: controller.signal });
  controller.abort();
  return response;
});
add("abort: after the end", async (fetch) => {
  const controller = new AbortController();
  const response = await fetch("/seen/", { signal: controller.signal });
  const text = await response.clone().text();
  controller.abort();
  return new Response(text);
});

export const calls = found;
