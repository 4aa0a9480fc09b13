/**
 * The live admin in a real browser, while somebody else writes: change lists follow, and no edit and no tick ever comes to
 * another row.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Locator, Page } from "playwright-core";
import { startAdmin, type AdminServer } from "./admins.js";
import { useBrowser } from "./visits.js";

const visit = useBrowser();
let server: AdminServer;
/** The keys of the notes "b", "d" and "f". */
let keys: number[];
beforeAll(async () => void (server = await startAdmin()));
afterAll(() => server?.stop());
beforeEach(async () => {
  await server.write(["delete", "note", {}, {}], ["delete", "topic", {}, {}]);
  keys = await add("b", "d", "f");
});

const add = (...titles: string[]): Promise<number[]> => server.write(...titles.map((title) => ["create", "note", {}, { title }] as const).map((step) => [...step] as ["create", "note", object, object]));
const rename = (key: number, title: string): Promise<unknown> => server.write(["update", "note", { pk: key }, { title }]);

/** Open a page of the admin as a user, once it is live. */
async function open(path: string, user = "ann"): Promise<Page> {
  const { page } = await visit(`${server.origin}/enter/?user=${user}`);
  await page.goto(`${server.origin}/admin/${path}`);
  await live(page);
  return page;
}
const live = (page: Page): Promise<unknown> => page.waitForFunction(() => document.documentElement.dataset["liveState"] === "live");
const NOTES = "admin_project/note/";
const DRAFTS = "admin_project/draft/";

const titles = (page: Page): Promise<string[]> => page.locator("#result_list tbody th").allTextContents();
async function shows(page: Page, wanted: string[]): Promise<void> {
  await expect.poll(() => titles(page), { timeout: 30_000 }).toEqual(wanted);
}
const bar = (page: Page): Locator => page.locator(".wsrequest-bar.wsrequest-shown");
async function says(page: Page, text: string | RegExp): Promise<void> {
  await bar(page).getByRole("status").filter({ hasText: text }).waitFor();
}
const tick = (page: Page, key: number): Promise<void> => page.locator(`input[name=_selected_action][value="${key}"]`).check();
const ticked = (page: Page): Promise<string[]> =>
  page.locator("input[name=_selected_action]:checked").evaluateAll((boxes) => boxes.map((box) => (box as HTMLInputElement).value));
/** The title field of a draft, found by the key that the row shows. */
const titleField = (page: Page, key: number): Locator => page.locator("#result_list tr", { has: page.getByRole("link", { name: String(key), exact: true }) }).locator("input[name$=-title]");

test("a list follows in two browsers: rows, order, counts", async () => {
  const [one, other] = [await open(NOTES), await open(NOTES, "bob")];
  for (const page of [one, other]) await shows(page, ["b", "d", "f"]);
  const [key] = await add("c");
  for (const page of [one, other]) {
    await shows(page, ["b", "c", "d", "f"]);
    expect(await page.locator(".paginator").textContent()).toContain("4 notes");
    expect(await page.locator(".action-counter").textContent()).toBe("0 of 4 selected");
  }
  await rename(key!, "z");
  for (const page of [one, other]) await shows(page, ["b", "d", "f", "z"]);
  await server.write(["delete", "note", { pk__in: [keys[0], keys[1]] }, {}]);
  for (const page of [one, other]) await shows(page, ["f", "z"]);
});

test("what one does in the admin the other's list shows", async () => {
  const [one, other] = [await open(NOTES), await open(NOTES, "bob")];
  await tick(one, keys[1]!);
  await one.locator("select[name=action]").selectOption("delete_selected");
  await one.getByRole("button", { name: "Run" }).or(one.getByRole("button", { name: "Go" })).click();
  await one.getByRole("button", { name: "Yes, I’m sure" }).click();
  await one.locator(".messagelist").getByText("Successfully deleted 1 note.").waitFor();
  await live(one);
  for (const page of [one, other]) await shows(page, ["b", "f"]);
  expect(await other.locator(".messagelist").count()).toBe(0);
  await add("a");
  await shows(one, ["a", "b", "f"]);
  expect(await one.locator(".messagelist").count()).toBe(1);
});

