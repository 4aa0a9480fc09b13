/** The same call many times, by the one transport and then by the other. */
import { summary } from "./latency.js";
import { byId, msText } from "./dom.js";
import { transport } from "./transport.js";

const COUNT = 16;
const URL = "/api/stats/";

/** Wires the button. The switch moves as if by hand, and is put back. */
export function wireCompare(api) {
  const button = byId("compare");
  button.title = `${COUNT} times GET ${URL} by each, one after the other`;
  button.addEventListener("click", async () => {
    const before = transport.choice;
    button.disabled = true;
    byId("timing-note").textContent = `Sending GET ${URL} ${COUNT} times by each…`;
    try {
      const calls = [];
      for (const way of ["http", "socket"]) {
        choose(way);
        await api.get(URL); // opens what is to be opened
        for (let number = 0; number < COUNT; number++) calls.push(await api.get(URL));
      }
      byId("timing-note").textContent = verdict(calls);
    } catch (error) {
      byId("timing-note").textContent = error.message;
    }
    choose(before);
    button.disabled = false;
  });
}

function choose(way) {
  byId("switch").querySelector(`[value="${way}"]`).checked = true;
  transport.choose(way);
}

function verdict(calls) {
  const [socket, http] = ["socket", "http"].map((way) => summary(calls, way).median);
  if (socket === null || http === null) return "The socket could not be had, so there is nothing to compare.";
  return `GET ${URL}, median of ${COUNT}: ${msText(socket)} by WebSocket, ${msText(http)} by HTTP.`;
}
