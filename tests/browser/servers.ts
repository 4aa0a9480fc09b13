/**
 * The project of these tests on a real server, which can be killed and brought back on its port.
 *
 * Owns its process and its journal. The browser that visits it is in `visits.ts`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo, Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PYTHON = join(ROOT, ".venv/bin/python");

export interface Event {
  event: string;
  [fact: string]: unknown;
}

/** The first true value of `holds`, asked again and again; fails after `seconds`. */
export async function until<T>(what: string, holds: () => T | Promise<T>, seconds = 15): Promise<NonNullable<T>> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Listen on a free port, and tell which. */
export function listen(server: NetServer, port = 0): Promise<number> {
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}

export class Server {
  readonly data = mkdtempSync(join(tmpdir(), "wsrequest-browser-"));
  /** How often it was begun. */
  life = 0;
  /** False from the moment it is frozen, killed or stopped until it answers again. */
  isUp = false;
  #process!: ChildProcess;
  #ended!: Promise<unknown>;

  private constructor(
    readonly port: number,
    readonly settings: Record<string, unknown>,
    readonly django: Record<string, unknown>,
    readonly python: string,
  ) {}

  /**
   * `settings` are the package's own, without their prefix, and Django's of sessions. `django` are others of
   * Django's and of other packages; a list is put before the project's own.
   */
  static async start(
    settings: Record<string, unknown> = {},
    django: Record<string, unknown> = {},
    python = PYTHON,
  ): Promise<Server> {
    const server = new Server(await freePort(), settings, django, python);
    await server.begin();
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  async begin(): Promise<void> {
    const settings = Object.entries(this.settings).map(([name, value]) => [
      name.startsWith("SESSION_") && name !== "SESSION_CHECK_SECONDS" ? name : `WSREQUEST_${name}`,
      JSON.stringify(value),
    ]);
    const env = { ...process.env, ...Object.fromEntries(settings), PYTHONUNBUFFERED: "1" };
    Object.assign(env, { BROWSER_DATA: this.data, BROWSER_LIFE: String(++this.life), BROWSER_SETTINGS: JSON.stringify(this.django) });
    const words = ["-m", "uvicorn", "tests.browser.project.asgi:application", "--ws", "websockets-sansio"];
    const log = openSync(join(this.data, "log"), "a");
    const stdio: ["ignore", number, number] = ["ignore", log, log];
    const place = ["--host", "127.0.0.1", "--port", String(this.port), "--no-access-log"];
    this.#process = spawn(this.python, [...words, ...place], { cwd: ROOT, env, stdio });
    closeSync(log);
    this.#ended = new Promise((resolve) => this.#process.once("exit", resolve));
    await until("the server answers", async () => {
      if (this.#process.exitCode !== null) throw new Error(`the server ended:\n${this.log()}`);
      return fetch(`${this.origin}/way/`).then(({ ok }) => ok, () => false);
    }, 40);
    this.isUp = true;
  }

  /** As a crash does: no close frame, no answer, no clean-up. */
  async kill(): Promise<void> {
    this.isUp = false;
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  /** Let it read and answer nothing until it is killed. */
  freeze(): void {
    this.isUp = false;
    this.#process.kill("SIGSTOP");
  }

  async stop(): Promise<void> {
    this.isUp = false;
    if (this.#process.signalCode) return rmSync(this.data, { recursive: true });
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 10_000);
    await this.#ended;
    clearTimeout(timer);
    rmSync(this.data, { recursive: true });
  }

  log(): string {
    return readFileSync(join(this.data, "log"), "utf8");
  }

  /** What the views noted, of this key only where one is given. */
  journal(key?: string): Event[] {
    const path = join(this.data, "journal");
    const lines = existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
    const events = lines.filter(Boolean).map((line) => JSON.parse(line) as Event);
    return key === undefined ? events : events.filter((event) => event["key"] === key);
  }

  /** The names of what the views noted of this key, in order. */
  events(key: string): string[] {
    return this.journal(key).map(({ event }) => event);
  }

  memoryBytes(): number {
    const found = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"));
    return Number(found![1]) * 1024;
  }
}
