/** The project of plain pages (pages_project) on a real server, and somebody who writes to its database. */
import type { Page } from "playwright-core";
import type { LivePages } from "../../client/src/pages/index.js";
import type { Client } from "../../client/src/index.js";
import { startProject } from "./started.js";

/** `write` in pages_project/views.py. */
export type Step = ["create" | "delete", title: string] | ["rename", title: string, to: string] | ["by", way: string, title: string];

export interface PagesServer {
  origin: string;
  /** Returns the keys of the notes, by title. */
  write(...steps: Step[]): Promise<Record<string, number>>;
  /** How often the view of the notes ran, and how often that at `/counted/`. */
  runs(): Promise<{ live: number; http: number; counted: number }>;
  log(): string;
  /** Runs Python in a process of its own. */
  run(code: string): void;
  stop(): Promise<void>;
}

export async function startPages(django: Record<string, unknown> = {}): Promise<PagesServer> {
  const project = await startProject("pages_project", "/runs/", { PROJECT_SETTINGS: JSON.stringify(django) });
  const { origin, log } = project;
  return {
    ...project,
    async write(...steps) {
      const response = await fetch(`${origin}/write/`, { method: "POST", body: JSON.stringify(steps) });
      if (!response.ok) throw new Error(`${response.status}:\n${log()}`);
      return (await response.json()) as Record<string, number>;
    },
    runs: async () => ({ live: 0, http: 0, counted: 0, ...((await (await fetch(`${origin}/runs/`)).json()) as object) }),
  };
}

/** `window.wsrequest` with pages.js. */
export type LiveClient = Client & LivePages;

/** Resolves when the page, or what the selector finds, has this state. */
export async function isIn(page: Page, state: string, selector = "html"): Promise<void> {
  await page.waitForSelector(`${selector}[data-live-state=${state}]`, { state: "attached" });
}

/** Resolves when the page shows these notes. */
export async function shows(page: Page, ...titles: string[]): Promise<void> {
  await page.waitForFunction(
    (wanted) => [...document.querySelectorAll("#notes li")].map((row) => row.firstChild!.textContent!.trim()).join() === wanted,
    titles.join(),
  );
}
