/**
 * Sees what the client sends and receives, on both of its ways, and changes nothing of it.
 *
 * Owns the two that the client is given in place of the browser's own (its options WebSocket and
 * fetch), and the event "seen" of `wire`. What is made of it is the log's and the chart's.
 */
export const wire = new EventTarget();
const cameByHttp = new WeakSet();

/** Whether a Response that the client gave was carried by HTTP; else by the socket. */
export const isByHttp = (response) => cameByHttp.has(response);

const tell = (detail) => wire.dispatchEvent(new CustomEvent("seen", { detail }));

export class WatchedSocket extends WebSocket {
  constructor(...address) {
    super(...address);
    this.addEventListener("open", () => tell({ kind: "opened" }));
    this.addEventListener("message", ({ data }) => tell({ kind: "frame", from: "server", data }));
    this.addEventListener("close", ({ code, reason }) => tell({ kind: "closed", code, reason }));
  }

  send(data) {
    super.send(data);
    tell({ kind: "frame", from: "client", data });
  }
}

let last = 0;

/** Tells of each server-sent event, until the client ends them or they are lost. */
async function listen(call, response) {
  let rest = "";
  try {
    for await (const piece of piecesOf(response.body.pipeThrough(new TextDecoderStream()))) {
      const whole = (rest + piece).split("\n\n");
      rest = whole.pop();
      for (const event of whole) {
        const lines = event.split("\n").filter((line) => line.startsWith("data: "));
        if (lines.length) tell({ ...call, kind: "event", from: "server", data: lines.map((line) => line.slice(6)).join("\n") });
      }
    }
  } catch {
    // aborted, or lost
  }
  tell({ ...call, kind: "events ended" });
}

/** What a stream gives; not every browser loops over one by itself. */
async function* piecesOf(stream) {
  const reader = stream.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}

/** As window.fetch. */
export async function watchedFetch(input, init) {
  // A Request is not copied, since that would take its body away.
  const { method, url } = input instanceof Request ? input : new Request(input, { method: init?.method });
  const { pathname, search } = new URL(url);
  const call = { kind: "http", number: ++last, method, url: pathname + search };
  tell({ ...call, from: "client" });
  try {
    const response = await fetch(input, init);
    cameByHttp.add(response);
    const { status, headers } = response;
    tell({ ...call, from: "server", status, headers: [...headers] });
    if (headers.get("Content-Type")?.startsWith("text/event-stream")) listen(call, response.clone());
    return response;
  } catch (error) {
    tell({ ...call, from: "server", status: 0, error });
    throw error;
  }
}
