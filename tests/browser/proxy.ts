/**
 * A proxy as networks have them, with their faults: it drops upgrades, cuts what is idle, or goes deaf.
 *
 * It works on the bytes of TCP connections. A browser makes one of its own for each WebSocket, so the first
 * bytes tell whether it is one. While the server is down it holds what is new, as a load balancer does. It asks
 * the server whether it is up, and not the network: the kernel accepts connections for a process that is frozen,
 * or that is being killed, and resets them when the process has ended.
 */
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { listen } from "./servers.js";

/** What is behind the proxy. */
export interface Target {
  readonly port: number;
  /** False from the moment it is frozen, killed or stopped until it answers again. */
  readonly isUp: boolean;
}

export interface Faults {
  /** What becomes of a handshake: passed on, cut, answered 400, or never answered. */
  upgrades?: "pass" | "cut" | "refuse" | "ignore";
  /** Cut a connection on which nothing has come for so long, in milliseconds. */
  idleMs?: number;
}

export class Proxy {
  /** How many handshakes came. */
  handshakes = 0;
  /** How many connections were cut for being idle. */
  cut = 0;
  /** Pass nothing on any more of the sockets that are open, and close none of them. */
  isDeaf = false;
  #server: NetServer;
  #open = new Set<Socket>();

  private constructor(
    readonly target: Target,
    readonly faults: Faults,
  ) {
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(target: Target, faults: Faults = {}): Promise<Proxy & { origin: string }> {
    const proxy = new Proxy(target, faults);
    const port = await listen(proxy.#server);
    return Object.assign(proxy, { origin: `http://127.0.0.1:${port}` });
  }

  /** Cut all connections that are open. */
  cutAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    socket.on("error", () => {}).on("close", () => this.#open.delete(socket));
    socket.once("data", (head) => {
      socket.pause();
      const isUpgrade = /^upgrade: *websocket/im.test(head.toString("latin1"));
      if (isUpgrade) this.handshakes++;
      const { upgrades = "pass" } = this.faults;
      if (!isUpgrade || upgrades === "pass") this.#pass(socket, head, isUpgrade);
      else if (upgrades === "cut") socket.destroy();
      else if (upgrades === "refuse") socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
  }

  #pass(socket: Socket, head: Buffer, isUpgrade: boolean): void {
    const again = (): void => void setTimeout(() => this.#pass(socket, head, isUpgrade), 20);
    if (socket.destroyed) return;
    if (!this.target.isUp) return again();
    const other = connect(this.target.port, "127.0.0.1");
    other.once("error", () => (other.bytesWritten ? socket.destroy() : again()));
    other.once("connect", () => {
      if (!this.target.isUp) return void (other.destroy(), again());
      this.#open.add(other);
      other.write(head);
      let timer: NodeJS.Timeout | undefined;
      const moved = (): void => {
        clearTimeout(timer);
        const cut = (): void => {
          this.cut++;
          socket.destroy();
        };
        if (this.faults.idleMs) timer = setTimeout(cut, this.faults.idleMs);
      };
      for (const [from, to] of [[socket, other], [other, socket]] as const) {
        from.on("data", (bytes) => {
          moved();
          if (this.isDeaf && isUpgrade) return;
          if (!to.write(bytes)) from.pause();
        });
        to.on("drain", () => from.resume());
        from.on("close", () => {
          clearTimeout(timer);
          if (!(this.isDeaf && isUpgrade)) to.destroy();
        });
      }
      moved();
      socket.resume();
    });
    other.on("close", () => this.#open.delete(other));
  }
}
