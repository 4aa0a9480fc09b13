/**
 * The same request by HTTP, with what Django asks of it there.
 *
 * Owns Django's CSRF header and the redeeming of cookie tickets (PROTOCOL.md 6.2). When HTTP is
 * taken is fetch's to decide.
 */
import type { Body } from "./exchange.js";
import type { Options } from "./options.js";
import type { Token } from "./tokens.js";
import { isGet, originOf, type Trusts } from "./urls.js";

export interface Http {
  /** Django's CSRF token, where the page or the socket gave one; else it is in a cookie. */
  csrfToken: string | undefined;
  /** Send by window.fetch; `request` may have been read, so its body is given. */
  send(request: Request, body: Body, token: Token): Promise<Response>;
  /**
   * Make cookies that were set over the socket the browser's. A failure leaves the socket's own as they are.
   * Without a ticket, fetch the cookie that tickets are bound to (6.3).
   */
  redeem(ticket: string): Promise<void>;
}

/**
 * HTTP by `fetch`; a browser's credentials go to its page's own origin only, as with fetch.
 *
 * `refused` is called when a ticket was not redeemed, so that cookies of the socket are not the browser's.
 */
export function httpBy(
  fetch: typeof globalThis.fetch,
  ticketUrl: string,
  trusts: Trusts,
  options: Options,
  refused: () => void,
): Http {
  const { tokenScheme = "JWT", csrfCookieName = "csrftoken", csrfHeaderName = "X-CSRFToken" } = options;
  return {
    csrfToken: options.csrfToken,
    async send(request, body, token) {
      const { url, method, signal } = request;
      const headers = new Headers(request.headers);
      if (token) headers.set("authorization", `${tokenScheme} ${token}`);
      const csrf = this.csrfToken ?? cookie(csrfCookieName);
      const isOurs = originOf(url) === globalThis.location?.origin && trusts(url);
      const isSafe = isGet(method);
      if (csrf && isOurs && !isSafe && !headers.has(csrfHeaderName)) headers.set(csrfHeaderName, csrf);
      // Whole, since browsers stream a body by HTTP/2 only, or not at all. Where there is none, none is given: an
      // empty one would bring a Content-Length.
      const whole = body instanceof ReadableStream ? await (await import("./upload.js")).gathered(body, signal) : body;
      // To be given again: a Request that is made of another one with changes begins with the page's own.
      const { referrer, referrerPolicy } = request;
      return fetch(new Request(request, { headers, referrer, referrerPolicy, ...(whole && { body: whole }) }));
    },
    async redeem(ticket) {
      const headers = { "X-WSRequest-Ticket": ticket };
      try {
        const { status } = await fetch(ticketUrl, { method: "POST", headers, credentials: "include" });
        if (status === 403) refused();
      } catch {
        // offline, say
      }
    },
  };
}

function cookie(name: string): string | null {
  return new URLSearchParams(globalThis.document?.cookie.replaceAll("; ", "&")).get(name);
}
