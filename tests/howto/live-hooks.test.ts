/** docs/howto/live-react.md and live-vue.md, with the api.ts of README.md. */
import { expect, test } from "vitest";
import { until } from "../browser/servers.js";
import { useRecipes } from "./recipes.js";

type Recipe = typeof import("./pages/live-react.js") | typeof import("./pages/live-vue.js");

const { open } = useRecipes();

test.each(["live-react.tsx", "live-vue.ts"])("%s shows what is created, and ends with its component", async (name) => {
  const { page, recipe, byHttp, bySocket } = await open<Recipe>(`pages/${name}`);
  await recipe.evaluate(({ show }) => show());
  await page.locator("ul[aria-busy=false] li").first().waitFor();
  const status = await recipe.evaluate(async ({ client }, title) => {
    const body = new URLSearchParams({ title, code: "x = 1", language: "python" });
    return (await client.fetch("/api/snippets/", { method: "POST", body, settled: true })).status;
  }, name);
  expect(status).toBe(201);
  await page.locator("li", { hasText: name }).waitFor();
  await recipe.evaluate(({ leave }) => leave());
  await until("it is told", () => bySocket.at(-1) === "cancel");
  expect(bySocket).toEqual(["GET /api/snippets/", "POST /api/snippets/", "cancel"]);
  expect(byHttp).toEqual([]);
});
