/**
 * What a line of the log says of a frame or of an HTTP request. Knows PROTOCOL.md, and no page.
 *
 * Secrets are masked, since a demo is often watched by others.
 */
import { msText, sizeText } from "./dom.js";

const SECRET = new Set(["password", "token", "access", "refresh", "cookies", "authorization"]);

/** Returns a function from what was seen to {kind, arrow, way, what, facts, content}; `now` is a clock in ms. */
export function describer(now) {
  const asked = new Map(); // id, or "http" and number, of what is unfinished -> {what, at}
  const ask = (id, what) => asked.set(id, { what, at: now() });
  /** Of a request that is answered more than once only the first answer has a time that it took. */
  const answer = (id) => {
    const { what = "", at } = asked.get(id) ?? {};
    asked.set(id, { what });
    return { what, took: at === undefined ? "" : msText(now() - at) };
  };

  /** A frame; or the data of a server-sent event, which is one without id (4.9), of an HTTP request to `url`. */
  function frame({ from, data, url }) {
    const { bytes, head, body } = parse(data);
    const content = () => masked(head) + (body ? `\n⏎ ${sizeText(body)} of body` : "");
    const line = (kind, what, ...facts) => ({
      ...{ kind, arrow: from === "client" ? "↑" : "↓", way: url ? "HTTP" : "WS", what, content },
      facts: [head.id === undefined ? "" : `#${head.id}`, ...facts, sizeText(bytes)].filter(Boolean).join(" · "),
    });
    const name = ["hello", "ping", "pong", "cancel", "credit"].find((name) => name in head);
    if (from === "client" && "url" in head) {
      const what = `${head.subscribe ? "live " : ""}${head.method ?? "GET"} ${head.url}`;
      ask(head.id, what);
      return line("sent", what);
    }
    if ("status" in head) {
      const { what, took } = url ? { what: `live GET ${new URLSearchParams(url.split("?")[1]).get("url")}` } : answer(head.id);
      const facts = [head.version && `version ${head.version}`, head.patch && "patch", took];
      return line(kindOf(head.status), `${head.status} ${what}`, ...facts);
    }
    if (name === "hello") return line("quiet", `hello, ${head.hello.protocol}`);
    return line("quiet", [name ?? "part", answer(head.id).what].filter(Boolean).join(" of "));
  }

  function http({ from, number, method, url, status, headers = [], error }) {
    const what = `${method} ${url}`;
    if (from === "client") {
      ask(`http ${number}`, what);
      return { kind: "sent", arrow: "↑", way: "HTTP", what, facts: "" };
    }
    const { took } = answer(`http ${number}`);
    const bytes = new Map(headers).get("content-length");
    const facts = [took, bytes && sizeText(Number(bytes))].filter(Boolean).join(" · ");
    const shown = { kind: kindOf(status || 599), arrow: "↓", way: "HTTP", facts };
    const isAborted = error?.name === "AbortError";
    if (!status) return { ...shown, kind: isAborted ? "quiet" : "failed", what: `${isAborted ? "cancelled" : "no answer"} ${what}` };
    return { ...shown, what: `${status} ${what}`, content: () => headers.map((pair) => pair.join(": ")).join("\n") };
  }

  function note(seen) {
    const why = [seen.code === 1005 ? "" : seen.code, seen.reason].filter(Boolean).join(" ");
    if (seen.kind === "closed") [...asked.keys()].forEach((id) => `${id}`.startsWith("http ") || asked.delete(id));
    return { kind: "note", arrow: "●", way: seen.number ? "HTTP" : "WS", what: seen.kind, facts: why };
  }

  return (seen) => ({ frame, event: frame, http })[seen.kind]?.(seen) ?? note(seen);
}

const kindOf = (status) => (status === 429 ? "throttled" : status >= 400 ? "failed" : "done");

const masked = (head) =>
  JSON.stringify(head, (key, value) => (SECRET.has(key.toLowerCase()) && typeof value === "string" ? "•••" : value), 2);

/** A frame is JSON, or a binary one: a line of JSON and a body (section 2). */
function parse(data) {
  if (typeof data === "string") return { bytes: new TextEncoder().encode(data).length, head: JSON.parse(data) };
  const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
  const end = bytes.indexOf(0x0a);
  const head = JSON.parse(new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)));
  return { bytes: bytes.length, head, body: end < 0 ? 0 : bytes.length - end - 1 };
}