test("an edited field stays in its row, and is saved to it, while somebody else inserts", async () => {
  const page = await open(DRAFTS);
  await titleField(page, keys[1]!).fill("d, edited");
  const [key] = await add("by somebody else"); // the first row, as the order is that of -pk
  await says(page, "1 change");
  expect(await page.locator("#result_list tbody tr").count()).toBe(3);
  await rename(keys[0]!, "b, renamed");
  await says(page, "2 changes");
  await bar(page).getByRole("button").click();
  await titleField(page, key!).waitFor();
  expect(await bar(page).count()).toBe(0);
  expect(await titleField(page, keys[1]!).inputValue()).toBe("d, edited");
  expect(await titleField(page, key!).inputValue()).toBe("by somebody else");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".messagelist").waitFor();
  expect(await server.rows()).toEqual({
    [keys[0]!]: ["b, renamed", false],
    [keys[1]!]: ["d, edited", false],
    [keys[2]!]: ["f", false],
    [key!]: ["by somebody else", false],
  });
});

test("saving while versions are held changes no row but the edited one", async () => {
  const page = await open(DRAFTS);
  await titleField(page, keys[1]!).fill("d, edited");
  const [key] = await add("by somebody else");
  await server.write(["update", "note", { pk: keys[0] }, { title: "b, renamed", is_public: true }]);
  await says(page, "2 changes");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".messagelist").waitFor();
  expect(await server.rows()).toEqual({
    [keys[0]!]: ["b, renamed", true],
    [keys[1]!]: ["d, edited", false],
    [keys[2]!]: ["f", false],
    [key!]: ["by somebody else", false],
  });
});

test("the admin's widgets work in rows that came: the calendar, and the links beside a foreign key", async () => {
  const page = await open(DRAFTS);
  const [topic] = await server.write(["create", "topic", {}, { name: "Weather" }]);
  const [key] = await server.write(["create", "note", {}, { title: "new", topic_id: topic, day: "2026-11-05" }]);
  const row = page.locator("#result_list tr", { has: page.getByRole("link", { name: String(key), exact: true }) });
  expect(await row.locator("a.change-related").getAttribute("href")).toContain(`/topic/${topic}/change/`);
  await row.locator(".datetimeshortcuts a").nth(1).click();
  await page.locator(".calendarbox:visible").getByRole("link", { name: "17", exact: true }).click();
  expect(await row.locator("input.vDateField").inputValue()).toBe("2026-11-17");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".messagelist").getByText("1 draft was changed").waitFor();
});

test("held versions are drawn when the edit is taken back", async () => {
  const page = await open(DRAFTS);
  await titleField(page, keys[2]!).fill("f, edited");
  const [key] = await add("by somebody else");
  await says(page, "1 change");
  await titleField(page, keys[2]!).fill("f");
  await titleField(page, key!).waitFor();
  expect(await bar(page).count()).toBe(0);
  // The field has the focus still, and its name is another now.
  expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).name)).toBe("form-1-title");
  await titleField(page, keys[2]!).pressSequentially("!");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".messagelist").waitFor();
  expect((await server.rows())[keys[2]!]).toEqual(["f!", false]);
});

test("a row that is edited and deleted meanwhile is named before it is lost", async () => {
  const page = await open(DRAFTS);
  await titleField(page, keys[1]!).fill("d, edited");
  await server.write(["delete", "note", { pk: keys[1] }, {}]);
  await says(page, "1 change");
  await bar(page).getByText(`no longer in the list: ${keys[1]}`).waitFor();
  expect(await titleField(page, keys[1]!).inputValue()).toBe("d, edited");
  await bar(page).getByRole("button").click();
  await titleField(page, keys[1]!).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Save" }).click();
  await live(page);
  expect(await server.rows()).toEqual({ [keys[0]!]: ["b", false], [keys[2]!]: ["f", false] });
});

