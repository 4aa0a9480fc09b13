/** Loads a page again that this visitor may no longer see, so that Django says where to go. */
const RELOAD_MS = 60_000;
/** How long the visitor's own navigation may take, for example to a logout. A reload would cancel it. */
const LEAVING_MS = 9000;

let leftAt = 0;
(globalThis as { navigation?: EventTarget }).navigation?.addEventListener("navigate", (event) => {
  if (!(event as Event & { destination: { sameDocument: boolean } }).destination.sameDocument) leftAt = Date.now();
});

/** Reloads this address, but once in a minute only: HTTP may go on to answer what the socket refuses. */
export function reloadOnce(): void {
  if (Date.now() - leftAt < LEAVING_MS) return void setTimeout(reloadOnce, LEAVING_MS);
  const name = `wsrequest-reloaded ${location}`;
  if (Date.now() - sessionStorage[name] < RELOAD_MS) return;
  sessionStorage[name] = Date.now();
  location.reload();
}
