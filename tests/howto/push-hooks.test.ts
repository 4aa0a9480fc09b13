/** docs/howto/push-react.md and push-vue.md, with the api.ts of README.md, in the room of the demo. */
import { expect, test } from "vitest";
import { until } from "../browser/servers.js";
import { useRecipes } from "./recipes.js";

type Recipe = typeof import("./pages/push-react.js") | typeof import("./pages/push-vue.js");

const { demo, open } = useRecipes();

test.each(["push-react.tsx", "push-vue.ts"])("%s shows who is there and what is said, and leaves with its component", async (name) => {
  const { page, recipe, context, bySocket } = await open<Recipe>(`pages/${name}`);
  const other = await context.newPage(); // gives the visitor a name
  await other.goto(`${demo().origin}/rooms/1/`);
  const visitor = (await other.textContent(".who"))!;
  await recipe.evaluate(({ show }) => show(1));
  await page.locator("section[aria-busy=false] p", { hasText: `Here now: ${visitor}` }).waitFor();
  await page.click("button");
  await page.locator("li", { hasText: `${visitor}: Hello` }).waitFor();
  await recipe.evaluate(({ leave }) => leave());
  await until("it has left", () => bySocket.at(-1) === "cancel");
  expect(bySocket).toEqual(["GET /api/snippets/1/room/", "POST /api/snippets/1/room/", "cancel"]);
});
