/** What axe finds wrong in a page for those who do not see it as others do. */
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

/** The script, for `page.addInitScript({ path: AXE })` before the page is loaded. */
export const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** The rule and the element of each finding. */
export function violations(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { target: unknown }[] }[] }> } };
    const found = (await axe.run()).violations;
    return found.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${JSON.stringify(target)}`));
  });
}
