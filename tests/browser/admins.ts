/** The project with an admin (admin_project) on a real server, and somebody who writes to its database. */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.js";
import { until } from "./servers.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Verb, model, filter, values: `write` in admin_project/urls.py. */
export type Step = [verb: "create" | "update" | "delete" | "log", model: string, chosen: object, values: object];

export interface AdminServer {
  origin: string;
  write(...steps: Step[]): Promise<number[]>;
  /** Title and `is_public` of each note, by key. */
  rows(): Promise<Record<string, [string, boolean]>>;
  log(): string;
  stop(): Promise<void>;
}

interface Options {
  theme?: "unfold" | "jazzmin";
  django?: Record<string, unknown>;
  python?: string;
}

export async function startAdmin({ theme, django = {}, python = join(ROOT, ".venv/bin/python") }: Options = {}): Promise<AdminServer> {
  const data = mkdtempSync(join(tmpdir(), "wsrequest-admin-"));
  const port = await freePort();
  const env = { ...process.env, PROJECT_DATA: data, PROJECT_THEME: theme ?? "", PROJECT_SETTINGS: JSON.stringify(django), PYTHONUNBUFFERED: "1" };
  const log = openSync(join(data, "log"), "a");
  const words = ["-m", "uvicorn", "tests.browser.admin_project.asgi:application", "--ws", "websockets-sansio"];
  const server = spawn(python, [...words, "--port", String(port), "--no-access-log"], { cwd: ROOT, env, stdio: ["ignore", log, log] });
  closeSync(log);
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const origin = `http://127.0.0.1:${port}`;
  const text = (): string => readFileSync(join(data, "log"), "utf8");
  await until("the server answers", async () => {
    if (server.exitCode !== null) throw new Error(`the server ended:\n${text()}`);
    return fetch(`${origin}/ready/`).then(({ ok }) => ok, () => false);
  }, 60);
  return {
    origin,
    log: text,
    async write(...steps) {
      const response = await fetch(`${origin}/write/`, { method: "POST", body: JSON.stringify(steps) });
      if (!response.ok) throw new Error(`${response.status}:\n${text()}`);
      return (await response.json()) as number[];
    },
    rows: async () => (await (await fetch(`${origin}/rows/`)).json()) as Record<string, [string, boolean]>,
    async stop() {
      server.kill("SIGTERM");
      const timer = setTimeout(() => server.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(timer);
      rmSync(data, { recursive: true });
    },
  };
}
