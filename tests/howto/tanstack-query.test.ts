/** docs/howto/tanstack-query.md */
import { expect, test } from "vitest";
import { until } from "../browser/servers.js";
import { useRecipes, type Opened } from "./recipes.js";

const { demo, open, interrupted } = useRecipes();
type Recipe = typeof import("./pages/tanstack-query.js");

/** A page that shows the first page of the list. */
async function visit(): Promise<Opened<Recipe>> {
  const opened = await open<Recipe>("pages/tanstack-query.tsx");
  await opened.recipe.evaluate(({ show }) => show(1));
  await opened.page.locator("li").first().waitFor();
  return opened;
}

test("queries and mutations go by the socket, and a mutation has the list fetched again", async () => {
  const { page, byHttp, bySocket } = await visit();
  await page.fill("[name=title]", "By a mutation");
  await page.fill("[name=code]", "x = 1");
  await page.click("button");
  await page.locator("li", { hasText: "By a mutation" }).waitFor();
  expect(bySocket).toEqual(["GET /api/snippets/?page=1", "POST /api/snippets/", "GET /api/snippets/?page=1"]);
  expect(byHttp).toEqual([]);
});

test("a 400 of DRF is shown at the fields", async () => {
  const { page, byHttp, bySocket } = await visit();
  await page.click("button");
  await page.locator("form", { hasText: "This field may not be blank." }).waitFor();
  expect(bySocket).toEqual(["GET /api/snippets/?page=1", "POST /api/snippets/"]);
  expect(byHttp).toEqual([]);
});

test("a query that nobody looks at any more is cancelled", async () => {
  const opened = await visit();
  const { recipe, bySocket } = opened;
  await interrupted(opened, "GET /api/snippets/?page=2", () => recipe.evaluate(({ show }) => show(2)), () =>
    recipe.evaluate(({ leave }) => leave()),
  );
  await until("it is told", () => bySocket.at(-1) === "cancel");
  expect(await recipe.evaluate(({ queries }) => queries.getQueryState(["/api/snippets/", "?page=2"])?.fetchStatus)).toBe("idle");
});

test("what the view refused is asked for once, what no server answered three times more", async () => {
  const { recipe, byHttp, bySocket } = await visit();
  const ask = (limit: string): Promise<unknown> =>
    recipe.evaluate(
      ({ queries }, limit) =>
        queries
          .fetchQuery({ queryKey: ["/api/recent/", `?limit=${limit}`], retryDelay: 1 })
          .catch(({ status, data }) => [status, data] as unknown),
      limit,
    );
  expect(await ask("0")).toEqual([400, { limit: ["A number from 1 to 50."] }]);
  expect(bySocket).toEqual(["GET /api/snippets/?page=1", "GET /api/recent/?limit=0"]);
  await demo().kill();
  expect(await ask("1")).toEqual([undefined, undefined]);
  await demo().start();
  expect(byHttp).toEqual(Array(4).fill("GET /api/recent/"));
});
