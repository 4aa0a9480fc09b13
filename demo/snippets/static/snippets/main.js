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
import { wireNews } from "./news.js";
import { showStatus } from "./status.js";
import { client, transport } from "./transport.js";

const api = new Api();
const account = new Account(api);
const editor = new Editor(api);
const list = new SnippetList(api);

/** Who is asking, and what a server out of reach may have failed to give. */
async function refresh() {
  const who = account.ask().catch(() => {}); // no server: it is asked again when there is one
  await Promise.allSettled([who, editor.loadChoices(), editor.preview()]);
}

logWire();
drawCalls(api);
followTheme(api);
wireExplorer(api);
wireCompare(api);
wireBurst(api, account);
wireNews(api, list);
showStatus(() => {
  if (transport.choice === "http" && !list.isLive) list.follow(); // by the socket it comes back at once by itself
  return refresh();
});
account.addEventListener("change", () => list.follow());
// Perhaps of a session that ended elsewhere. It is asked after the list, so that it is asked of the
// server as the list was: what is asked while the socket is down may be answered before the logout.
const askAgain = () => account.ask().catch(() => {});
list.addEventListener("ended", askAgain);
list.addEventListener("rights", askAgain);
editor.addEventListener("saved", ({ detail: { snippet, isNew } }) => list.reveal(snippet, isNew));
list.addEventListener("edit", ({ detail }) => editor.edit(detail));
client.open();
list.follow();
refresh();
