/** Loads a page again that this visitor may no longer see, so that Django says where to go. */
const RELOAD_MS = 60_000;
const RELOADED = "wsrequest-reloaded";

/** Reloads this address, but once in a minute only: HTTP may go on to answer what the socket refuses. */
export function reloadOnce(): void {
  const here = location.pathname + location.search;
  const [url, at] = (sessionStorage.getItem(RELOADED) ?? "").split(" ");
  if (url === here && Date.now() - Number(at) < RELOAD_MS) return;
  sessionStorage.setItem(RELOADED, `${here} ${Date.now()}`);
  location.reload();
}
