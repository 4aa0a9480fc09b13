/** docs/howto/axios.md */
import { expect, test } from "vitest";
import { until } from "../browser/servers.js";
import { useRecipes, type Opened } from "./recipes.js";

const { demo, open, interrupted } = useRecipes();
type Recipe = typeof import("./recipes/axios/api.js");

/** A page with the recipe, and its socket open. */
async function visit(): Promise<Opened<Recipe>> {
  const opened = await open<Recipe>("recipes/axios/api.ts");
  await opened.recipe.evaluate(({ api }) => api.get("/api/stats/"));
  return opened;
}

test("axios calls by the socket: with parameters, JSON, forms and other types of answers", async () => {
  const { recipe, byHttp, bySocket } = await visit();
  const found = await recipe.evaluate(async ({ api }) => {
    const list = await api.get("/api/snippets/", { params: { page: 2 } });
    const made = await api.post("/api/snippets/", { title: "By axios", code: "x = 1" });
    const form = await api.postForm("/api/snippets/", { title: "By a form", code: "x = 2", file: new Blob(["x"]) });
    const blob = await api.get("/api/languages/", { responseType: "blob", withCredentials: true });
    return [list.data.results.length, made.status, made.data.title, form.data.title, blob.data.size > 1000];
  });
  expect(found).toEqual([2, 201, "By axios", "By a form", true]);
  const calls = ["GET /api/stats/", "GET /api/snippets/?page=2", "POST /api/snippets/", "POST /api/snippets/", "GET /api/languages/"];
  expect(bySocket).toEqual(calls);
  expect(byHttp).toEqual([]);
});

test("a 400 of DRF rejects with the errors of the fields", async () => {
  const { recipe, byHttp } = await visit();
  const found = await recipe.evaluate(({ api }) =>
    api.post("/api/snippets/", { title: "" }).catch(({ code, response }) => [code, response.status, response.data]),
  );
  const fields = { title: ["This field may not be blank."], code: ["This field is required."] };
  expect(found).toEqual(["ERR_BAD_REQUEST", 400, fields]);
  expect(byHttp).toEqual([]);
});

test("an abort and a timeout are told to the server", async () => {
  const opened = await visit();
  const { recipe, page, byHttp, bySocket } = opened;
  const controller = await page.evaluateHandle(() => new AbortController());
  const aborted = (): Promise<string> =>
    recipe.evaluate(({ api }, { signal }) => api.get("/api/recent/", { signal }).catch(({ code }) => code), controller);
  const abort = (): Promise<void> => controller.evaluate((each) => each.abort());
  expect(await interrupted(opened, "GET /api/recent/", aborted, abort)).toBe("ERR_CANCELED");

  const timedOut = (): Promise<string> =>
    recipe.evaluate(({ api }) => api.get("/api/languages/", { timeout: 100 }).catch(({ code }) => code));
  const nothing = async (): Promise<void> => {};
  expect(await interrupted(opened, "GET /api/languages/", timedOut, nothing)).toBe("ETIMEDOUT");
  await until("both are told", () => bySocket.filter((each) => each === "cancel").length === 2);
  expect(byHttp).toEqual([]);
});

test("a call that is in doubt says so, one that found no server as ever", async () => {
  const opened = await visit();
  const call = (): Promise<unknown> =>
    opened.recipe.evaluate(({ api }) =>
      api.post("/api/snippets/", {}).catch(({ code, cause, response }) => [cause.name, cause.inDoubt, code, response]),
    );
  const found = await interrupted(opened, "POST /api/snippets/", call, () => demo().kill());
  const byHttp = await opened.recipe.evaluate(({ api }) => api.get("/api/recent/").catch(({ code, response }) => [code, response]));
  await demo().start();
  expect(found).toEqual(["TypeError", true, undefined, undefined]);
  expect(byHttp).toEqual(["ERR_NETWORK", undefined]);
});

test("by HTTP goes what has another adapter, or withCredentials off", async () => {
  const { recipe, byHttp } = await visit();
  await recipe.evaluate(({ api }) => api.get("/api/recent/", { adapter: "xhr" }));
  await recipe.evaluate(({ api }) => api.get("/api/languages/", { withCredentials: false }));
  expect(byHttp).toEqual(["GET /api/recent/", "GET /api/languages/"]);
});

test("progress is told of an answer and of a body", async () => {
  const { recipe, byHttp } = await visit();
  const found = await recipe.evaluate(async ({ api }) => {
    const [down, up]: number[][] = [[], []];
    const options = { responseType: "text", onDownloadProgress: ({ loaded }: { loaded: number }) => void down!.push(loaded) } as const;
    const { data } = await api.get<string>("/api/languages/", options);
    await api.post("/api/preview/", "code=1", { onUploadProgress: ({ loaded }) => void up!.push(loaded) });
    return { isDown: down!.at(-1) === new Blob([data]).size, up };
  });
  expect(found).toEqual({ isDown: true, up: ["code=1".length] });
  expect(byHttp).toEqual([]);
});
