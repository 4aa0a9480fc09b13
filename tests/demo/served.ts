/** The demo as a person starts it: seeded, on a free port, with a database of its own; it can be stopped and started again. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../browser/ports.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PYTHON = join(ROOT, ".venv/bin/python");
const MANAGE = join(ROOT, "demo/manage.py");

/** Whether each thread of a process is stopped; a signal does not reach all of them at once. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).every((task) => /^State:\s+T/m.test(readFileSync(`${tasks}/${task}/status`, "utf8")));
  } catch {
    return false; // one ended meanwhile
  }
}

export class Demo {
  /** False from the moment it is frozen, killed or stopped until it answers again. */
  isUp = false;
  #process: ChildProcess | null = null;
  #place = mkdtempSync(join(tmpdir(), "wsrequest-demo-"));
  #env: NodeJS.ProcessEnv;

  private constructor(
    readonly port: number,
    settings: Record<string, string>,
  ) {
    this.#env = { ...process.env, DEMO_DB: join(this.#place, "demo.sqlite3"), DEMO_DEBUG: "1", ...settings };
  }

  /** `settings` are DEMO_* variables. */
  static async serve(settings: Record<string, string> = {}): Promise<Demo> {
    const demo = new Demo(await freePort(), settings);
    for (const words of [["migrate", "--verbosity", "0"], ["seed"]]) demo.#manage(words);
    await demo.start();
    return demo;
  }

  /** Another process with the same database and settings, at a port of its own. */
  async another(): Promise<Demo> {
    const other = new Demo(await freePort(), {});
    other.#env = this.#env;
    await other.start();
    return other;
  }

  /** Runs one command, and returns what it printed. */
  #manage(words: string[], input = ""): string {
    const { status, stdout, stderr } = spawnSync(PYTHON, [MANAGE, ...words], { env: this.#env, encoding: "utf8", input });
    if (status !== 0) throw new Error(`manage.py ${words[0]} failed: ${stderr}`);
    return stdout;
  }

  /** What the demo's Django makes of a template. */
  render(template: string): string {
    const code = "import sys; from django.template import engines as e; print(e['django'].from_string(sys.stdin.read()).render())";
    return this.#manage(["shell", "--verbosity", "0", "--command", code], template);
  }

  /** Runs Python in a process of its own, as an import or a cron job would; nobody serves what it writes until the next start. */
  run(code: string): void {
    this.#manage(["shell", "--verbosity", "0", "--command", code]);
  }

  /** Of its processes: whatever is begun with it shares its database. */
  get env(): NodeJS.ProcessEnv {
    return this.#env;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Runs it at the port that it has. */
  async start(): Promise<void> {
    const words = [MANAGE, "runserver", `127.0.0.1:${this.port}`, "--noreload"];
    const running = (this.#process = spawn(PYTHON, words, { env: this.#env, stdio: "ignore" }));
    while (!(await fetch(`${this.origin}/api/recent/`).then((response) => response.ok, () => false))) {
      if (running.exitCode !== null) throw new Error(`the demo ended with ${running.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    this.isUp = true;
  }

  /** Let it answer nothing while `work` is done. */
  async frozenDuring<T>(work: () => Promise<T>): Promise<T> {
    const running = this.#process!;
    this.isUp = false;
    running.kill("SIGSTOP");
    try {
      while (!isStopped(running.pid!)) await new Promise((resolve) => setTimeout(resolve, 1));
      return await work();
    } finally {
      this.isUp = this.#process?.kill("SIGCONT") ?? false;
    }
  }

  /** As a crash does; `start()` brings it back. */
  async kill(): Promise<void> {
    await this.stop("SIGKILL");
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const running = this.#process;
    if (!running) return;
    this.#process = null;
    this.isUp = false;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill(signal);
    await ended;
  }

  async end(): Promise<void> {
    await this.stop();
    rmSync(this.#place, { recursive: true });
  }
}
