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
    return response;
  } catch (error) {
    tell({ ...call, from: "server", status: 0, error });
    throw error;
  }
}
