/**
 * Sends the same request over HTTP, with what Django requires there.
 *
 * Owns Django's CSRF header and the redeeming of tickets (PROTOCOL.md 6.2). fetch.ts decides when a call goes over HTTP.
 */
import type { Options } from "./options.js";
import { originOf, type IsTrusted } from "./origins.js";
import type { Body } from "./request.js";
import type { Token } from "./tokens.js";

export interface Http {
  /** Django's CSRF token, if the page or the socket has set one. Otherwise the token is in a cookie. */
  csrfToken: string | undefined;
  /** Send a request. Its body is a separate argument, because it may have been read already. */
  send(request: Request, body: Body, token: Token): Promise<Response>;
  /**
   * Make cookies that the socket set the browser's. If this fails, the socket keeps its own.
   * An empty ticket fetches the cookie that tickets are bound to (6.3).
   */
  redeem(ticket: string): Promise<void>;
}

/** Whether a request with this method cannot have a body. */
export const isGet = (method: string): boolean => method === "GET" || method === "HEAD";

/** Sends over HTTP with `fetch`. Calls `loseCookies` if a ticket is refused, so that the browser lacks cookies of the socket. */
export function createHttp(
  fetch: typeof globalThis.fetch,
  ticketUrl: string,
  isTrusted: IsTrusted,
  options: Options,
  loseCookies: () => void,
): Http {
  const { tokenScheme = "JWT", csrfCookieName = "csrftoken", csrfHeaderName = "X-CSRFToken" } = options;
  return {
    csrfToken: options.csrfToken,
    async send(request, body, token) {
      const { url, method, signal } = request;
      const headers = new Headers(request.headers);
      if (token) headers.set("authorization", `${tokenScheme} ${token}`);
      const csrf = this.csrfToken ?? cookie(csrfCookieName);
      const isOurs = originOf(url) === globalThis.location?.origin && isTrusted(url);
      const isSafe = isGet(method);
      if (csrf && isOurs && !isSafe && !headers.has(csrfHeaderName)) headers.set(csrfHeaderName, csrf);
      // Browsers stream a body over HTTP/2 only, or not at all, so send it whole. Without a body, pass none: an empty
      // one would add a Content-Length.
      const whole = body instanceof ReadableStream ? await (await import("./upload.js")).readAll(body, signal) : body;
      // A Request made from another one resets these two to the page's own, so set them again.
      const { referrer, referrerPolicy } = request;
      return fetch(new Request(request, { headers, referrer, referrerPolicy, ...(whole && { body: whole }) }));
    },
    async redeem(ticket) {
      const headers = { "X-WSRequest-Ticket": ticket };
      try {
        const { status } = await fetch(ticketUrl, { method: "POST", headers, credentials: "include" });
        if (status === 403) loseCookies();
      } catch {
        // for example, offline
      }
    },
  };
}

function cookie(name: string): string | null {
  return new URLSearchParams(globalThis.document?.cookie.replaceAll("; ", "&")).get(name);
}
