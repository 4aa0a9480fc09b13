/** The page: makes the parts, joins them, and shows the state of the socket. */
import { Account } from "./account.js";
import { Api } from "./api.js";
import { wireBurst } from "./burst.js";
import { followTheme } from "./code.js";
import { byId, countDown } from "./dom.js";
import { Editor } from "./editor.js";
import { wireExplorer } from "./explorer.js";
import { logFrames } from "./frames.js";
import { SnippetList } from "./list.js";
import { Socket } from "./socket.js";

const STATES = { connecting: "Connecting…", open: "Connected", down: "Disconnected", closed: "Closed" };

const socket = new Socket(document.documentElement.dataset.socketPath);
const api = new Api(socket);
const account = new Account(api);
const editor = new Editor(api);
const list = new SnippetList(api);
let hasChoices = false;
let stopCountDown = () => {};

function showState({ state, code, retryMs }) {
  document.documentElement.dataset.socket = state;
  byId("state").textContent = STATES[state];
  for (const button of document.querySelectorAll("[data-needs-socket]")) button.disabled = state !== "open";
  stopCountDown();
  if (state === "open") {
    byId("offline").hidden = true;
    refresh();
  } else if (state === "connecting") {
    byId("retry-in").textContent = "Trying again…"; // hidden during the very first attempt
  } else {
    byId("offline").hidden = false;
    byId("try-now").textContent = state === "closed" ? "Connect again" : "Try now";
    const say = (left) => (left ? `Trying again in ${left} s.` : "Trying again…");
    if (state === "closed") byId("retry-in").textContent = `The server closed the connection for good (${code}).`;
    else stopCountDown = countDown(byId("retry-in"), retryMs / 1000, say);
  }
}

/** Everything that depends on who is asking, and all that a lost connection may have missed. */
async function refresh() {
  try {
    await account.ask(); // its "change" loads the list
    if (!hasChoices) await editor.loadChoices();
    hasChoices = true;
    await editor.preview();
  } catch {
    // The connection went again; the next one comes back here.
  }
}

logFrames(socket);
followTheme(api);
wireExplorer(api);
wireBurst(api, account, () => list.load());
account.addEventListener("change", () => list.load());
editor.addEventListener("saved", ({ detail: { snippet, isNew } }) => list.reveal(snippet, isNew));
list.addEventListener("edit", ({ detail }) => editor.edit(detail));
socket.addEventListener("state", ({ detail }) => showState(detail));
byId("try-now").addEventListener("click", () => socket.open());
addEventListener("online", () => socket.open());
socket.open();