test("ticks stay with their rows, and delete what was ticked", async () => {
  const page = await open(NOTES);
  await tick(page, keys[1]!);
  const [first] = await add("a");
  await says(page, "1 change");
  expect(await titles(page)).toEqual(["b", "d", "f"]);
  await bar(page).getByRole("button").click();
  await shows(page, ["a", "b", "d", "f"]);
  expect(await ticked(page)).toEqual([String(keys[1])]);
  expect(await page.locator(".action-counter").textContent()).toBe("1 of 4 selected");
  expect(await page.locator("tr.selected th").allTextContents()).toEqual(["d"]);
  await page.locator("select[name=action]").selectOption("delete_selected");
  await page.locator("button[name=index]").click();
  await page.getByRole("button", { name: "Yes, I’m sure" }).click();
  await page.locator(".messagelist").waitFor();
  expect(Object.keys(await server.rows())).toEqual([keys[0], keys[2], first].map(String));
});

test("the admin's own script knows the rows that came: toggle, Shift, count", async () => {
  const page = await open(NOTES);
  const [a, c] = await add("a", "c");
  await shows(page, ["a", "b", "c", "d", "f"]);
  await page.locator("#action-toggle").check();
  expect(await ticked(page)).toHaveLength(5);
  expect(await page.locator(".action-counter").textContent()).toBe("5 of 5 selected");
  await page.locator("#action-toggle").uncheck();
  expect(await ticked(page)).toEqual([]);
  await tick(page, a!);
  await page.locator(`input[name=_selected_action][value="${c}"]`).click({ modifiers: ["Shift"] });
  expect(await ticked(page)).toEqual([a, keys[0], c].map(String));
  expect(await page.locator(".action-counter").textContent()).toBe("3 of 5 selected");
});

test("a list that was empty gets rows, boxes and counts, and can lose them", async () => {
  await server.write(["delete", "note", {}, {}]);
  const page = await open(NOTES);
  expect(await page.locator("#result_list").count()).toBe(0);
  await add("a", "b");
  await shows(page, ["a", "b"]);
  await page.locator("#action-toggle").check();
  expect(await ticked(page)).toHaveLength(2);
  expect(await page.locator(".action-counter").textContent()).toBe("2 of 2 selected");
  await page.locator("#action-toggle").uncheck();
  await server.write(["delete", "note", {}, {}]);
  await page.locator("#result_list").waitFor({ state: "detached" });
  await add("c");
  await shows(page, ["c"]);
  await page.locator("#action-toggle").check();
  expect(await ticked(page)).toHaveLength(1);
});

test("select all across pages is held, and acts on what it says", async () => {
  await add("g", "h", "i"); // five on a page
  const page = await open(NOTES);
  await page.locator("#action-toggle").check();
  await page.locator(".question a").getByText("Select all 6 notes").click();
  await add("j");
  await says(page, "1 change"); // the count
  expect(await page.locator("input.select-across").inputValue()).toBe("1");
  expect(await page.locator(".clear a").isVisible()).toBe(true);
  await page.locator(".clear a").click();
  await page.locator(".paginator").getByText("7 notes").waitFor();
  expect(await ticked(page)).toEqual([]);
  await page.locator("#action-toggle").check();
  await page.locator(".question a").getByText("Select all 7 notes").waitFor();
});

test("select all across pages works when the second page has just come", async () => {
  await add("g", "h"); // five on a page
  const page = await open(NOTES);
  await add("i");
  await page.locator(".paginator").getByText("6 notes").waitFor();
  await page.locator("#action-toggle").check();
  await page.locator(".question a").getByText("Select all 6 notes").click();
  expect(await page.locator("input.select-across").inputValue()).toBe("1");
  await page.locator(".all").getByText("All 6 selected").waitFor();
  await page.locator(".clear a").click();
  expect(await ticked(page)).toEqual([]);
  expect(await page.locator("input.select-across").inputValue()).toBe("0");
});

