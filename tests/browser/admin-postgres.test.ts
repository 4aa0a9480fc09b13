/** The live admin on PostgreSQL, in two browsers, while a script and `psql` write, of which no server process knows. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { startAdmin, type AdminServer } from "./admins.js";
import { isIn } from "./live-pages.js";
import { hasPostgres, startPostgres, type Postgres } from "./postgres.js";
import { useBrowser } from "./visits.js";

const mustHaveAll = Boolean(process.env["CI"] ?? process.env["TEST_ALL"]);
const isHere = hasPostgres() || mustHaveAll;
const visit = useBrowser();
let postgres: Postgres;
let server: AdminServer;
beforeAll(async () => {
  if (!isHere) return;
  postgres = await startPostgres();
  server = await startAdmin({ django: postgres.django });
});
afterAll(async () => {
  await server?.stop();
  await postgres?.stop();
});

/** Opens the list of notes as a user, once it is live. */
async function open(user: string): Promise<Page> {
  const { page } = await visit(`${server.origin}/enter/?user=${user}`, { viewport: { width: 1000, height: 560 } });
  await page.goto(`${server.origin}/admin/admin_project/note/`);
  await isIn(page, "live");
  return page;
}
async function shows(pages: Page[], ...wanted: string[]): Promise<void> {
  for (const page of pages) await expect.poll(() => page.locator("#result_list tbody th").allTextContents(), { timeout: 30_000 }).toEqual(wanted);
}
const INSERT = "INSERT INTO admin_project_note (title, text, is_public, day)";

test.skipIf(!isHere)("the change list follows in two browsers while a script and psql write (needs PostgreSQL)", async () => {
  const pages = [await open("ann"), await open("bob")];
  await shows(pages, "b", "d", "f");

  server.run("from tests.browser.admin_project.models import Note; Note.objects.create(title='a, by a script')");
  await shows(pages, "a, by a script", "b", "d", "f");
  for (const page of pages) expect(await page.locator(".paginator").textContent()).toContain("4 notes");

  postgres.psql(`${INSERT} VALUES ('c, by psql', '', false, now())`);
  await shows(pages, "a, by a script", "b", "c, by psql", "d", "f");
  postgres.psql("UPDATE admin_project_note SET title = 'e, by psql', is_public = true WHERE title = 'd'");
  await shows(pages, "a, by a script", "b", "c, by psql", "e, by psql", "f");
  for (const page of pages) await page.locator("#result_list tr", { hasText: "e, by psql" }).locator("img[alt=True]").waitFor();

  // Nobody sees what is rolled back, and a ticked row holds the list of its user only.
  const [one, other] = pages as [Page, Page];
  await one.locator("#result_list tr", { hasText: "f" }).last().locator("input[name=_selected_action]").check();
  postgres.psql(`BEGIN; ${INSERT} VALUES ('never', '', false, now()); ROLLBACK`);
  postgres.psql("BEGIN; DELETE FROM admin_project_note WHERE title LIKE 'c%'; UPDATE admin_project_note SET title = 'b, renamed' WHERE title = 'b'; COMMIT");
  await shows([other], "a, by a script", "b, renamed", "e, by psql", "f");
  await one.locator(".wsrequest-bar.wsrequest-shown").getByRole("status").filter({ hasText: "2 changes" }).waitFor();
  await shows([one], "a, by a script", "b", "c, by psql", "e, by psql", "f");
  await one.locator("input[name=_selected_action]:checked").uncheck();
  await shows(pages, "a, by a script", "b, renamed", "e, by psql", "f");

  postgres.psql(`COPY admin_project_note (title, text, is_public, day) FROM STDIN`, "g, copied\t\tf\t2026-01-01\n");
  await shows(pages, "a, by a script", "b, renamed", "e, by psql", "f", "g, copied");
  await other.locator("#result_list th a", { hasText: "e, by psql" }).click();
  await isIn(other, "live");
  postgres.psql("DELETE FROM admin_project_note WHERE title LIKE 'e%'");
  await other.locator(".wsrequest-bar.wsrequest-shown").getByRole("status").filter({ hasText: "Deleted since you opened it." }).waitFor();
  await shows([one], "a, by a script", "b, renamed", "f", "g, copied");
});
