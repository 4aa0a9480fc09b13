/** The list of snippets: pages, the highlighted code of those that are opened, delete and edit. */
import { isOk, problem } from "./api.js";
import { showCode } from "./code.js";
import { ago, announce, byId, make } from "./dom.js";

const PAGE_SIZE = 6;
const SURE_MS = 4_000;

export class SnippetList extends EventTarget {
  #api;
  #page = 1;
  #opened = new Set(); // ids, so that a reload of the list leaves them open
  #loads = 0;

  constructor(api) {
    super();
    this.#api = api;
    byId("newer").addEventListener("click", () => this.#turn(-1));
    byId("older").addEventListener("click", () => this.#turn(1));
    byId("reload").addEventListener("click", () => this.load());
  }

  /** Loads the page again; a load that a later one overtook shows nothing. */
  async load() {
    const load = ++this.#loads;
    try {
      let answer = await this.#api.get(`/api/snippets/?page=${this.#page}&page_size=${PAGE_SIZE}`);
      if (answer.status === 404 && this.#page > 1) {
        this.#page = 1; // the last page has lost its last snippet
        answer = await this.#api.get(`/api/snippets/?page=1&page_size=${PAGE_SIZE}`);
      }
      if (load !== this.#loads) return;
      if (isOk(answer)) this.#show(answer.data);
      else announce(problem(answer), "bad");
    } catch (error) {
      announce(error.message, "bad");
    }
  }

  /** Loads the list with this snippet open; a new one stands on the first page. */
  async reveal(snippet, isNew) {
    if (isNew) this.#page = 1;
    this.#opened.add(snippet.id);
    await this.load();
    byId(`snippet-${snippet.id}`)?.classList.add("fresh");
  }

  #turn(by) {
    this.#page += by;
    this.load();
  }

  #show({ count, next, previous, results }) {
    const pages = Math.max(1, Math.ceil(count / PAGE_SIZE));
    byId("snippet-count").textContent = count;
    byId("page-number").textContent = `Page ${this.#page} of ${pages}`;
    byId("newer").disabled = !previous;
    byId("older").disabled = !next;
    byId("no-snippets").hidden = count > 0;
    byId("snippets").replaceChildren(...results.map((snippet) => this.#item(snippet)));
  }

  #item(snippet) {
    const code = make("div", { className: "code" });
    const summary = make("summary", {},
      make("span", { className: "title" }, snippet.title),
      make("span", { className: "chip" }, snippet.language),
      make("span", { className: "meta" }, `${snippet.owner ?? "anonymous"} · `,
        make("time", { dateTime: snippet.created, title: new Date(snippet.created).toLocaleString() }, ago(snippet.created))));
    const details = make("details", { open: this.#opened.has(snippet.id) }, summary, code, this.#actions(snippet));
    details.addEventListener("toggle", () => {
      this.#opened[details.open ? "add" : "delete"](snippet.id);
      if (details.open) this.#highlight(snippet, code); // also once for one that is open from the start
    });
    return make("li", { id: `snippet-${snippet.id}` }, details);
  }

  #actions(snippet) {
    const row = make("div", { className: "actions" },
      make("a", { href: snippet.highlight, target: "_blank", rel: "noopener" }, "The same over HTTP"));
    if (snippet.editable) {
      const edit = make("button", { type: "button", className: "small" }, "Edit");
      edit.addEventListener("click", () => this.dispatchEvent(new CustomEvent("edit", { detail: snippet })));
      row.append(edit, this.#deleteButton(snippet));
    }
    return row;
  }

  /** A button that wants to be pressed twice. */
  #deleteButton(snippet) {
    const button = make("button", { type: "button", className: "small bad" }, "Delete");
    let timer = 0;
    button.addEventListener("click", () => {
      clearTimeout(timer);
      if (button.dataset.sure) return this.#delete(snippet);
      button.dataset.sure = "yes";
      button.textContent = "Really delete?";
      timer = setTimeout(() => {
        delete button.dataset.sure;
        button.textContent = "Delete";
      }, SURE_MS);
    });
    return button;
  }

  async #delete(snippet) {
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