test.each([
  ["a filter", "?is_public__exact=1", "p", ["p"]],
  ["a search", "?q=p", "p", ["p"]],
  ["a filter that it does not pass", "?is_public__exact=0", "q", ["b", "d", "f", "q"]],
  ["an order", "?o=-1", "e", ["f", "e", "d", "b"]],
  ["the second page", "?p=2", "", ["h"]],
])("a list with %s follows", async (_, query, title, wanted) => {
  if (query === "?p=2") await add("g", "a");
  const page = await open(NOTES + query);
  const step = (title: string, more: object): Promise<unknown> => server.write(["create", "note", {}, { title, ...more }]);
  if (title === "p") await step("p", { is_public: true });
  else if (title) await step(title, {});
  else await step("h", {});
  await shows(page, wanted);
  expect(page.url()).toContain(query);
});

test("filters, the date hierarchy and what is typed into the search follow", async () => {
  const page = await open(NOTES);
  await page.locator("#searchbar").fill("half a wo");
  await server.write(["create", "topic", {}, { name: "Weather" }], ["create", "note", {}, { title: "old", day: "2020-01-02" }]);
  await page.locator("#changelist-filter").getByRole("link", { name: "Weather" }).waitFor();
  await page.locator("#changelist").getByRole("link", { name: "2020", exact: true }).waitFor();
  expect(await page.locator("#searchbar").inputValue()).toBe("half a wo");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("searchbar");
});

test("a list without boxes and links follows by the keys that the page tells", async () => {
  const page = await open("admin_project/memo/");
  const cells = (): Promise<string[]> => page.locator("#result_list tbody tr :first-child").allTextContents();
  const row = await page.locator("#result_list tbody tr").nth(1).elementHandle();
  await add("a");
  await expect.poll(cells, { timeout: 30_000 }).toEqual(["a", "b", "d", "f"]);
  expect(await row!.evaluate((element) => (element as HTMLTableRowElement).rowIndex)).toBe(3);
});

test("a popup to choose from follows, and gives the row that was clicked", async () => {
  const page = await open(`${NOTES}?_popup=1&_to_field=id`);
  const [key] = await add("a");
  await shows(page, ["a", "b", "d", "f"]);
  const link = page.getByRole("link", { name: "a", exact: true });
  expect(await link.getAttribute("data-popup-opener")).toBe(String(key));
});

