/** docs/howto/openapi-fetch.md. That a wrong call does not compile is shown by tsc: its wrong.ts (scripts/client check). */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { until } from "../browser/servers.js";
import { useRecipes, type Opened } from "./recipes.js";

const { demo, open, interrupted } = useRecipes();
type Recipe = typeof import("./pages/openapi-fetch.js");

/** A page with the recipe, and its socket open. */
async function visit(): Promise<Opened<Recipe>> {
  const opened = await open<Recipe>("pages/openapi-fetch.ts");
  await opened.recipe.evaluate(({ api }) => api.GET("/api/session/"));
  return opened;
}

test("typed calls go by the socket, with parameters in query and path, bodies, and other types of answers", async () => {
  const { recipe, byHttp, bySocket } = await visit();
  const found = await recipe.evaluate(async ({ api, page, add }) => {
    const { made, errors } = await add("By openapi-fetch", "x = 1");
    const id = made!.id;
    const { data } = await api.GET("/api/snippets/{id}/", { params: { path: { id } } });
    const html = await api.POST("/api/preview/", { body: { code: "x = 1" }, parseAs: "text" });
    return [(await page(2)).length, errors, data?.title, html.data?.includes("highlight"), id];
  });
  expect(found).toEqual([3, undefined, "By openapi-fetch", true, expect.any(Number)]);
  const calls = ["POST /api/snippets/", `GET /api/snippets/${found[4]}/`, "POST /api/preview/", "GET /api/snippets/?page=2"];
  expect(bySocket).toEqual(["GET /api/session/", ...calls]);
  expect(byHttp).toEqual([]);
});

test("a 400 of DRF gives the errors of the fields", async () => {
  const { recipe, byHttp } = await visit();
  const found = await recipe.evaluate(({ add }) => add("", "x = 1"));
  expect(found).toEqual({ made: undefined, errors: { title: ["This field may not be blank."] } });
  expect(byHttp).toEqual([]);
});

test("an abort throws, and is told to the server", async () => {
  const opened = await visit();
  const { recipe, page, byHttp, bySocket } = opened;
  const controller = await page.evaluateHandle(() => new AbortController());
  const call = (): Promise<unknown> =>
    recipe.evaluate(({ api }, { signal }) => api.GET("/api/snippets/", { signal }).catch(({ name }) => name as unknown), controller);
  expect(await interrupted(opened, "GET /api/snippets/", call, () => controller.evaluate((each) => each.abort()))).toBe("AbortError");
  await until("it is told", () => bySocket.at(-1) === "cancel");
  expect(byHttp).toEqual([]);
});

test("a call that is in doubt throws", async () => {
  const opened = await visit();
  const call = (): Promise<unknown> => opened.recipe.evaluate(({ add }) => add("a", "b").catch(({ inDoubt }) => inDoubt as unknown));
  const found = await interrupted(opened, "POST /api/snippets/", call, () => demo().kill());
  await demo().start();
  expect(found).toBe(true);
});

test("the types are those of the schema that the demo serves", async () => {
  const text = await readFile(new URL("../../docs/howto/openapi-fetch.md", import.meta.url), "utf8");
  const [, path, options] = /npx openapi-typescript http:\/\/127.0.0.1:8000(\S+) (.*) --output schema.d.ts$/m.exec(text)!;
  const program = fileURLToPath(new URL("node_modules/.bin/openapi-typescript", import.meta.url));
  const { stdout } = await promisify(execFile)(program, [demo().origin + path, ...options!.split(" ")]);
  await expect(stdout).toMatchFileSnapshot("generated/schema.d.ts"); // `scripts/client howto -u` writes it
});
