/**
 * Who the visitor is: signing in by session or by token, and signing out. By whichever way calls go.
 *
 * Its event "change" says that it is somebody else now than it was.
 */
import { isOk, problem } from "./api.js";
import { announce, byId } from "./dom.js";
import { clearErrors, showError, showFieldErrors } from "./forms.js";
import { throttle } from "./throttle.js";

const WAYS = { session: "by session cookie", token: "by JWT token" };

export class Account extends EventTarget {
  user = null;
  #shown; // who is shown, as JSON; undefined before the first answer
  #api;
  #dialog = byId("sign-in");
  #form = byId("sign-in-form");

  constructor(api) {
    super();
    this.#api = api;
    byId("sign-in-open").addEventListener("click", () => {
      clearErrors(this.#form);
      this.#dialog.showModal();
    });
    byId("sign-in-cancel").addEventListener("click", () => this.#dialog.close());
    byId("sign-out").addEventListener("click", () => this.#attempt(() => this.signOut()));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#attempt(() => this.signIn());
    });
    api.addEventListener("expired", () => {
      announce("The token has expired. Please sign in again.", "warn");
      this.ask().catch(() => {}); // no server: it is asked again when there is one
    });
  }

  /** Asks the server who this is. */
  async ask() {
    const { data } = await this.#api.get("/api/session/");
    this.#become(data?.user ?? null, data?.via);
  }

  async signIn() {
    const form = this.#form;
    clearErrors(form);
    const { way, ...credentials } = Object.fromEntries(new FormData(form));
    this.#api.useTokens(null); // or a new session would hide behind the old token
    const url = way === "token" ? "/api/token/" : "/api/session/";
    const answer = await this.#api.call("POST", url, credentials);
    if (!isOk(answer)) {
      if (!showFieldErrors(form, answer.data)) showError(form, problem(answer));
      return;
    }
    if (way === "token") this.#api.useTokens(answer.data);
    this.#dialog.close();
    form.elements.password.value = "";
    await this.ask();
    // If the list came first, as for the user, the button that opened the dialog was gone when it closed.
    if (document.activeElement === document.body) byId(this.user ? "sign-out" : "sign-in-open").focus();
    announce(
      way === "token"
        ? `Signed in as ${this.user?.username}. The token lives in this page and ends with it.`
        : `Signed in as ${this.user?.username}. The session outlives a reload of this page.`,
    );
  }

  async signOut() {
    if (this.#api.hasTokens) this.#api.useTokens(null);
    else await this.#api.call("DELETE", "/api/session/");
    await this.ask();
    announce(this.user ? `The token is gone; the session of ${this.user.username} is still there.` : "Signed out.");
  }

  #become(user, via) {
    this.user = user;
    byId("who").textContent = user ? user.username : "Not signed in";
    byId("who-way").textContent = user ? WAYS[via] : "";
    const [open, out] = [byId("sign-in-open"), byId("sign-out")];
    const hadFocus = [open, out].includes(document.activeElement);
    open.hidden = user !== null;
    out.hidden = user === null;
    if (hadFocus) (user ? out : open).focus(); // the one that had it is hidden now
    if (user) throttle.end(); // it counts those only who are not signed in
    const before = this.#shown;
    this.#shown = JSON.stringify([user, via]);
    if (before !== undefined && before !== this.#shown) this.dispatchEvent(new Event("change"));
  }

  async #attempt(action) {
    try {
      await action();
    } catch (error) {
      if (this.#dialog.open) showError(this.#form, error.message);
      else announce(error.message, "bad");
    }
  }
}
