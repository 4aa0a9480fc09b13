/** The demo as a real server, on a free port and with a database of its own, for the length of a test file. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../tests/browser/ports.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PYTHON = join(ROOT, ".venv/bin/python");

export async function startDemo(): Promise<{ url: string; stop: () => Promise<void> }> {
  const place = mkdtempSync(join(tmpdir(), "wsrequest-"));
  const env = { ...process.env, DEMO_DB: join(place, "demo.sqlite3"), DEMO_DEBUG: "1" };
  const manage = (...words: string[]): string[] => [join(ROOT, "demo/manage.py"), ...words];
  const account = { ...env, DJANGO_SUPERUSER_USERNAME: "ann", DJANGO_SUPERUSER_PASSWORD: "pw", DJANGO_SUPERUSER_EMAIL: "ann@example.com" };
  for (const words of [["migrate", "--verbosity", "0"], ["createsuperuser", "--noinput"]]) {
    const { status, stderr } = spawnSync(PYTHON, manage(...words), { env: account, encoding: "utf8" });
    if (status !== 0) throw new Error(`${words[0]} failed: ${stderr}`);
  }
  const port = await freePort();
  const server = spawn(PYTHON, manage("runserver", `127.0.0.1:${port}`, "--noreload"), { env, stdio: "ignore" });
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/api/languages/`).then((response) => response.ok, () => false))) {
    if (server.exitCode !== null) throw new Error(`the demo ended with ${server.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const stop = async (): Promise<void> => {
    server.kill("SIGTERM");
    await ended;
    rmSync(place, { recursive: true });
  };
  return { url, stop };
}
