/**
 * The same request by HTTP, with what Django asks of it there.
 *
 * Owns Django's CSRF header and the redeeming of cookie tickets (PROTOCOL.md 6.2). When HTTP is
 * taken is fetch's to decide.
 */
import type { Options } from "./options.js";

/** `credentials` of a browser are sent to the socket's own origin only. */
export class Http {
  constructor(
    readonly fetch: typeof globalThis.fetch,
    readonly ticketUrl: string,
    readonly options: Options,
  ) {}

  /** Send by window.fetch; `request` may have been read, so its body is given. */
  async send(request: Request, body: BodyInit | null, token: string | null): Promise<Response> {
    const headers = new Headers(request.headers);
    const { tokenScheme = "JWT", csrfCookieName = "csrftoken", csrfHeaderName = "X-CSRFToken" } = this.options;
    if (token !== null && !headers.has("authorization")) headers.set("authorization", `${tokenScheme} ${token}`);
    const csrf = cookie(csrfCookieName);
    const isSafe = /^(GET|HEAD|OPTIONS|TRACE)$/.test(request.method);
    const isOurs = new URL(request.url).origin === globalThis.location?.origin;
    if (csrf && isOurs && !isSafe && !headers.has(csrfHeaderName)) headers.set(csrfHeaderName, csrf);
    // Whole: browsers stream a body by HTTP/2 only, or not at all.
    if (body instanceof ReadableStream) body = await new Response(body).arrayBuffer();
    const hasBody = body || !/^(GET|HEAD)$/.test(request.method);
    // An empty one is given too, since that of `request` may have been read.
    const init = { headers, ...(hasBody && { body: body ?? new Uint8Array(0) }) };
    return this.fetch(new Request(request, init));
  }

  /** Make cookies that were set over the socket the browser's. A failure leaves the socket's own as they are. */
  async redeem(ticket: string): Promise<void> {
    const headers = { "X-WSRequest-Ticket": ticket };
    await this.fetch(this.ticketUrl, { method: "POST", headers, credentials: "include" }).catch(() => {});
  }
}

function cookie(name: string): string | undefined {
  const found = globalThis.document?.cookie.split("; ").find((each) => each.startsWith(`${name}=`));
  return found && decodeURIComponent(found.slice(name.length + 1));
}
