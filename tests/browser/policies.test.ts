/**
 * Pages behind the Content-Security-Policy of Django 6 and of django-csp: only what has the nonce runs, and no
 * string becomes a script (Trusted Types). The tag is the first on its page to use the nonce.
 */
import { expect, test } from "vitest";
import { Server } from "./servers.js";
import { useBrowser } from "./visits.js";

const visit = useBrowser();
/** An interpreter with Django 6, which scripts/client takes from noxfile.py's environments. */
const DJANGO_6 = process.env["DJANGO_6_PYTHON"];
const mustHaveAll = Boolean(process.env["CI"] ?? process.env["TEST_ALL"]);

const policy = (nonce: string): Record<string, string[]> => ({
  ...{ "default-src": ["'none'"], "script-src": [nonce], "connect-src": ["'self'"], "base-uri": ["'none'"] },
  ...{ "require-trusted-types-for": ["'script'"], "trusted-types": ["'none'"] },
});

async function everyPartRuns(server: Server): Promise<void> {
  const { page, byHttp } = await visit(server.origin);
  const header = (await page.request.get(server.origin)).headers()["content-security-policy"];
  expect(header).toMatch(/script-src 'nonce-[\w+/=-]+'/);
  expect(header).toContain("require-trusted-types-for 'script'");
  await page.waitForFunction(() => globalThis.wsrequest, null, { timeout: 5000 });
  const found = await page.evaluate(async () => {
    const refused: string[] = [];
    document.addEventListener("securitypolicyviolation", ({ violatedDirective }) => refused.push(violatedDirective));
    const way = await (await wsrequest.fetch("/way/")).text();
    const pull = (to: ReadableStreamDefaultController): void => (to.enqueue(new Uint8Array(100_000)), to.close());
    const init = { method: "POST", body: new ReadableStream({ pull }), duplex: "half" };
    const echoed = await (await wsrequest.fetch("/echo/", init)).arrayBuffer(); // by upload.js
    const live = await wsrequest.live("/way/").ready().catch(({ code }: { code: string }) => code);
    return { refused, way, length: echoed.byteLength, live };
  });
  // The server says so of a view that reads nothing, to live.js.
  expect(found).toEqual({ refused: [], way: "socket", length: 100_000, live: "not_live" });
  expect(byHttp).toContain("GET /static/wsrequest/live.js");
}

test("the client runs behind django-csp", async () => {
  const server = await Server.start({}, {
    MIDDLEWARE: ["csp.middleware.CSPMiddleware"],
    BROWSER_POLICY: policy("nonce"),
  });
  try {
    await everyPartRuns(server);
  } finally {
    await server.stop();
  }
});

test.skipIf(!DJANGO_6 && !mustHaveAll)("the client runs behind the policy of Django 6 (needs .nox, which scripts/test makes)", async () => {
  if (!DJANGO_6) throw new Error("no environment of noxfile.py has Django 6: run scripts/test");
  const server = await Server.start({}, {
    MIDDLEWARE: ["django.middleware.csp.ContentSecurityPolicyMiddleware"],
    SECURE_CSP: policy("<CSP_NONCE_SENTINEL>"),
  }, DJANGO_6);
  try {
    await everyPartRuns(server);
  } finally {
    await server.stop();
  }
});