test("a permission that is withdrawn takes the rows off the screen", async () => {
  const page = await open(NOTES, "eve");
  await shows(page, ["b", "d", "f"]);
  try {
    await server.write(["update", "user", { username: "eve" }, { is_staff: false }]);
    await page.waitForURL(/\/admin\/login\//);
    expect(await page.locator("#result_list").count()).toBe(0);
  } finally {
    await server.write(["update", "user", { username: "eve" }, { is_staff: true }]);
  }
});

test("rows are not touched while a button is down on them", async () => {
  const page = await open(NOTES);
  const box = page.locator(`input[name=_selected_action][value="${keys[1]}"]`);
  await box.hover();
  await page.mouse.down();
  await add("a");
  const [other] = [await open(NOTES, "bob")];
  await shows(other, ["a", "b", "d", "f"]);
  await page.waitForTimeout(300);
  expect(await titles(page)).toEqual(["b", "d", "f"]);
  await page.mouse.up();
  expect(await ticked(page)).toEqual([String(keys[1])]);
  await says(page, "1 change");
});

test("the dashboard and the history of an object follow", async () => {
  const [index, history] = [await open(""), await open(`${NOTES}${keys[1]}/history/`)];
  await server.write(["log", "note", { pk: keys[1] }, { by: "bob", flag: 2 }], ["log", "note", { pk: keys[1] }, { by: "ann", flag: 2 }]);
  await index.locator("#recent-actions-module .actionlist li").getByText("it", { exact: true }).waitFor(); // ann's own
  await expect.poll(() => history.locator("#change-history tbody tr").count(), { timeout: 30_000 }).toBe(2);
});

const CHANGE = (): string => `${NOTES}${keys[1]}/change/`;
const log = (flag: number, by = "bob"): ["log", string, object, object] => ["log", "note", { pk: keys[1] }, { by, flag }];

test("a change form says who changed its object, and keeps what was typed", async () => {
  const page = await open(CHANGE());
  await page.locator("#id_text").fill("half a sen");
  await server.write(["update", "note", { pk: keys[1] }, { title: "d, by bob" }], log(2));
  await says(page, "Changed by bob since you opened it.");
  expect(await page.locator("#id_title").inputValue()).toBe("d");
  await bar(page).getByRole("button", { name: "Show" }).click();
  await bar(page).getByText("d → d, by bob").waitFor();
  expect(await page.locator("#id_text").inputValue()).toBe("half a sen");
  await bar(page).getByRole("button", { name: "Load it" }).click();
  await expect.poll(() => page.locator("#id_title").inputValue()).toBe("d, by bob");
  expect(await page.locator("#id_text").inputValue()).toBe("");
});

test("a change form in which nothing was typed is loaded at once when the user asks", async () => {
  const page = await open(CHANGE());
  await server.write(["update", "note", { pk: keys[1] }, { title: "d, by a script" }]);
  await says(page, /^Changed since/);
  expect(await page.locator("#id_title").inputValue()).toBe("d");
  await bar(page).getByRole("button", { name: "Show" }).click();
  await expect.poll(() => page.locator("#id_title").inputValue()).toBe("d, by a script");
  expect(await bar(page).count()).toBe(0);
});

test("a form with filter_horizontal says who changed its object, keeps what was moved, and saves it", async () => {
  const [eve] = await server.write(["create", "user", {}, { username: `eve${Date.now()}` }]);
  const page = await open(`auth/user/${eve}/change/`);
  const options = (side: "from" | "to"): Promise<number> => page.locator(`#id_user_permissions_${side} option`).count();
  await expect.poll(() => options("from"), { timeout: 30_000 }).toBeGreaterThan(9);
  const all = await options("from");
  // Django's script has made two lists of one. That is no entry of the user.
  await server.write(["update", "user", { pk: eve }, { first_name: "Eva" }]);
  await says(page, /^Changed since/);
  await bar(page).getByRole("button", { name: "Show" }).click();
  await expect.poll(() => page.locator("#id_first_name").inputValue()).toBe("Eva");
  await expect.poll(() => options("from"), { timeout: 30_000 }).toBe(all);

  await page.locator("#id_user_permissions_from option").nth(2).dblclick();
  await server.write(["update", "user", { pk: eve }, { first_name: "Evi" }]);
  await says(page, /^Changed since/);
  await bar(page).getByRole("button", { name: "Show" }).click();
  await bar(page).getByText("Eva → Evi").waitFor();
  expect(await bar(page).locator("dd").allTextContents()).toEqual(["Eva → Evi"]);
  expect([await options("from"), await options("to")]).toEqual([all - 1, 1]);
  await page.locator("[name=_continue]").click();
  await page.locator(".messagelist").waitFor();
  await live(page);
  await expect.poll(() => options("to"), { timeout: 30_000 }).toBe(1);
  expect(await options("from")).toBe(all - 1);
});

test("a change form says that a row of its inlines changed", async () => {
  await server.write(["create", "line", {}, { note_id: keys[1], text: "one" }], ["create", "line", {}, { note_id: keys[1], text: "two" }]);
  const page = await open(CHANGE());
  await page.locator("#id_text").fill("half a sen");
  await server.write(["delete", "line", { text: "one" }, {}]);
  await says(page, "Changed since you opened it.");
  await bar(page).getByRole("button", { name: "Show" }).click();
  expect(await bar(page).locator("dd").allTextContents()).toEqual(["one → empty"]);
});

test("a change form says that its object was deleted, and keeps what was typed", async () => {
  const page = await open(CHANGE());
  await page.locator("#id_text").fill("half a sen");
  await server.write(log(3), ["delete", "note", { pk: keys[1] }, {}]);
  await says(page, "Deleted by bob since you opened it.");
  expect(await page.locator("#id_text").inputValue()).toBe("half a sen");
});

test("a change form whose visitor is logged out keeps what was typed, and an untouched one goes to the login", async () => {
  const [typed, untouched] = [await open(CHANGE()), await open(CHANGE(), "bob")];
  await typed.locator("#id_text").fill("half a sen");
  await server.write(["delete", "session", {}, {}]);
  await says(typed, "Your session has ended.");
  expect(await typed.locator("#id_text").inputValue()).toBe("half a sen");
  await untouched.waitForURL(/\/admin\/login\//);
});

test("saving says nothing of one's own change", async () => {
  const page = await open(CHANGE());
  const other = await open(NOTES, "bob");
  await page.evaluate(() => {
    const note = (): void => void (document.querySelector(".wsrequest-shown") && sessionStorage.setItem("shown", "yes"));
    new MutationObserver(note).observe(document, { subtree: true, childList: true, attributes: true });
  });
  await page.route(/\/change\/$/, async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    const response = await route.fetch({ maxRedirects: 0 });
    await shows(other, ["b", "d, by ann", "f"]); // so the page has it, too, while its answer is on the way
    await new Promise((resolve) => setTimeout(resolve, 300));
    await route.fulfill({ response });
  });
  await page.locator("#id_title").fill("d, by ann");
  await page.getByRole("button", { name: "Save and continue editing" }).click();
  await page.locator(".messagelist").waitFor();
  await live(page);
  expect(await page.evaluate(() => sessionStorage.getItem("shown"))).toBe(null);
  expect(await bar(page).count()).toBe(0);
});

/** What each theme and each version of Django must do: follow, hold, count, and keep edits in their rows. */
async function works(server: AdminServer): Promise<void> {
  await server.write(["delete", "note", {}, {}]);
  const [b, d] = await server.write(["create", "note", {}, { title: "b" }], ["create", "note", {}, { title: "d" }]);
  const { page } = await visit(`${server.origin}/enter/?user=ann`);
  const refused: string[] = [];
  await page.exposeFunction("noteViolation", (what: string) => refused.push(what));
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation", ({ violatedDirective, sourceFile, blockedURI }) => void (globalThis as unknown as { noteViolation(what: string): void }).noteViolation(`${violatedDirective} ${blockedURI} ${sourceFile}`)));
  const boxes = (): Promise<string[]> => page.locator("input[name=_selected_action]").evaluateAll((all) => all.map((box) => (box as HTMLInputElement).value));

  await page.goto(`${server.origin}/admin/${NOTES}`);
  await live(page);
  const [c] = await server.write(["create", "note", {}, { title: "c" }]);
  await expect.poll(boxes, { timeout: 30_000 }).toEqual([b, c, d].map(String));
  await page.locator(`input[name=_selected_action][value="${d}"]`).check();
  const [a] = await server.write(["create", "note", {}, { title: "a" }]);
  await says(page, "1 change");
  expect(await boxes()).toEqual([b, c, d].map(String));
  await bar(page).getByRole("button").click();
  await expect.poll(boxes, { timeout: 30_000 }).toEqual([a, b, c, d].map(String));
  expect(await ticked(page)).toEqual([String(d)]);
  expect(await page.locator(".action-counter").first().textContent()).toMatch(/^\s*1 of 4 selected\s*$/);

  await page.goto(`${server.origin}/admin/${DRAFTS}`);
  await live(page);
  const field = page.locator("#result_list input[name$=-title]").nth(2); // of b, in the order of -pk: a c d b
  expect(await field.inputValue()).toBe("d");
  await field.fill("d, edited");
  await server.write(["create", "note", {}, { title: "e" }]);
  await says(page, "1 change");
  await bar(page).getByRole("button").click();
  await expect.poll(boxes, { timeout: 30_000 }).toHaveLength(5);
  await page.locator("[name=_save]").first().click();
  await expect.poll(async () => (await server.rows())[d!]).toEqual(["d, edited", false]);
  expect(Object.values(await server.rows()).map(([title]) => title).sort()).toEqual(["a", "b", "c", "d, edited", "e"]);

  await page.goto(`${server.origin}/admin/${NOTES}${b}/change/`);
  await live(page);
  await page.locator("#id_text").fill("half a sen");
  await server.write(["update", "note", { pk: b }, { title: "b, by bob" }], ["log", "note", { pk: b }, { by: "bob", flag: 2 }]);
  await says(page, "Changed by bob");
  await bar(page).getByRole("button").click();
  await bar(page).getByText("b → b, by bob").waitFor();
  expect(refused).toEqual([]);
}

test.each(["unfold", "jazzmin"] as const)("the live admin works beside %s", async (theme) => {
  const server = await startAdmin({ theme });
  try {
    await works(server);
  } finally {
    await server.stop();
  }
});

const policy = (nonce: string): Record<string, string[]> => ({
  ...{ "default-src": ["'none'"], "script-src": [nonce, "'self'"], "style-src": ["'self'"], "img-src": ["'self'"], "connect-src": ["'self'"] },
  ...{ "form-action": ["'self'"], "base-uri": ["'none'"] },
});

test("the live admin works behind a strict policy", async () => {
  const server = await startAdmin({ django: { MIDDLEWARE: ["csp.middleware.CSPMiddleware"], POLICY: policy("nonce") } });
  try {
    await works(server);
  } finally {
    await server.stop();
  }
});

test("lists and forms follow with Trusted Types on", async () => {
  const types = { "require-trusted-types-for": ["'script'"], "trusted-types": ["wsrequest", "default"] };
  const server = await startAdmin({ django: { MIDDLEWARE: ["csp.middleware.CSPMiddleware"], POLICY: { ...policy("nonce"), ...types } } });
  try {
    const { page } = await visit(`${server.origin}/enter/?user=ann`);
    await page.addInitScript(() => {
      const { trustedTypes } = globalThis as unknown as { trustedTypes: { createPolicy(name: string, rules: object): void } };
      // The admin's own scripts need one. It takes no whole page.
      trustedTypes.createPolicy("default", { createHTML: (html: string) => (/<html/.test(html) ? null : html) });
    });
    await page.goto(`${server.origin}/admin/${NOTES}`);
    await live(page);
    await server.write(["create", "note", {}, { title: "a" }]);
    await shows(page, ["a", "b", "d", "f"]);
    await page.goto(`${server.origin}/admin/${NOTES}1/change/`);
    await live(page);
    await server.write(["update", "note", { pk: 1 }, { title: "changed" }]);
    await says(page, "Changed since you opened it.");
  } finally {
    await server.stop();
  }
});

const DJANGO_6 = process.env["DJANGO_6_PYTHON"];
const mustHaveAll = Boolean(process.env["CI"] ?? process.env["TEST_ALL"]);

test.skipIf(!DJANGO_6 && !mustHaveAll)("the live admin works on Django 6, behind its policy (needs .nox, which scripts/test makes)", async () => {
  if (!DJANGO_6) throw new Error("no environment of noxfile.py has Django 6: run scripts/test");
  const django = { MIDDLEWARE: ["django.middleware.csp.ContentSecurityPolicyMiddleware"], SECURE_CSP: policy("<CSP_NONCE_SENTINEL>") };
  const server = await startAdmin({ django, python: DJANGO_6 });
  try {
    await works(server);
  } finally {
    await server.stop();
  }
});

test("going back restores no edit by the number of its row", async () => {
  const page = await open(DRAFTS);
  await titleField(page, keys[2]!).fill("f, edited");
  await page.evaluate(() => addEventListener("unload", () => {})); // no back/forward cache
  await page.goto(`${server.origin}/admin/`);
  const [key] = await add("by somebody else");
  await page.goBack();
  await live(page);
  expect(await titleField(page, key!).inputValue()).toBe("by somebody else");
  expect(await titleField(page, keys[2]!).inputValue()).toBe("f");
});
