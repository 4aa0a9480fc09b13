/** The project of plain pages (pages_project) on a real server, and somebody who writes to its database. */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import type { LivePages } from "../../client/src/pages/index.js";
import type { Client } from "../../client/src/index.js";
import { freePort } from "./ports.js";
import { until } from "./servers.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** `write` in pages_project/views.py. */
export type Step = ["create" | "delete", title: string] | ["rename", title: string, to: string];

export interface PagesServer {
  origin: string;
  /** Returns the keys of the notes, by title. */
  write(...steps: Step[]): Promise<Record<string, number>>;
  runs(): Promise<{ live: number; http: number }>;
  log(): string;
  stop(): Promise<void>;
}

export async function startPages(django: Record<string, unknown> = {}): Promise<PagesServer> {
  const data = mkdtempSync(join(tmpdir(), "wsrequest-pages-"));
  const port = await freePort();
  const env = { ...process.env, PROJECT_DATA: data, PROJECT_SETTINGS: JSON.stringify(django), PYTHONUNBUFFERED: "1" };
  const log = openSync(join(data, "log"), "a");
  const words = ["-m", "uvicorn", "tests.browser.pages_project.asgi:application", "--ws", "websockets-sansio", "--port", String(port), "--no-access-log"];
  const server = spawn(join(ROOT, ".venv/bin/python"), words, { cwd: ROOT, env, stdio: ["ignore", log, log] });
  closeSync(log);
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const origin = `http://127.0.0.1:${port}`;
  const text = (): string => readFileSync(join(data, "log"), "utf8");
  await until("the server answers", async () => {
    if (server.exitCode !== null) throw new Error(`the server ended:\n${text()}`);
    return fetch(`${origin}/runs/`).then(({ ok }) => ok, () => false);
  }, 60);
  return {
    origin,
    log: text,
    async write(...steps) {
      const response = await fetch(`${origin}/write/`, { method: "POST", body: JSON.stringify(steps) });
      if (!response.ok) throw new Error(`${response.status}:\n${text()}`);
      return (await response.json()) as Record<string, number>;
    },
    runs: async () => ({ live: 0, http: 0, ...((await (await fetch(`${origin}/runs/`)).json()) as object) }),
    async stop() {
      server.kill("SIGTERM");
      const timer = setTimeout(() => server.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(timer);
      rmSync(data, { recursive: true });
    },
  };
}

/** `window.wsrequest` with pages.js. */
export type LiveClient = Client & LivePages;

/** Resolves when the page, or what the selector finds, has this state. */
export async function isIn(page: Page, state: string, selector = "html"): Promise<void> {
  await page.waitForSelector(`${selector}[data-live-state=${state}]`, { state: "attached" });
}

/** Resolves when the page shows these notes. */
export async function shows(page: Page, ...titles: string[]): Promise<void> {
  await page.waitForFunction(
    (wanted) => [...document.querySelectorAll("#notes li")].map((row) => row.firstChild!.textContent!.trim()).join() === wanted,
    titles.join(),
  );
}
