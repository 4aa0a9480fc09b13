/**
 * Says what others changed in the list, to those who do not see its marks.
 *
 * What this page wrote was told when it was answered. Whether a change is its own shows the answer,
 * and the list may have the change before it.
 */
import { isSame } from "./changes.js";
import { byId } from "./dom.js";

const GATHER_MS = 300; // several in a row make one sentence
const KEPT_MS = 6_000; // or the same sentence again would be no change, and not be read out
const own = new Map(); // id -> the snippet as this page wrote it last, null when it erased it

/** Wires the list's "changed" to the live region. */
export function wireNews(api, list) {
  let found = { added: 0, edited: 0, erased: 0 };
  let timer = 0;
  const tell = () => {
    byId("list-news").textContent = sentence(found);
    found = { added: 0, edited: 0, erased: 0 };
    timer = setTimeout(() => (byId("list-news").textContent = ""), KEPT_MS);
  };
  api.addEventListener("called", ({ detail }) => remember(detail));
  list.addEventListener("changed", async ({ detail: { added, edited, erased } }) => {
    await api.written();
    found.added += byOthers(added).length;
    found.edited += byOthers(edited).length;
    found.erased += erased.filter(({ id }) => own.get(id) !== null).length;
    if (!sentence(found)) return;
    clearTimeout(timer);
    timer = setTimeout(tell, GATHER_MS);
  });
}

function remember({ method, url, status, data }) {
  const [, id] = /^\/api\/snippets\/(?:(\d+)\/)?$/.exec(url) ?? [];
  if (method === "DELETE" && status === 204 && id) own.set(Number(id), null);
  else if (["POST", "PUT", "PATCH"].includes(method) && [200, 201].includes(status) && data.id) own.set(data.id, data);
}

const byOthers = (snippets) => snippets.filter((snippet) => !own.get(snippet.id) || !isSame(own.get(snippet.id), snippet));

/** "1 snippet added, 2 edited by others."; empty when nothing was. */
function sentence(found) {
  const parts = Object.entries(found).filter(([, count]) => count > 0);
  const words = parts.map(([what, count], index) => (index ? `${count} ${what}` : `${count} ${count > 1 ? "snippets" : "snippet"} ${what}`));
  return words.length ? `${words.join(", ")} by others.` : "";
}
