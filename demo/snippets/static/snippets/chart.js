/**
 * The time of each call as a small chart, and the medians of both ways beside it.
 *
 * What is drawn is latency.js's to say. For those who do not see it, the picture has its sum as a label.
 */
import { byId, msText } from "./dom.js";
import { MOST, summary, topOf, withCall } from "./latency.js";

const WAYS = { socket: "WebSocket", http: "HTTP" };
const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM] = [480, 96, 34, 2];
const STEP = (WIDTH - LEFT) / MOST;

function draw(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const floor = HEIGHT - BOTTOM;
const yOf = (ms, top) => floor - (Math.min(ms, top) / top) * (floor - 10);

function bar({ method, url, status, way, ms }, index, top) {
  const y = yOf(ms, top);
  const x = LEFT + index * STEP + 1;
  const width = STEP - 2.2;
  const height = Math.max(2, floor - y);
  const kind = `call ${way}${ms > top ? " cut" : ""}`;
  const rect = draw("rect", { class: kind, x, y: floor - height, width, height, rx: 1.5 });
  rect.append(draw("title", {}, `${method} ${url}: ${status} by ${WAYS[way]} in ${msText(ms)}`));
  // An arrow on what is cut: it says by more than colour that the bar goes on.
  const [left, tip, right] = [x, y - 7, x + width];
  const arrow = draw("path", { class: `call ${way}`, d: `M${left} ${y - 2}L${(left + right) / 2} ${tip}L${right} ${y - 2}Z` });
  return ms > top ? [rect, arrow] : [rect];
}

function picture(calls) {
  const top = topOf(calls);
  const lines = [top, top / 2, 0].flatMap((ms) => [
    draw("line", { class: "rule", x1: LEFT, x2: WIDTH, y1: yOf(ms, top), y2: yOf(ms, top) }),
    draw("text", { class: "tick", x: LEFT - 6, y: yOf(ms, top) + 3.5, "text-anchor": "end" }, ms || ""),
  ]);
  const unit = draw("text", { class: "tick", x: LEFT - 6, y: floor, "text-anchor": "end" }, "ms");
  const bars = calls.flatMap((call, index) => bar(call, MOST - calls.length + index, top));
  const said = Object.keys(WAYS).map((way) => {
    const { count, median } = summary(calls, way);
    return `${WAYS[way]}: ${count ? `median ${msText(median)} of ${count} calls` : "no calls yet"}`;
  });
  const label = `Time of the last ${calls.length} calls. ${said.join(". ")}.`;
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  svg.append(...lines, unit, ...bars);
  return svg;
}

/** Draws each call that `api` reports. */
export function drawCalls(api) {
  let calls = [];
  const show = () => {
    for (const way of Object.keys(WAYS)) {
      const { count, median } = summary(calls, way);
      byId(`median-${way}`).textContent = count ? msText(median) : "–";
      byId(`count-${way}`).textContent = count ? `median of ${count}` : "no calls yet";
    }
    byId("chart").replaceChildren(picture(calls));
  };
  api.addEventListener("called", ({ detail }) => {
    calls = withCall(calls, detail);
    show();
  });
  show();
}
