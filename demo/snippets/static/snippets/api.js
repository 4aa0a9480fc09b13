/**
 * The demo's HTTP API as the page calls it: over the socket, with the token if there is one.
 *
 * Owns the tokens, which live in this page only and end with it; a session is the browser's cookie.
 * Its event "expired" says that the token could not be renewed.
 */
export class Api extends EventTarget {
  #socket;
  #tokens = null;

  constructor(socket) {
    super();
    this.#socket = socket;
  }

  /** Resolves with the answer, whatever its status; rejects when there is no connection. */
  async call(method, url, data, options) {
    const ask = () => this.#socket.request({ method, url, data, token: this.#tokens?.access }, options);
    const answer = await ask();
    const isStale = answer.status === 401 && answer.data?.code === "token_not_valid";
    // Without a new token only a GET is tried again: what is written must not lose its author.
    return isStale && ((await this.#refresh()) || method === "GET") ? ask() : answer;
  }

  get(url, options) {
    return this.call("GET", url, undefined, options);
  }

  /** Keeps the pair {access, refresh} of /api/token/, or forgets it when given null. */
  useTokens(tokens) {
    this.#tokens = tokens;
  }

  get hasTokens() {
    return this.#tokens !== null;
  }

  async #refresh() {
    const refresh = this.#tokens?.refresh;
    if (!refresh) return false;
    const message = { method: "POST", url: "/api/token/refresh/", data: { refresh } };
    const { status, data } = await this.#socket.request(message);
    this.#tokens = status === 200 ? { refresh, ...data } : null;
    if (!this.#tokens) this.dispatchEvent(new Event("expired"));
    return this.#tokens !== null;
  }
}

export const isOk = (answer) => answer.status >= 200 && answer.status < 300;

/** A header of an answer, whatever the case of its name; undefined when it is not there. */
export function header(answer, name) {
  const entries = Object.entries(answer.headers ?? {});
  return entries.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

/** Says in a sentence why an answer is not a success. */
export function problem({ status, error, data }) {
  const text = error?.detail ?? data?.detail ?? data?.non_field_errors?.join(" ");
  return text ? `${text} (${status})` : `The server answered with status ${status}.`;
}
