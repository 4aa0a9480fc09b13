/** The project with an admin (admin_project) on a real server, and somebody who writes to its database. */
import { startProject } from "./started.js";

/** Verb, model, filter, values: `write` in admin_project/urls.py. */
export type Step = [verb: "create" | "update" | "delete" | "log", model: string, chosen: object, values: object];

export interface AdminServer {
  origin: string;
  write(...steps: Step[]): Promise<number[]>;
  /** Title and `is_public` of each note, by key. */
  rows(): Promise<Record<string, [string, boolean]>>;
  log(): string;
  /** Runs Python in a process of its own. */
  run(code: string): void;
  stop(): Promise<void>;
}

interface Options {
  theme?: "unfold" | "jazzmin";
  django?: Record<string, unknown>;
  python?: string;
}

export async function startAdmin({ theme, django = {}, python }: Options = {}): Promise<AdminServer> {
  const project = await startProject("admin_project", "/ready/", { PROJECT_THEME: theme ?? "", PROJECT_SETTINGS: JSON.stringify(django) }, python);
  const { origin, log } = project;
  return {
    ...project,
    async write(...steps) {
      const response = await fetch(`${origin}/write/`, { method: "POST", body: JSON.stringify(steps) });
      if (!response.ok) throw new Error(`${response.status}:\n${log()}`);
      return (await response.json()) as number[];
    },
    rows: async () => (await (await fetch(`${origin}/rows/`)).json()) as Record<string, [string, boolean]>,
  };
}
