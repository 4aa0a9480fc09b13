/**
 * Firefox as Debian has it, by WebDriver BiDi (W3C), which it speaks itself: no driver stands between.
 *
 * Playwright drives a Firefox of its own making only, so this has the four commands that a test needs.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { until } from "./servers.js";

interface Answer {
  id?: number;
  result?: unknown;
  error?: string;
  message?: string;
}
interface Value {
  type: "success" | "exception";
  result?: { type: string; value?: string };
  exceptionDetails?: { text: string };
}

export class Firefox {
  #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #context = "";

  private constructor(
    readonly process: ChildProcess,
    readonly profile: string,
    readonly socket: WebSocket,
  ) {
    socket.on("message", (data) => {
      const answer = JSON.parse(String(data)) as Answer;
      this.#waiting.get(answer.id!)?.(answer);
    });
  }

  static async launch(path: string): Promise<Firefox> {
    const profile = mkdtempSync(join(tmpdir(), "wsrequest-firefox-"));
    const words = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
    const process = spawn(path, words, { stdio: ["ignore", "ignore", "pipe"] });
    let printed = "";
    process.stderr.on("data", (text) => (printed += String(text)));
    const [, address] = await until("Firefox listens", () => /BiDi listening on (ws:\S+)/.exec(printed), 60);
    const socket = new WebSocket(`${address}/session`);
    await new Promise((resolve) => socket.once("open", resolve));
    const firefox = new Firefox(process, profile, socket);
    await firefox.#send("session.new", { capabilities: {} });
    const { contexts } = (await firefox.#send("browsingContext.getTree", {})) as { contexts: { context: string }[] };
    firefox.#context = contexts[0]!.context;
    return firefox;
  }

  async goto(url: string): Promise<void> {
    await this.#send("browsingContext.navigate", { context: this.#context, url, wait: "complete" });
  }

  /** What a function, or the text of one, gives in the page, as JSON carries it. It finds nothing of its surroundings there. */
  async evaluate<T, Given = undefined>(act: ((given: Given) => T | Promise<T>) | string, given?: Given): Promise<T> {
    const found = (await this.#send("script.callFunction", {
      functionDeclaration: `async (given) => JSON.stringify(await (${String(act)})(JSON.parse(given))) ?? "null"`,
      arguments: [{ type: "string", value: JSON.stringify(given ?? null) }],
      awaitPromise: true,
      target: { context: this.#context },
    })) as Value;
    if (found.type === "exception") throw new Error(found.exceptionDetails!.text);
    return JSON.parse(found.result!.value!) as T;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.socket.close();
    this.process.kill();
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(timer);
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  async #send(method: string, params: object): Promise<unknown> {
    const id = ++this.#lastId;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params }));
    const { result, error, message } = await answered;
    this.#waiting.delete(id);
    if (error) throw new Error(`${method}: ${error}: ${message}`);
    return result;
  }
}
