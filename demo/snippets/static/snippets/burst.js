/** Fires many creates at once, so that the throttle of anonymous visitors can be seen. */
import { header } from "./api.js";
import { byId, countDown, make } from "./dom.js";

const COUNT = 40;

/** Wires the button; `account` says who creates, `done` is called when all are answered. */
export function wireBurst(api, account, done) {
  const button = byId("burst");
  let stopCountDown = () => {};
  button.textContent = `Fire ${COUNT} creates`;
  button.addEventListener("click", async () => {
    button.disabled = true;
    stopCountDown();
    byId("burst-retry").textContent = "";
    byId("burst-result").textContent = "";
    const cells = Array.from({ length: COUNT }, () => make("li", { className: "waiting" }, "…"));
    byId("burst-cells").replaceChildren(...cells);
    const answers = await Promise.all(cells.map((cell, index) => fire(api, cell, index + 1)));
    button.disabled = document.documentElement.dataset.socket !== "open";
    stopCountDown = report(answers.filter(Boolean), account.user);
    done();
  });
}

async function fire(api, cell, number) {
  const data = { title: `Burst ${number} of ${COUNT}`, code: `print(${number})`, language: "python" };
  try {
    const answer = await api.call("POST", "/api/snippets/", data);
    cell.textContent = answer.status;
    cell.className = { 201: "done", 429: "throttled" }[answer.status] ?? "failed";
    return answer;
  } catch (error) {
    cell.textContent = "–";
    cell.className = "failed";
    cell.title = error.message;
    return null;
  }
}

/** Says how it went; returns what stops the countdown. */
function report(answers, user) {
  const number = (status) => answers.filter((answer) => answer.status === status).length;
  const throttled = answers.filter((answer) => answer.status === 429);
  byId("burst-result").textContent = throttled.length
    ? `${number(201)} created (201), ${throttled.length} throttled (429).`
    : `${number(201)} created (201), none throttled${user ? ": who is signed in is not counted" : ""}.`;
  const seconds = Math.max(0, ...throttled.map((answer) => Number(header(answer, "Retry-After") ?? 0)));
  if (!seconds) return () => {};
  const say = (left) => (left ? `Retry-After: ${left} s` : "You can create again now.");
  return countDown(byId("burst-retry"), seconds, say);
}
