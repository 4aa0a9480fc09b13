/**
 * The demo's API as the page calls it: `client.fetch` and `client.live`, JSON both ways, with the token if there is one.
 *
 * Owns the tokens, which live in this page only and end with it; a session is the browser's cookie.
 * Its events: "called" carries {method, url, status, data, way, ms} of each call that was answered,
 * "expired" says that the token could not be renewed.
 */
import { client, transport } from "./transport.js";
import { isByHttp } from "./watch.js";

export class Api extends EventTarget {
  #tokens = null;
  #writes = new Set(); // promises of the calls under way that may change something

  /** Resolves with {status, headers, data, way, ms}, whatever the status; rejects when none came, or as `signal` says. */
  async call(method, url, data, options) {
    const answer = this.#call(method, url, data, options);
    if (method === "GET") return answer;
    this.#writes.add(answer);
    try {
      return await answer;
    } finally {
      this.#writes.delete(answer);
    }
  }

  get(url, options) {
    return this.call("GET", url, undefined, options);
  }

  /** A live GET: the subscription of `client.live`. One that a stale token ended is made again after `renew()`. */
  live(url) {
    return client.live(url, { headers: this.#authorization(), patch: "json" });
  }

  /** Resolves when what is being written now has been answered. */
  async written() {
    await Promise.allSettled([...this.#writes]);
  }

  /** Gets a new token for one that was refused; false when there is none to be had. */
  async renew() {
    const refresh = this.#tokens?.refresh;
    if (!refresh) return false;
    this.#tokens = null; // the stale one must not go along
    const { status, data } = await this.#send("POST", "/api/token/refresh/", { refresh });
    if (status === 200) this.#tokens = { refresh, ...data };
    else this.#tell("expired");
    return status === 200;
  }

  /** Keeps the pair {access, refresh} of /api/token/, or forgets it when given null. */
  useTokens(tokens) {
    this.#tokens = tokens;
  }

  get hasTokens() {
    return this.#tokens !== null;
  }

  async #call(method, url, data, options) {
    const answer = await this.#send(method, url, data, options);
    const isStale = answer.status === 401 && answer.data?.code === "token_not_valid";
    // Without a new token only a GET is tried again: what is written must not lose its author.
    const mayRepeat = isStale && ((await this.renew()) || method === "GET");
    return mayRepeat ? this.#send(method, url, data, options) : answer;
  }

  #authorization() {
    return this.#tokens ? { Authorization: `JWT ${this.#tokens.access}` } : {};
  }

  async #send(method, url, data, { signal } = {}) {
    const headers = this.#authorization();
    if (data !== undefined) headers["Content-Type"] = "application/json";
    const startedAt = performance.now();
    try {
      const response = await client.fetch(url, { method, headers, body: JSON.stringify(data), signal });
      const text = await response.text();
      const ms = performance.now() - startedAt;
      const { status, headers: found } = response;
      const answer = { status, headers: found, data: parse(text, found), way: isByHttp(response) ? "http" : "socket", ms };
      this.#tell("called", { method, url, ...answer });
      return answer;
    } catch (error) {
      if (signal?.aborted || !transport.isOffline) throw error;
      throw new Error("The server cannot be reached.", { cause: error });
    }
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
