/** The page: makes the parts and joins them. What each does stands in its own file. */
import { Account } from "./account.js";
import { Api } from "./api.js";
import { wireBurst } from "./burst.js";
import { drawCalls } from "./chart.js";
import { followTheme } from "./code.js";
import { wireCompare } from "./compare.js";
import { Editor } from "./editor.js";
import { wireExplorer } from "./explorer.js";
import { SnippetList } from "./list.js";
import { logWire } from "./log.js";
import { showStatus } from "./status.js";
import { client } from "./transport.js";

const api = new Api();
const account = new Account(api);
const editor = new Editor(api);
const list = new SnippetList(api);

/** All that depends on who is asking, and all that a server out of reach may have missed. */
async function refresh() {
  const who = account.ask().catch(() => list.load()); // its "change" loads the list, else the list says why not
  await Promise.allSettled([who, editor.loadChoices(), editor.preview()]);
}

logWire();
drawCalls(api);
followTheme(api);
wireExplorer(api);
wireCompare(api);
wireBurst(api, account);
showStatus(refresh);
account.addEventListener("change", () => list.load());
editor.addEventListener("saved", ({ detail: { snippet, isNew } }) => list.reveal(snippet, isNew));
list.addEventListener("edit", ({ detail }) => editor.edit(detail));
client.open();
refresh();
