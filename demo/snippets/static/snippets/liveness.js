/** How current the list is, in words and colours: live, and by which way, or not, and what is done about it. */
import { byId } from "./dom.js";
import { client, transport } from "./transport.js";

const SAYS = {
  socket: "Live",
  events: "Live, by HTTP events",
  polling: "Not live, asked for again and again",
  uncertain: "May be stale",
  wait: "Connecting…",
  stale: "Stale, connecting again…",
  failing: "Stale, the server fails",
  ended: "Stale",
};
const SAID_AFTER_MS = 400; // what comes back at once needs no words

let isStaleSaid = false;
let timer = 0;

/** How a subscription stands; `isShown` says whether anything is on show that could be out of date. */
function standingOf({ state }, isShown) {
  if (state === "live") return client.state === "open" ? "socket" : "events";
  if (state === "connecting") return isShown ? "stale" : "wait";
  return state;
}

/** Shows how what is followed stands; `follows()` gives its {subscription, isShown}. Returns what shows it again. */
export function showLiveness(follows) {
  const show = () => {
    const { subscription, isShown } = follows();
    if (!subscription) return;
    const standing = standingOf(subscription, isShown);
    byId("list-state").dataset.state = standing;
    byId("list-state-text").textContent = SAYS[standing];
    byId("reload").hidden = standing !== "ended" || !isShown;
    clearTimeout(timer);
    if (standing !== "wait") timer = setTimeout(speak, SAID_AFTER_MS, subscription.state !== "live");
  };
  transport.addEventListener("change", show);
  return show;
}

/** Who does not see it hears it when it changes: that what stands there may be old, and that it is current again. */
function speak(isStale) {
  if (isStale === isStaleSaid) return;
  isStaleSaid = isStale;
  byId("list-said").textContent = isStale ? "The list may be out of date." : "The list is live again.";
}
