/**
 * The list of snippets: its pages, and what it says while it loads, is empty or cannot be had.
 *
 * `render` shows the data that it is given, whoever got them; the rows are rows.js's. Its event "edit"
 * carries a snippet.
 */
import { isOk, problem } from "./api.js";
import { showCode } from "./code.js";
import { announce, byId } from "./dom.js";
import { mark, showItems } from "./keyed.js";
import * as rows from "./rows.js";

const PAGE_SIZE = 6;

export class SnippetList extends EventTarget {
  #api;
  #page = 1;
  #loads = 0;
  #isShown = false; // whether this page of the list was shown before
  #on = {
    opened: (snippet, host) => this.#highlight(snippet, host),
    edit: (snippet) => this.dispatchEvent(new CustomEvent("edit", { detail: snippet })),
    remove: (snippet) => this.#remove(snippet),
  };

  constructor(api) {
    super();
    this.#api = api;
    byId("newer").addEventListener("click", () => this.#turn(this.#page - 1));
    byId("older").addEventListener("click", () => this.#turn(this.#page + 1));
    for (const id of ["reload", "list-retry"]) byId(id).addEventListener("click", () => this.load());
  }

  /** Loads the page again; a load that a later one overtook shows nothing. */
  async load() {
    const load = ++this.#loads;
    const list = byId("snippet-list");
    list.setAttribute("aria-busy", "true");
    if (list.dataset.phase === "failed") list.dataset.phase = "loading";
    try {
      let answer = await this.#get(this.#page);
      if (answer.status === 404 && this.#page > 1) {
        this.#page = 1; // the last page has lost its last snippet
        answer = await this.#get(1);
      }
      if (load !== this.#loads) return;
      if (isOk(answer)) this.render(answer.data);
      else this.#fail(problem(answer));
    } catch (error) {
      if (load === this.#loads) this.#fail(error.message);
    }
  }

  /** Shows one page as the API gives it: {count, next, previous, results}. */
  render({ count, next, previous, results }) {
    const list = byId("snippet-list");
    list.dataset.phase = count > 0 ? "ready" : "empty";
    list.removeAttribute("aria-busy");
    byId("snippet-count").textContent = count;
    byId("page-number").textContent = `Page ${this.#page} of ${Math.max(1, Math.ceil(count / PAGE_SIZE))}`;
    byId("newer").disabled = !previous;
    byId("older").disabled = !next;
    const made = showItems(byId("snippets"), results, {
      keyOf: rows.keyOf,
      create: (snippet) => rows.create(snippet, this.#on),
      update: (row, snippet, before) => rows.update(row, snippet, before, this.#on),
    });
    if (this.#isShown) made.forEach(mark);
    this.#isShown = true;
  }

  /** Loads the list with this snippet open; a new one stands on the first page. */
  async reveal(snippet, isNew) {
    if (isNew && this.#page > 1) await this.#turn(1);
    else await this.load();
    const details = byId(`snippet-${snippet.id}`)?.firstElementChild;
    if (details) details.open = true;
  }

  #get(page) {
    return this.#api.get(`/api/snippets/?page=${page}&page_size=${PAGE_SIZE}`);
  }

  #turn(page) {
    this.#page = page;
    this.#isShown = false;
    return this.load();
  }

  /** What was shown stays; without it, the reason takes its place. */
  #fail(why) {
    const list = byId("snippet-list");
    list.removeAttribute("aria-busy");
    if (list.dataset.phase === "ready") return announce(why, "bad");
    byId("list-problem").textContent = why;
    byId("page-number").textContent = "Not loaded";
    list.dataset.phase = "failed";
  }

  async #remove(snippet) {
    try {
      const answer = await this.#api.call("DELETE", `/api/snippets/${snippet.id}/`);
      announce(isOk(answer) ? `Deleted “${snippet.title}”.` : problem(answer), isOk(answer) ? "info" : "bad");
      byId("snippets-heading").focus(); // the button that had it is about to go
      await this.load();
    } catch (error) {
      announce(error.message, "bad");
    }
  }

  async #highlight(snippet, host) {
    try {
      const answer = await this.#api.get(`/api/snippets/${snippet.id}/highlight/`);
      if (isOk(answer)) await showCode(this.#api, host, answer.data, snippet.style);
      else host.textContent = problem(answer);
    } catch (error) {
      host.textContent = error.message;
    }
  }
}
