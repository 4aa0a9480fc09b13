/** A project on a real server, for the length of a test file. */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.js";
import { until } from "./servers.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Project {
  origin: string;
  log(): string;
  /** Runs Python with the project's settings in a process of its own, as a console or a cron job would. */
  run(code: string): void;
  stop(): Promise<void>;
}

/** Starts uvicorn with `tests.browser.NAME.asgi`, which has a database of its own, and waits until `ready` answers. */
export async function startProject(name: string, ready: string, settings: Record<string, string>, python = join(ROOT, ".venv/bin/python")): Promise<Project> {
  const data = mkdtempSync(join(tmpdir(), "wsrequest-project-"));
  const port = await freePort();
  const env = { ...process.env, PROJECT_DATA: data, PYTHONUNBUFFERED: "1", ...settings };
  const log = openSync(join(data, "log"), "a");
  const words = ["-m", "uvicorn", `tests.browser.${name}.asgi:application`, "--ws", "websockets-sansio", "--port", String(port), "--no-access-log"];
  const server = spawn(python, words, { cwd: ROOT, env, stdio: ["ignore", log, log] });
  closeSync(log);
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const origin = `http://127.0.0.1:${port}`;
  const text = (): string => readFileSync(join(data, "log"), "utf8");
  await until("the server answers", async () => {
    if (server.exitCode !== null) throw new Error(`the server ended:\n${text()}`);
    return fetch(origin + ready).then(({ ok }) => ok, () => false);
  }, 60);
  return {
    origin,
    log: text,
    run(code) {
      const words = ["-c", `import django; django.setup()\n${code}`];
      const { status, stderr } = spawnSync(python, words, { cwd: ROOT, env: { ...env, DJANGO_SETTINGS_MODULE: `tests.browser.${name}.settings` }, encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
    },
    async stop() {
      server.kill("SIGTERM");
      const timer = setTimeout(() => server.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(timer);
      rmSync(data, { recursive: true });
    },
  };
}
