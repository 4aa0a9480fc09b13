/** What the test calls in the page, or in a worker: `table.names` and `table.run`. */
import { calls } from "./calls.js";
import { observe, type Fields, type Fetch } from "./observing.js";

const isAboutAnswers = /^(answer|type|abort|method: HEAD|status: (200|204|304|404)|redirect: 302, |address: (relative|data|blob))/;

export const names = Object.keys(calls);

export function run(name: string, way: "window" | "client"): Promise<Fields> {
  const fetch: Fetch = way === "client" ? globalThis.wsrequest.fetch : globalThis.fetch.bind(globalThis);
  return observe(() => calls[name]!(fetch), isAboutAnswers.test(name));
}
