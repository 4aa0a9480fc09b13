/**
 * The demo's API as the page calls it: `client.fetch`, JSON both ways, with the token if there is one.
 *
 * Owns the tokens, which live in this page only and end with it; a session is the browser's cookie.
 * Its events: "called" carries {what, status, way, ms} of each call that was answered, "expired"
 * says that the token could not be renewed.
 */
import { client, transport } from "./transport.js";
import { isByHttp } from "./watch.js";

export class Api extends EventTarget {
  #tokens = null;

  /** Resolves with {status, headers, data, way, ms}, whatever the status; rejects when none came, or as `signal` says. */
  async call(method, url, data, options) {
    const answer = await this.#send(method, url, data, options);
    const isStale = answer.status === 401 && answer.data?.code === "token_not_valid";
    // Without a new token only a GET is tried again: what is written must not lose its author.
    const mayRepeat = isStale && ((await this.#refresh()) || method === "GET");
    return mayRepeat ? this.#send(method, url, data, options) : answer;
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

  async #send(method, url, data, { signal } = {}) {
    const headers = {};
    if (this.#tokens) headers.Authorization = `JWT ${this.#tokens.access}`;
    if (data !== undefined) headers["Content-Type"] = "application/json";
    const startedAt = performance.now();
    try {
      const response = await client.fetch(url, { method, headers, body: JSON.stringify(data), signal });
      const text = await response.text();
      const ms = performance.now() - startedAt;
      const way = isByHttp(response) ? "http" : "socket";
      this.#tell("called", { what: `${method} ${url}`, status: response.status, way, ms });
      return { status: response.status, headers: response.headers, data: parse(text, response.headers), way, ms };
    } catch (error) {
      if (signal?.aborted || !transport.isOffline) throw error;
      throw new Error("The server cannot be reached.", { cause: error });
    }
  }

  async #refresh() {
    const refresh = this.#tokens?.refresh;
    if (!refresh) return false;
    this.#tokens = null; // the stale one must not go along
    const { status, data } = await this.#send("POST", "/api/token/refresh/", { refresh });
    if (status === 200) this.#tokens = { refresh, ...data };
    else this.#tell("expired");
    return status === 200;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function parse(text, headers) {
  const isJson = headers.get("Content-Type")?.startsWith("application/json");
  return isJson && text ? JSON.parse(text) : text;
}

export const isOk = (answer) => answer.status >= 200 && answer.status < 300;

/** How long a 429 asks to wait, in seconds; null for every other answer. */
export function throttledSeconds({ status, headers }) {
  return status === 429 ? Number(headers.get("Retry-After") ?? 1) : null;
}

/** Says in a sentence why an answer is not a success. */
export function problem({ status, data }) {
  const text = data?.error?.detail ?? data?.detail ?? data?.non_field_errors?.join(" ");
  return text ? `${text} (${status})` : `The server answered with status ${status}.`;
}
