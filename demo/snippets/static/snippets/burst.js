/** Sends many creates at once, so that the throttle of anonymous visitors can be seen. */
import { throttledSeconds } from "./api.js";
import { byId, make } from "./dom.js";
import { showThrottle, throttle } from "./throttle.js";

const COUNT = 40;

/** Wires the button; `account` says who creates. */
export function wireBurst(api, account) {
  const button = byId("burst");
  button.textContent = `Send ${COUNT} creates`;
  showThrottle(byId("burst-throttle"), "Signing in lifts it.");
  button.addEventListener("click", async () => {
    button.disabled = true;
    byId("burst-result").textContent = "";
    const cells = Array.from({ length: COUNT }, () => make("li", { className: "waiting" }, "…"));
    byId("burst-cells").replaceChildren(...cells);
    const answers = await Promise.all(cells.map((cell) => fire(api, cell)));
    button.disabled = false;
    report(answers.filter(Boolean), account.user);
  });
}

async function fire(api, cell) {
  try {
    const answer = await api.call("POST", "/api/snippets/", {});
    cell.textContent = answer.status;
    cell.className = { 400: "done", 429: "throttled" }[answer.status] ?? "failed";
    return answer;
  } catch (error) {
    cell.textContent = "–";
    cell.className = "failed";
    cell.title = error.message;
    return null;
  }
}

function report(answers, user) {
  const throttled = answers.filter(({ status }) => status === 429);
  const looked = answers.filter(({ status }) => status === 400).length;
  const lost = COUNT - looked - throttled.length;
  byId("burst-result").textContent = [
    `${looked} looked at by the serializer (400), `,
    throttled.length ? `${throttled.length} throttled (429)` : "none throttled",
    !throttled.length && user ? ": who is signed in is not counted" : "",
    lost ? `, ${lost} failed.` : ".",
  ].join("");
  if (throttled.length) throttle.start(Math.max(...throttled.map(throttledSeconds)));
}
