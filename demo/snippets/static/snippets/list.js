/**
 * The list of snippets: one page of it, live, and what it says while it loads, is empty or cannot be had.
 *
 * Owns which page is followed. Nothing loads it again after a change, not after one of the visitor's own
 * either: each new state of the page comes by itself. `render` shows the data that it is given; the rows
 * are rows.js's. Its events: "edit" carries a snippet, "changed" {added, edited, erased} as changes.js
 * has it, "ended" says that the server follows the page no more, "rights" that who asks may be somebody
 * else: they may edit other snippets than before, or what was shown had to be erased.
 */
import { isOk, problem } from "./api.js";
import { changesOf } from "./changes.js";
import { showCode } from "./code.js";
import { announce, byId } from "./dom.js";
import { showItems } from "./keyed.js";
import { showLiveness } from "./liveness.js";
import { leave, mark } from "./marks.js";
import * as rows from "./rows.js";

const PAGE_SIZE = 6;

export class SnippetList extends EventTarget {
  #api;
  #page = 1;
  #subscription = null;
  #shown = null; // what the API gave last of this page of the list
  #toOpen = null; // the id of a snippet that is opened when it comes
  #isErased = false; // until the page comes again, as for who asks now
  #showLiveness = showLiveness(() => ({ subscription: this.#subscription, isShown: this.#shown !== null }));
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
    for (const id of ["reload", "list-retry"]) byId(id).addEventListener("click", () => this.follow());
  }

  get isLive() {
    return this.#subscription?.state === "live";
  }

  /** Follows the page from now on as who asks now; what was followed is let go. */
  async follow() {
    this.#subscription?.close();
    const subscription = (this.#subscription = this.#api.live(`/api/snippets/?page=${this.#page}&page_size=${PAGE_SIZE}`));
    subscription.addEventListener("statechange", () => subscription === this.#subscription && this.#showLiveness());
    subscription.addEventListener("clear", () => subscription === this.#subscription && this.#clear());
    const list = byId("snippet-list");
    list.setAttribute("aria-busy", "true");
    if (list.dataset.phase === "failed") list.dataset.phase = "loading";
    this.#showLiveness();
    try {
      for await (const response of subscription) {
        const page = await response.json();
        if (subscription !== this.#subscription) return;
        this.render(page);
      }
    } catch (error) {
      if (subscription === this.#subscription) await this.#ended(error);
    }
  }

  /** Shows one page as the API gives it: {count, next, previous, results}. */
  render(page) {
    const { count, next, previous, results } = page;
    const changes = this.#shown ? changesOf(this.#shown, page) : { added: [], edited: [], erased: [] };
    const isMore = this.#shown && this.#shown.count !== count;
    const isOther = this.#isErased || (this.#shown && hasOtherRights(this.#shown, page));
    this.#shown = page;
    this.#isErased = false;
    const list = byId("snippet-list");
    list.dataset.phase = count > 0 ? "ready" : "empty";
    list.removeAttribute("aria-busy");
    byId("snippet-count").textContent = count;
    if (isMore) mark(byId("snippet-count"));
    byId("page-number").textContent = `Page ${this.#page} of ${Math.max(1, Math.ceil(count / PAGE_SIZE))}`;
    byId("newer").disabled = !previous;
    byId("older").disabled = !next;
    showItems(byId("snippets"), results, {
      keyOf: rows.keyOf,
      create: (snippet) => rows.create(snippet, this.#on),
      update: (row, snippet, before) => rows.update(row, snippet, before, this.#on),
      remove: (row, snippet) => removeRow(row, changes.erased.includes(snippet)),
    });
    this.#open();
    this.#showLiveness();
    for (const { id } of changes.added) rows.tell(byId(`snippet-${id}`), "new");
    for (const { id } of changes.edited) rows.tell(byId(`snippet-${id}`), "edited");
    if (Object.values(changes).flat().length) this.dispatchEvent(new CustomEvent("changed", { detail: changes }));
    if (isOther) this.dispatchEvent(new Event("rights"));
  }

  /** Opens this snippet as soon as it is there; a new one stands on the first page. */
  reveal(snippet, isNew) {
    if (isNew && this.#page > 1) this.#turn(1);
    this.#toOpen = snippet.id;
    this.#open();
  }

  #open() {
    const details = this.#toOpen && byId(`snippet-${this.#toOpen}`)?.firstElementChild;
    if (!details) return;
    details.open = true;
    this.#toOpen = null;
  }

  #turn(page) {
    this.#page = page;
    this.#shown = this.#toOpen = null;
    return this.follow();
  }

  /** Erases what is shown: who looks at it now may not be who it was for. */
  #clear() {
    this.#shown = null;
    this.#isErased = true;
    byId("snippets").replaceChildren();
    byId("snippet-list").dataset.phase = "loading";
  }

  /** What was shown stays; without it, the reason takes its place. */
  async #ended(error) {
    const status = error.response?.status;
    if (status === 404 && this.#page > 1) return this.#turn(1); // the last page has lost its last snippet
    if (status === 401 && (await this.#api.renew())) return this.follow();
    const list = byId("snippet-list");
    list.removeAttribute("aria-busy");
    if (!this.#shown) {
      byId("list-problem").textContent = error.message;
      byId("page-number").textContent = "Not loaded";
      list.dataset.phase = "failed";
    }
    this.#showLiveness();
    this.dispatchEvent(new Event("ended"));
  }

  async #remove(snippet) {
    try {
      const answer = await this.#api.call("DELETE", `/api/snippets/${snippet.id}/`);
      announce(isOk(answer) ? `Deleted “${snippet.title}”.` : problem(answer), isOk(answer) ? "info" : "bad");
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

function hasOtherRights(before, after) {
  const editable = new Map(before.results.map((snippet) => [snippet.id, snippet.editable]));
  return after.results.some((snippet) => (editable.get(snippet.id) ?? snippet.editable) !== snippet.editable);
}

/** One that was erased goes before the eyes; one of another page is just not here. */
function removeRow(row, isErased) {
  if (row.contains(document.activeElement)) byId("snippets-heading").focus();
  if (!isErased) return row.remove();
  rows.tell(row, "erased");
  leave(row);
}
