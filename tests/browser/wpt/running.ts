/** Runs Web Platform Tests in Chromium, by the browser's own fetch or by the client's, and tells how each subtest ended. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { freePort } from "../ports.js";
import { until } from "../servers.js";
import type { Test } from "./tests.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const PATIENCE_MS = 25_000; // testharness.js gives up after 10 s
const PASS = 0;

/** Of a page: whether each of its subtests passed, or how the page itself failed. */
export interface Results {
  passed: Set<string>;
  /** Of those that did not pass: why. */
  failed: Map<string, string>;
}

interface Reported {
  status: number;
  message: string | null;
  results: { name: string; status: number; message: string | null }[];
}

/** What a page or worker runs before its tests: the client, behind fetch for every path. */
async function prelude(): Promise<string> {
  const contents = `
    import { Client } from "./client/src/index.ts";
    if (globalThis.fetch && !globalThis.GLOBAL?.wsrequest) new Client({ url: "/ws/" }).install({ paths: ["/"] });`;
  const stdin = { contents, resolveDir: ROOT, loader: "ts" as const };
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: "iife", target: "es2022" });
  return outputFiles[0]!.text;
}

/** The tests' own handlers, in a Django project on two ports. */
export class WptServer {
  private constructor(
    readonly origin: string,
    readonly process: ChildProcess,
    readonly folder: string,
    readonly said: string[],
  ) {}

  static async start(root: string, isOurs: boolean): Promise<WptServer> {
    const folder = mkdtempSync(join(tmpdir(), "wsrequest-wpt-"));
    const ports = [await freePort(), await freePort()];
    const env: NodeJS.ProcessEnv = { ...process.env, WPT_ROOT: root, WPT_PORTS: ports.join(",") };
    if (isOurs) {
      env["WPT_PRELUDE"] = join(folder, "prelude.js");
      writeFileSync(env["WPT_PRELUDE"], await prelude());
    }
    const server = spawn(join(ROOT, ".venv/bin/python"), ["-m", "tests.browser.wpt"], { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    const said: string[] = [];
    for (const stream of [server.stdout, server.stderr]) stream.on("data", (data) => void (said.length < 500 && said.push(String(data))));
    const found = new WptServer(`http://localhost:${ports[0]}`, server, folder, said);
    await until("the tests are served", async () => {
      if (server.exitCode !== null) throw new Error(`the server ended:\n${said.join("")}`);
      return fetch(`http://127.0.0.1:${ports[0]}/common/blank.html`).then(({ ok }) => ok, () => false);
    }, 40);
    return found;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 5_000);
    await ended;
    clearTimeout(timer);
    rmSync(this.folder, { recursive: true });
  }
}

/** Open the page of one test in `page`, without cookies of others, and wait for what its harness reports. */
export async function run(page: Page, origin: string, { page: path }: Test): Promise<Results> {
  const found: Results = { passed: new Set(), failed: new Map() };
  try {
    await page.context().clearCookies();
    await page.goto(`${origin}/${path}`, { waitUntil: "commit", timeout: PATIENCE_MS });
    const handle = await page.waitForFunction(() => (globalThis as { wptResults?: unknown }).wptResults, null, { timeout: PATIENCE_MS });
    const { status, message, results } = (await handle.jsonValue()) as Reported;
    for (const { name: given, status, message } of results) {
      const name = given.replace(/(localhost|127\.0\.0\.1):\d+/g, "$1:PORT"); // the two servers have others
      if (status === PASS) found.passed.add(name);
      else found.failed.set(name, message ?? `status ${status}`);
    }
    if (status) found.failed.set("(the page)", message ?? `status ${status}`);
  } catch (error) {
    found.failed.set("(the page)", String(error).split("\n")[0]!);
  }
  return found;
}

/** Do `act` with each of `items`, one at a time for each of `workers`. */
export async function inTurns<T, W>(items: readonly T[], workers: readonly W[], act: (item: T, worker: W) => Promise<void>): Promise<void> {
  const rest = [...items];
  const work = async (worker: W): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await act(item, worker);
  };
  await Promise.all(workers.map(work));
}
