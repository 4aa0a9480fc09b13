/** The options of a Client. Every option has a default. */
export interface Options {
  /** The address of the socket: a path, or a URL with the scheme ws, wss, http or https. @default "/ws/" */
  url?: string;
  /**
   * The token of each request, or a function that returns it. The client calls the function again after a 401 or 403,
   * after a logout elsewhere, and after `close()`. @default none
   */
  token?: string | (() => string | null | Promise<string | null>);
  /**
   * More origins that get the token and the CSRF token, such as `https://api.example.com`. The socket's own origin always gets them.
   * No other server sees them, whatever URL you pass to `fetch`. @default none
   */
  trustedOrigins?: readonly string[];
  /** The scheme of the Authorization header when the token goes over HTTP: the server's WSREQUEST_TOKEN_SCHEME. @default "JWT" */
  tokenScheme?: string;
  /** How long calls wait for the socket, in milliseconds from when it starts to open. @default 2000 */
  openTimeoutMs?: number;
  /** How many calls may wait for the socket. Further calls go over HTTP. @default 256 */
  queueLimit?: number;
  /** The name of Django's CSRF cookie (CSRF_COOKIE_NAME). @default "csrftoken" */
  csrfCookieName?: string;
  /** The CSRF token itself, if scripts cannot read that cookie. The socket updates it. @default none */
  csrfToken?: string;
  /** The name of the header for the CSRF token. @default "X-CSRFToken" */
  csrfHeaderName?: string;
  /** The `Referrer-Policy` header of the page, which scripts cannot read. @default "strict-origin-when-cross-origin" */
  referrerPolicy?: ReferrerPolicy;
  /** The WebSocket class. Node 20 lacks one, so pass one there. @default globalThis.WebSocket */
  WebSocket?: unknown;
  /** The function that sends requests over HTTP. @default globalThis.fetch */
  fetch?: typeof globalThis.fetch;
}
