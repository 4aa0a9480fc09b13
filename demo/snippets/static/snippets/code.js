/**
 * Shows highlighted code in a shadow root, so that each piece can have a style of its own.
 *
 * The stylesheets, too, come by the client, each once. They are adopted, not written into the
 * page, which its Content-Security-Policy would forbid.
 */
import { isOk } from "./api.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const sheets = new Map();
const shown = new Map(); // host element -> its style, to follow the theme

const layout = new CSSStyleSheet();
layout.replaceSync(`
  :host { display: grid; }
  pre { margin: 0; padding: .85rem 1rem; overflow-x: auto; white-space: pre; tab-size: 4;
        font: .84rem/1.55 ui-monospace, "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  pre:focus-visible { outline: 2px solid light-dark(#0b6e4f, #4cc79a); outline-offset: -2px; }
`);

/** The style "default" follows the theme of the page. */
const themed = (style) => (style === "default" && dark.matches ? "github-dark" : style);

function sheet(api, style) {
  if (!sheets.has(style)) {
    const loading = api.get(`/api/styles/${encodeURIComponent(style)}.css`).then((answer) => {
      if (!isOk(answer)) throw new Error(`no style ${style}`);
      const made = new CSSStyleSheet();
      made.replaceSync(answer.data);
      return made;
    });
    sheets.set(style, loading);
    loading.catch(() => sheets.delete(style)); // so that it is asked for again
  }
  return sheets.get(style);
}

async function dress(api, host) {
  const style = themed(shown.get(host));
  const colours = await sheet(api, style).catch(() => null); // plain code is better than none
  if (themed(shown.get(host)) !== style) return; // another style was asked for meanwhile
  host.shadowRoot.adoptedStyleSheets = colours ? [colours, layout] : [layout];
}

/** Puts into `host` the `.highlight` of `html`, which may be a fragment or a whole page. */
export async function showCode(api, host, html, style) {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const parsed = new DOMParser().parseFromString(html, "text/html").querySelector(".highlight");
  const pre = parsed?.querySelector("pre");
  pre?.setAttribute("tabindex", "0"); // long lines scroll by keyboard
  root.replaceChildren(...(parsed ? [parsed] : []));
  shown.set(host, style);
  await dress(api, host);
}

/** Keeps what is shown in step with a change between light and dark. */
export function followTheme(api) {
  dark.addEventListener("change", () => {
    for (const host of [...shown.keys()]) host.isConnected ? dress(api, host) : shown.delete(host);
  });
}
