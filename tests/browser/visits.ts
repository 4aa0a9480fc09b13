/**
 * One browser for a test file, and pages in it, each in a context (cookies, cache) of its own.
 *
 * What a page's own code does is in the tests; what it finds on `window.wsrequest` is the client.
 */
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { Client } from "../../client/src/index.js";

declare global {
  /** By the template tag. */
  // eslint-disable-next-line no-var
  var wsrequest: Client;
}

const FLAGS = [
  ...["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  ...["--disable-sync", "--no-first-run"],
];

export interface Visit {
  page: Page;
  context: BrowserContext;
  /** Method and path of each request by HTTP since the page was there; "ticket" for that of a ticket. */
  byHttp: string[];
  /** Method and address of each request by a socket of the page; "cancel" where one was taken back. */
  bySocket: string[];
  /** The frames that its sockets have received, as text. */
  received: string[];
  /** What the console warns of, and its errors. */
  complaints: string[];
}

export interface BrowserOptions {
  /** Whether media may play before anybody has clicked. */
  autoplays?: boolean;
  /** Whether it has the back/forward cache, which Playwright switches off. */
  keepsPages?: boolean;
}

/** What a text or binary frame of the client asks for, if it is a request or takes one back. */
function asked(frame: string | Buffer): string | null {
  const head = typeof frame === "string" ? frame : frame.toString("utf8", 0, frame.indexOf("\n"));
  const { method = "GET", url, cancel } = JSON.parse(head) as { method?: string; url?: string; cancel?: true };
  if (cancel) return "cancel";
  return url === undefined ? null : `${method} ${url}`;
}

/** Call at the top of a test file: a browser for it, and a function that opens pages. */
export function useBrowser({ autoplays = false, keepsPages = false }: BrowserOptions = {}): (url: string, options?: BrowserContextOptions) => Promise<Visit> {
  let browser: Browser;
  let visits: Visit[] = [];
  const problems: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: process.env["CHROMIUM"]!, // scripts/client sets it
      args: [...FLAGS, ...(autoplays ? ["--autoplay-policy=no-user-gesture-required"] : [])],
      ignoreDefaultArgs: keepsPages ? ["--disable-back-forward-cache"] : [],
    });
  });
  afterEach(async () => {
    for (const { context } of visits) await context.close();
    visits = [];
    // Whatever a test looked at: no promise of the client's was left without a handler.
    expect(problems.splice(0)).toEqual([]);
  });
  afterAll(() => browser?.close());

  return async (url, options = {}) => {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const bySocket: string[] = [];
    const received: string[] = [];
    page.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => {
        const what = asked(payload);
        if (what) bySocket.push(what);
      });
      socket.on("framereceived", ({ payload }) => received.push(String(payload)));
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (/error|warning/.test(message.type())) complaints.push(message.text());
    });
    await page.goto(url);
    const byHttp: string[] = [];
    context.on("request", (request) => {
      const isTicket = "x-wsrequest-ticket" in request.headers();
      const { pathname } = new URL(request.url());
      // A file of the client, which no call is.
      if (!pathname.endsWith("/wsrequest/upload.js")) byHttp.push(isTicket ? "ticket" : `${request.method()} ${pathname}`);
    });
    const visit = { page, context, byHttp, bySocket, received, complaints };
    visits.push(visit);
    return visit;
  };
}

/** Resolves when the client of the page stands so. */
export async function reaches(page: Page, state: Client["state"]): Promise<void> {
  await page.waitForFunction((wanted) => globalThis.wsrequest.state === wanted, state);
}

/** Make the client of a page that has no template tag, from the built file at `path` of its origin. */
export async function useClient(page: Page, path: string, options: { url?: string; token?: string } = {}): Promise<void> {
  // A text, since Vitest would make its own of an import.
  const make = `({ Client }) => void (globalThis.wsrequest = new Client(${JSON.stringify(options)}))`;
  await page.evaluate(`import(${JSON.stringify(path)}).then(${make})`);
}
