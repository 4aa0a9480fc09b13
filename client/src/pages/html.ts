/** The server's HTML as inert nodes: no script runs, nothing is loaded, and no custom element is made. */

/** Where inert nodes belong. It has no window. */
const inert = document.implementation.createHTMLDocument("");

interface Policy {
  createHTML(html: string): string;
  createScript(text: string): string;
}
/** Trusted Types. The page's policy must allow the name `wsrequest` (docs/live-pages.md). */
const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } };
let policy: Policy | undefined;
const trust = (): Policy => {
  const asIs = (text: string): string => text;
  const rules = { createHTML: asIs, createScript: asIs };
  return (policy ??= trustedTypes?.createPolicy("wsrequest", rules) ?? rules);
};

/** The nonces of inert scripts, which are no part of what is compared. */
const nonces = new WeakMap<Element, string>();

const TOKEN = "csrfmiddlewaretoken";
const VARYING = `noscript,[nonce],input[name=${TOKEN}],template[shadowrootmode]`;

/**
 * Takes out of an inert tree what differs between versions that say the same: nonces, and masked CSRF tokens, of which
 * the page keeps its own. Also what a page with scripts has in another form: `noscript`, and shadow roots in templates.
 */
export function normalize(tree: Element): void {
  const token = document.querySelector<HTMLInputElement>(`input[name=${TOKEN}]`)?.value;
  for (const element of tree.querySelectorAll(VARYING)) {
    if (element.localName === "noscript") element.replaceChildren();
    else if (element.hasAttribute("shadowrootmode")) element.remove();
    else if (element.getAttribute("name") === TOKEN) element.setAttribute("value", token ?? element.getAttribute("value") ?? "");
    const own = element.getAttribute("nonce");
    if (own !== null) {
      nonces.set(element, own);
      element.removeAttribute("nonce");
    }
  }
}

/** Parses a whole document. */
export const parseDocument = (html: string): Document =>
  new DOMParser().parseFromString(trust().createHTML(html), "text/html");

/** Parses the next version of an element: a document for `<html>`, and for any other its content. */
export function parse(html: string, root: Element): Element {
  let tree: Element;
  if (root === document.documentElement) tree = parseDocument(html).documentElement;
  else {
    tree = inert.importNode(root, false);
    tree.innerHTML = trust().createHTML(html);
  }
  normalize(tree);
  return tree;
}

/** An inert copy of a part of the page. Constructors of custom elements do not run. */
export const inertCopy = <T extends Node>(node: T): T => inert.importNode(node, true);

/** The nonce of the page's Content-Security-Policy, as far as a script can see. */
const nonce = [...document.scripts].find((script) => script.nonce)?.nonce ?? "";

/**
 * Makes a script that runs once it is in the page, with the page's nonce.
 *
 * @param inertScript - the script of the version, which has the nonce of its own response
 * @param isTrusted - whether a nonce is that of the version's policy. If nobody knows, no script runs on a page with nonces
 * @returns null if the script may not run
 */
export function runnable(inertScript: Element, isTrusted?: (nonce: string) => boolean | undefined): HTMLScriptElement | null {
  if (!(isTrusted?.(nonces.get(inertScript) ?? "") ?? !nonce)) return null;
  const script = document.createElement("script");
  for (const attribute of inertScript.attributes) script.setAttributeNode(attribute.cloneNode() as Attr);
  if (nonce) script.nonce = nonce;
  script.async = inertScript.hasAttribute("async");
  script.text = trust().createScript(inertScript.textContent ?? "");
  return script;
}
