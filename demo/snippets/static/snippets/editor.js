/**
 * The form that creates and edits a snippet, with its preview: the server highlights while one types.
 *
 * A preview that is overtaken by the next key is cancelled, on the server too. Its event "saved" carries
 * {snippet, isNew}.
 */
import { isOk, problem, throttledSeconds } from "./api.js";
import { showCode } from "./code.js";
import { announce, byId, make } from "./dom.js";
import { clearErrors, showError, showFieldErrors } from "./forms.js";
import { showThrottle, throttle } from "./throttle.js";

const PREVIEW_AFTER_MS = 250;

export class Editor extends EventTarget {
  #api;
  #form = byId("editor");
  #fields = this.#form.elements;
  #editing = null; // the snippet under edit, or null while a new one is written
  #timer = 0;
  #running = null; // AbortController of the preview under way

  constructor(api) {
    super();
    this.#api = api;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save().catch((error) => showError(this.#form, error.message));
    });
    this.#form.addEventListener("input", ({ target }) => {
      target.removeAttribute("aria-invalid");
      if (target !== this.#fields.title) this.#previewSoon();
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#form.requestSubmit();
    });
    showThrottle(byId("editor-throttle"), "Sign in, or wait:");
    throttle.addEventListener("change", () => this.#showButton());
    byId("editor-cancel").addEventListener("click", () => this.#start(null));
  }

  /** Fills the menus with what the server knows; the choices made so far stay. */
  async loadChoices() {
    const { data } = await this.#api.get("/api/languages/");
    const option = ({ name, label }) => make("option", { value: name }, label);
    const group = (label, languages) => make("optgroup", { label }, ...languages.map(option));
    const popular = data.popular.map((name) => data.languages.find((language) => language.name === name));
    fill(this.#fields.language, [group("Popular", popular), group("All languages", data.languages)]);
    fill(this.#fields.style, data.styles.map((name) => option({ name, label: name })));
  }

  /** Puts a snippet into the form; saving then changes it instead of creating another. */
  edit(snippet) {
    this.#start(snippet);
    this.#form.scrollIntoView({ block: "nearest" });
    this.#fields.title.focus();
  }

  /** Asks for the preview at once. */
  async preview() {
    clearTimeout(this.#timer);
    this.#running?.abort();
    const { signal } = (this.#running = new AbortController());
    const { code, language, linenos, style } = this.#values();
    try {
      const answer = await this.#api.call("POST", "/api/preview/", { code, language, linenos }, { signal });
      if (signal.aborted) return;
      const errors = Object.values(answer.data ?? {}).flat().join(" ");
      byId("preview-note").textContent = isOk(answer) ? "" : errors || problem(answer);
      if (isOk(answer)) await showCode(this.#api, byId("preview"), answer.data, style);
    } catch (error) {
      if (!signal.aborted) byId("preview-note").textContent = error.message;
    }
  }

  #previewSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.preview(), PREVIEW_AFTER_MS);
  }

  #values() {
    const { title, code, language, style, linenos } = this.#fields;
    return { title: title.value, code: code.value, language: language.value, style: style.value, linenos: linenos.checked };
  }

  async #save() {
    clearErrors(this.#form);
    const snippet = this.#editing;
    const answer = snippet
      ? await this.#api.call("PATCH", `/api/snippets/${snippet.id}/`, this.#values())
      : await this.#api.call("POST", "/api/snippets/", this.#values());
    if (isOk(answer)) {
      announce(`${snippet ? "Saved" : "Created"} “${answer.data.title}”.`);
      this.#start(null);
      this.dispatchEvent(new CustomEvent("saved", { detail: { snippet: answer.data, isNew: !snippet } }));
    } else if (throttledSeconds(answer) !== null) {
      throttle.start(throttledSeconds(answer));
    } else if (!showFieldErrors(this.#form, answer.data)) {
      showError(this.#form, problem(answer));
    }
  }

  /** It stays a button while throttled: who presses it is told again. */
  #showButton() {
    const wait = !this.#editing && throttle.left;
    const text = this.#editing ? "Save changes" : "Create snippet";
    byId("editor-save").textContent = wait ? `${text} in ${wait} s` : text;
  }

  #start(snippet) {
    this.#editing = snippet;
    clearErrors(this.#form);
    const { title, code, linenos } = this.#fields;
    title.value = snippet?.title ?? "";
    code.value = snippet?.code ?? "";
    linenos.checked = snippet?.linenos ?? linenos.checked;
    if (snippet) for (const name of ["language", "style"]) choose(this.#fields[name], snippet[name]);
    byId("editor-heading").textContent = snippet ? `Edit “${snippet.title}”` : "New snippet";
    this.#showButton();
    byId("editor-cancel").hidden = snippet === null;
    this.preview();
  }
}

function fill(select, options) {
  const { value } = select;
  select.replaceChildren(...options);
  choose(select, value);
}

/** Selects a value, also one that the menu lacks: Pygments knows several names for a language. */
function choose(select, value) {
  select.value = value;
  if (select.value !== value) select.append(make("option", { value, selected: true }, value));
}
