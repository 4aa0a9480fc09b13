/**
 * The demo in two processes, as a project has it that stays on WSGI: one for HTTP, one for the socket, behind a proxy.
 *
 * The proxy reads HTTP, and sends what is below /ws/ to the one and all else to the other. What cannot be reached is 502.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createServer, request, type Server as HttpServer } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Demo } from "../demo/served.js";
import { freePort } from "./ports.js";
import { listen, until } from "./servers.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PYTHON = join(ROOT, ".venv/bin/python");

/** One of tests/browser/halves.py. */
function begin(words: string[], env: NodeJS.ProcessEnv): ChildProcess {
  const given = { ...env, PYTHONPATH: join(ROOT, "demo") };
  return spawn(PYTHON, ["-m", "tests.browser.halves", ...words], { cwd: ROOT, env: given, stdio: ["pipe", "pipe", "ignore"] });
}
async function end(process: ChildProcess, how: () => unknown): Promise<void> {
  const ended = new Promise((resolve) => process.once("exit", resolve));
  how();
  await ended;
}

export class Halves {
  readonly sockets = new Set<Socket>();
  origin = "";

  private constructor(
    readonly socketSide: Demo,
    readonly httpSide: ChildProcess,
    readonly proxy: HttpServer,
  ) {}

  static async start(): Promise<Halves> {
    const socketSide = await Demo.serve();
    const port = await freePort();
    const httpSide = begin(["wsgi", String(port)], socketSide.env);
    await until("HTTP answers", () => fetch(`http://127.0.0.1:${port}/api/recent/`).then(({ ok }) => ok, () => false), 40);
    const portOf = (url = ""): number => (url.startsWith("/ws/") ? socketSide.port : port);
    const proxy = createServer((asked, answer) => {
      const { method, url, headers } = asked;
      const passed = request({ host: "127.0.0.1", port: portOf(url), method, path: url, headers }, (found) => {
        answer.writeHead(found.statusCode!, found.headers);
        found.pipe(answer);
        answer.on("close", () => found.destroy());
      });
      passed.on("error", () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
      asked.pipe(passed);
    });
    const halves = new Halves(socketSide, httpSide, proxy);
    proxy.on("upgrade", (asked, socket: Socket) => {
      const other = connect(portOf(asked.url), "127.0.0.1");
      for (const each of [socket, other]) halves.sockets.add(each.on("close", () => halves.sockets.delete(each)));
      const lines = asked.rawHeaders.map((text, index) => text + (index % 2 ? "\r\n" : ": "));
      other.write(`GET ${asked.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
      other.on("error", () => socket.destroy()).pipe(socket);
      socket.on("error", () => other.destroy()).pipe(other);
    });
    halves.origin = `http://127.0.0.1:${await listen(proxy)}`;
    return halves;
  }

  async stop(): Promise<void> {
    for (const each of this.sockets) each.destroy();
    this.proxy.closeAllConnections();
    this.proxy.close();
    await end(this.httpSide, () => this.httpSide.kill());
    await this.socketSide.end();
  }
}

/** Django's StaticLiveServerTestCase, which serves no socket. */
export async function liveServer(): Promise<{ origin: string; create: (title: string) => void; stop: () => Promise<void> }> {
  const { DEMO_DB: _, ...env } = process.env;
  const running = begin(["live-server"], env);
  let printed = "";
  running.stdout!.on("data", (text) => (printed += String(text)));
  const [, origin] = await until("the live server", () => /(http\S+)\n/.exec(printed), 60);
  return {
    origin: origin!,
    create: (title) => void running.stdin!.write(`${title}\n`),
    stop: () => end(running, () => running.stdin!.end()),
  };
}
