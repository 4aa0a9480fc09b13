/** A PostgreSQL server for a test file, whose write-ahead log is the bus, and `psql` on it. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./servers.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PYTHON = join(ROOT, ".venv/bin/python");

/** Whether the machine has its programs. */
export const hasPostgres = (): boolean =>
  spawnSync("psql", ["--version"]).status === 0 && spawnSync(PYTHON, ["-c", "from tests.postgres import find_programs; assert find_programs()"], { cwd: ROOT }).status === 0;

export interface Postgres {
  /** Settings of a Django project that has it as its database. */
  django: Record<string, unknown>;
  /** Runs SQL by `psql`, with `input` for COPY, and returns what it prints. */
  psql(sql: string, input?: string): string;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<Postgres> {
  const place = mkdtempSync(join(tmpdir(), "wsrequest-postgres-"));
  const file = join(place, "address");
  const server = spawn(PYTHON, ["-m", "tests.postgres", file], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const text = await until("PostgreSQL answers", () => {
    if (server.exitCode !== null) throw new Error("PostgreSQL did not start");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }, 60);
  const env = Object.fromEntries([...text.matchAll(/export (\w+)=(.*)/g)].map(([, name, value]) => [name!, value!]));
  const psql: Postgres["psql"] = (sql, input = "") => {
    const words = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", sql, "postgres"];
    const { status, stdout, stderr } = spawnSync("psql", words, { env: { ...process.env, ...env }, encoding: "utf8", input });
    if (status !== 0) throw new Error(stderr);
    return stdout.trim();
  };
  psql("CREATE PUBLICATION wsrequest FOR ALL TABLES");
  return {
    django: {
      DATABASES: {
        default: { ENGINE: "django.db.backends.postgresql", NAME: "postgres", HOST: env["PGHOST"], PORT: env["PGPORT"], USER: env["PGUSER"], PASSWORD: env["PGPASSWORD"] },
      },
      WSREQUEST_BUS: "postgresql+log://default",
    },
    psql,
    async stop() {
      server.kill("SIGTERM");
      await ended;
      rmSync(place, { recursive: true });
    },
  };
}
