/** What a Client can be told. Every option has a default. */
export interface Options {
  /** Address of the socket: a path, or with scheme ws, wss, http or https. @default "/ws/" */
  url?: string;
  /** The token of each request, or a function that gives it; asked again after a 401, or a 403, a logout elsewhere, and close(). @default none */
  token?: string | (() => string | null | Promise<string | null>);
  /**
   * Origins that get the token and the CSRF token besides the socket's own, as `https://api.example.com`.
   * No other server sees them, whatever `fetch` is called with. @default none
   */
  trustedOrigins?: readonly string[];
  /** The scheme of Authorization when the token goes by HTTP; the server's WSREQUEST_TOKEN_SCHEME. @default "JWT" */
  tokenScheme?: string;
  /** How long calls wait for a socket that is being opened, from its beginning on, in milliseconds. @default 2000 */
  openTimeoutMs?: number;
  /** How many calls may wait for it; further ones go by HTTP. @default 256 */
  queueLimit?: number;
  /** Name of Django's CSRF cookie (CSRF_COOKIE_NAME). @default "csrftoken" */
  csrfCookieName?: string;
  /** The token itself, where no script can read that cookie; the socket tells when it changes. @default none */
  csrfToken?: string;
  /** Name of the header that it goes in. @default "X-CSRFToken" */
  csrfHeaderName?: string;
  /** The `Referrer-Policy` that the page was sent with, which no script can see. @default "strict-origin-when-cross-origin" */
  referrerPolicy?: ReferrerPolicy;
  /** The WebSocket class; Node 20 has none of its own. @default globalThis.WebSocket */
  WebSocket?: unknown;
  /** What HTTP goes by. @default globalThis.fetch */
  fetch?: typeof globalThis.fetch;
}
