/** docs/howto/react.md, vue.md, and the api.ts of README.md that they use. */
import { describe, expect, test } from "vitest";
import { until } from "../browser/servers.js";
import { useRecipes } from "./recipes.js";

type Recipe = typeof import("./pages/react.js") | typeof import("./pages/vue.js");

const { open, interrupted } = useRecipes();
const FIRST = "GET /api/snippets/?page=1";
const SECOND = "GET /api/snippets/?page=2";

describe.each(["react.tsx", "vue.ts"])("%s", (name) => {
  const visit = () => open<Recipe>(`pages/${name}`);

  test("a component shows its list by the socket, and the next page", async () => {
    const { page, recipe, byHttp, bySocket } = await visit();
    await recipe.evaluate(({ show }) => show());
    await page.waitForFunction(() => document.querySelectorAll("li").length === 10);
    await page.click("button");
    await page.waitForFunction(() => document.querySelectorAll("li").length === 2);
    expect(bySocket).toEqual([FIRST, SECOND]);
    expect(byHttp).toEqual([]);
  });

  test("a call is cancelled when the address changes, and its answer never shown", async () => {
    const opened = await visit();
    const { page, recipe, byHttp, bySocket } = opened;
    await recipe.evaluate(({ show }) => show());
    await page.locator("li").first().waitFor();
    await interrupted(opened, SECOND, () => page.click("button"), () => page.click("button"));
    await page.locator("[role=alert]", { hasText: "/api/snippets/?page=3: 404" }).waitFor();
    expect(bySocket).toEqual([FIRST, SECOND, "cancel", "GET /api/snippets/?page=3"]);
    expect(byHttp).toEqual([]);
  });

  test("a call is cancelled when its component goes", async () => {
    const opened = await visit();
    const { page, recipe, bySocket } = opened;
    await recipe.evaluate(({ show }) => show());
    await page.locator("li").first().waitFor();
    await interrupted(opened, SECOND, () => page.click("button"), () => recipe.evaluate(({ leave }) => leave()));
    await until("it is told", () => bySocket.at(-1) === "cancel");
    expect(bySocket).toEqual([FIRST, SECOND, "cancel"]);
  });

  test("a refusal has its status and what the view said, and gives way to an answer", async () => {
    const { page, recipe, byHttp } = await visit();
    const shows = async (url: string): Promise<unknown> => {
      const before = await page.locator("#app").innerText();
      await recipe.evaluate(({ probe }, url) => probe(url), url);
      const shown = await page.waitForFunction((before) => {
        const text = document.querySelector("output")?.textContent ?? "";
        return text !== before && text !== "{}" && text;
      }, before);
      return JSON.parse(await shown.jsonValue() as string);
    };
    expect(await shows("/api/recent/?limit=0")).toEqual({ error: { status: 400, data: { limit: ["A number from 1 to 50."] } } });
    expect(await shows("/api/recent/?limit=1")).toEqual({ data: { results: [expect.any(Object)] } });
    expect(byHttp).toEqual([]);
  });
});

test("StrictMode sends one call", async () => {
  const { page, recipe, bySocket } = await open<typeof import("./pages/react.js")>("pages/react.tsx");
  await recipe.evaluate(({ showStrictly }) => showStrictly());
  await page.locator("li").first().waitFor();
  expect(bySocket).toEqual([FIRST]);
});

test("api() sends JSON, and gives a created object, nothing, or the errors of the fields", async () => {
  const { recipe, byHttp, bySocket } = await open<Recipe>("pages/vue.ts");
  const found = await recipe.evaluate(async ({ api, json }) => {
    const create = (data: object): Promise<{ title: string }> => api("/api/snippets/", { method: "POST", ...json(data) });
    const made = await create({ title: "By api()", code: "x = 1" });
    const refused = await create({ title: "" }).catch(({ message, status, data }) => [message, status, data] as unknown);
    return [made.title, refused, await api("/api/session/", { method: "DELETE" })];
  });
  const fields = { title: ["This field may not be blank."], code: ["This field is required."] };
  expect(found).toEqual(["By api()", ["/api/snippets/: 400", 400, fields], ""]);
  expect(bySocket).toEqual(["POST /api/snippets/", "POST /api/snippets/", "DELETE /api/session/"]);
  expect(byHttp).toEqual([]);
});
