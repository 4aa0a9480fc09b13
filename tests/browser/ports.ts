/** Ports for the servers that tests start (the same as tests/ports.py). */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

// Below the ports that systems give to outgoing connections and to those who ask for any (32768 and up on Linux). A server
// may start seconds after its port was chosen, or start again at the same one, and until then nothing else must get it.
const [FIRST, END] = [12_000, 32_000];

/** Returns a port of 127.0.0.1 that nobody listens on, and that no connection gets by chance. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer().once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
