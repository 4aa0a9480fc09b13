/**
 * Brings a part of the page to the server's next version, and leaves alone what the server did not change.
 *
 * Keeps a shadow: an inert copy of what the server last sent, each node of which knows its twin in the page. The next
 * version is compared with the shadow, never with the page, and only the differences are drawn on the twins. So what the
 * user or a script changed stays, unless the server changed the same thing.
 *
 * Long because all of it shares the twins: drawing, moving, the fields and the scripts of one page.
 */
import { createFieldKeeper, isBox, isInput, type Fields } from "./fields.js";
import { inertCopy, normalize, parse, runnable } from "./html.js";
import { isElement, isProgram, isSamePlace, pair, risingRun, type KeyOf } from "./matching.js";

export interface Morph {
  /**
   * Brings the page to the server's next version.
   *
   * @param html - a whole document if the root is `<html>`, or else the content of the root
   * @returns whether anything was drawn
   */
  apply(html: string): boolean;
  /** The user's form was sent, so the next version is right about its fields, except for those that the user changes after this call. */
  release(form: HTMLFormElement): void;
  /** The same for a form whose request is on its way: call what this returns once it has succeeded. What the user enters after this call stays. */
  sending(form: HTMLFormElement): () => void;
  /** Whether most of what the server sent is no longer in the page, as after a navigation by a script. */
  isReplaced(): boolean;
}

export type Change = "change" | "add" | "remove";

export interface MorphHooks {
  /**
   * Called before an element of the page, or what is in it, is changed, added or removed. If it returns false, all of it
   * stays as it is, and the next version tries again. `next` is the server's element, or null without one.
   */
  before?(element: Element, change: Change, next: Element | null): boolean;
  /** A key for an element of the server's HTML. Two elements with different keys are never the same. */
  key?(element: Element): string | null;
  /** Whether the id of an element says nothing about which it is, as the ids of a formset that count its rows. */
  ignoresId?(element: Element): boolean;
  /** Whether a nonce is that of the version's own policy, so that a new script with it may run. If nobody knows, new scripts run only on pages without nonces. */
  isTrusted?(nonce: string): boolean | undefined;
  /** Called after an element was changed or added. */
  after?(element: Element): void;
}

/** The parts of the page that belong to the client: they stay as they were served. */
const OURS = "meta[name=wsrequest-live],script[data-wsrequest]";
const REGION = "live-region";

const isSpace = (node: Node | null | undefined): node is Text => node?.nodeType === 3 && !/\S/.test((node as Text).data);
const ignores = (element: Element, what = ""): boolean => element.getAttribute("data-live-ignore") === what;

/**
 * Makes the morph of one part of the page.
 *
 * @param root - `document.documentElement`, or an element whose content the server sends
 * @param served - the HTML that the server sent for it. If that is not known, the root itself: what scripts had changed
 *   until then counts as the server's, except attributes of `<html>` and `<body>`
 */
export function createMorph(root: Element, served: string | Node, hooks: MorphHooks = {}): Morph {
  const twins = new WeakMap<Node, Node>(); // of each node of the shadow, the node in the page
  const known = new WeakSet<Node>(); // the nodes of the page that the server sent
  const opaque = new WeakSet<Node>(); // custom elements of the shadow that may have made their children themselves
  const keeper = createFieldKeeper();
  const shadow = inertCopy(root);
  let fields: Fields;
  let isDrawn = false;
  let isFirst = typeof served !== "string";
  let isRebase = false; // whether the shadow changes and the page does not

  const keyOf: KeyOf = (element) => hooks.key?.(element) ?? element.getAttribute("data-live-key") ?? (hooks.ignoresId?.(element) ? null : element.id || null);
  const twinOf = (node: Node): Node | undefined => (isRebase ? undefined : twins.get(node));

  /** Notes that a node of the shadow and a node of the page are the same, with all that is in them. */
  function link(copy: Node, live: Node): void {
    twins.set(copy, live);
    known.add(live);
    for (let one = copy.firstChild, other = live.firstChild; one && other; one = one.nextSibling, other = other.nextSibling) link(one, other);
  }

  const drawn = (element?: Node | null): void => {
    isDrawn = true;
    if (element && isElement(element)) hooks.after?.(element);
  };

  function visitNode(old: ChildNode, next: ChildNode): void {
    if (isElement(old)) visit(old, next as Element);
    else drawData(old as CharacterData, next as CharacterData);
  }

  function visit(old: Element, next: Element): void {
    const live = twinOf(old) as Element | undefined;
    if (next.matches(OURS) || (live && (ignores(live) || hooks.before?.(live, "change", next) === false))) return;
    const isRegion = next.localName === REGION;
    drawAttributes(old, next, live, isRegion);
    if (isRegion || (live && (ignores(live, "children") || isEdited(old, live)))) return;
    const isUnsure = opaque.delete(old);
    if (isUnsure && !hasCommon(old, next)) return void old.replaceChildren(...next.childNodes); // it makes its children itself
    if (next.localName === "textarea") drawText(old as HTMLTextAreaElement, next, live as HTMLTextAreaElement);
    else visitChildren(old, next, live, isUnsure);
  }

  const hasCommon = (old: Element, next: Element): boolean => {
    const [before, after] = [old, next].map((each) => [...each.childNodes].filter((node) => !isSpace(node))) as [ChildNode[], ChildNode[]];
    return pair(before, after, keyOf).size > 0;
  };

  /** Whether the user has written into an editable element. */
  const isEdited = (old: Element, live: Element): boolean => live.hasAttribute("contenteditable") && live.innerHTML !== old.innerHTML;

  function drawAttributes(old: Element, next: Element, live: Element | undefined, isRegion = false): void {
    const isSame = (name: string): boolean => old.getAttribute(name) === next.getAttribute(name);
    const names = new Set([...old.getAttributeNames(), ...next.getAttributeNames()].filter((name) => !isSame(name)));
    for (const name of names) {
      const attribute = next.getAttributeNode(name);
      const isUnsure = isFirst && !attribute && /^(html|body)$/.test(old.localName);
      if (live && !isUnsure && !(isRegion && name === "data-etag")) drawAttribute(live, name, old.getAttribute(name), attribute);
      if (attribute) old.setAttributeNode(attribute.cloneNode() as Attr);
      else old.removeAttribute(name);
    }
  }

  function drawAttribute(live: Element, name: string, before: string | null, attribute: Attr | null): void {
    const after = attribute?.value ?? null;
    if (name === "class") drawClasses(live, before ?? "", after ?? "");
    else if (attribute) live.setAttributeNode(attribute.cloneNode() as Attr);
    else if (name === "open" && live instanceof HTMLDialogElement && live.open) live.close(); // the attribute alone would leave the page inert
    else live.removeAttribute(name);
    drawn(live);
    if (fields.isDirty(live)) return;
    if (name === "checked" && isInput(live)) live.checked = after !== null;
    if (name === "selected" && live.localName === "option") (live as HTMLOptionElement).selected = after !== null;
    if (name === "value" && isInput(live) && live.type !== "file" && !isBox(live)) setValue(live, after ?? "");
  }

  /** What a script added to the classes stays. */
  function drawClasses(live: Element, before: string, after: string): void {
    const [old, next] = [before, after].map((text) => text.split(/\s+/).filter(Boolean)) as [string[], string[]];
    live.classList.remove(...old.filter((name) => !next.includes(name)));
    live.classList.add(...next.filter((name) => !old.includes(name)));
    if (!live.classList.length && !next.length) live.removeAttribute("class");
  }

  function setValue(control: HTMLInputElement | HTMLTextAreaElement, value: string): void {
    if (control.value === value) return;
    const caret = control === document.activeElement ? ([control.selectionStart, control.selectionEnd] as const) : undefined;
    control.value = value;
    if (caret && caret[0] !== null) control.setSelectionRange(...caret);
  }

  function drawText(old: HTMLTextAreaElement, next: Element, live: HTMLTextAreaElement | undefined): void {
    const text = next.textContent ?? "";
    if (old.textContent === text) return;
    old.textContent = text;
    if (!live) return;
    const isDirty = fields.isDirty(live);
    const { value } = live;
    live.defaultValue = text;
    setValue(live, isDirty ? value : live.defaultValue);
    drawn(live);
  }

  /** Changes the part of a text that differs, so that a selection in the rest of it stays. */
  function drawData(old: CharacterData, next: CharacterData): void {
    const live = twinOf(old) as CharacterData | undefined;
    const before = old.data;
    const after = next.data;
    old.data = after;
    if (!live) return;
    if (live.data !== before) live.data = after;
    else {
      const least = Math.min(before.length, after.length);
      let start = 0;
      let end = 0;
      while (start < least && before[start] === after[start]) start++;
      while (end < least - start && before.at(-end - 1) === after.at(-end - 1)) end++;
      live.replaceData(start, before.length - end - start, after.slice(start, after.length - end));
    }
    drawn(live.parentNode);
  }

  /** Draws the children. If `isUnsure`, some of the old ones may not be the server's. */
  function visitChildren(old: Element, next: Element, live: Element | undefined, isUnsure = false): void {
    const before = [...old.childNodes];
    const after = [...next.childNodes];
    const least = Math.min(before.length, after.length);
    let start = 0;
    let end = 0;
    while (start < least && before[start]!.isEqualNode(after[start]!)) start++;
    const isKnownToDiffer = (): boolean => before.length === after.length && end === before.length - start - 1;
    while (end < least - start && !isKnownToDiffer() && before.at(-end - 1)!.isEqualNode(after.at(-end - 1)!)) end++;
    const olds = before.slice(start, before.length - end);
    const news = after.slice(start, after.length - end);
    if (!olds.length && !news.length) return;
    const one = olds[0]!;
    const other = news[0]!;
    if (olds.length === 1 && news.length === 1 && twinOf(one)?.isConnected && isSamePlace(one, other, keyOf)) return visitNode(one, other);
    const rest = before.slice(before.length - end); // what follows, and is equal
    const keepsSpace = !!next.closest("pre,textarea,[contenteditable]");
    const counts = (node: ChildNode): boolean => keepsSpace || !isSpace(node);
    const oldNodes = olds.filter(counts);
    const nextNodes = news.filter(counts);
    const list = live && placeIn(live, keepsSpace);
    if (list) for (const node of before) relink(node, node, list);
    const adopted = new Map<ChildNode, Element>();
    const isClaimed = (node: ChildNode): boolean => {
      const extra = list?.adopt(node);
      if (extra) adopted.set(node, extra);
      return !!extra;
    };
    const pairs = pair(oldNodes, nextNodes, keyOf, isClaimed, isRebase);
    const matched = nextNodes.filter((node) => pairs.has(node));
    const places = new Map(oldNodes.map((node, index) => [node, index]));
    const order = matched.map((node) => places.get(pairs.get(node)!)!);
    const focused = matched.findIndex((node) => twins.get(pairs.get(node)!)?.contains(document.activeElement));
    const run = risingRun(order, focused);
    const staying = new Set(matched.filter((_, index) => run.has(index)));

    const addedCount = nextNodes.filter((node) => !pairs.has(node) && !adopted.has(node)).length;
    const isEnd = rest.every(isSpace);
    const stillThere = removeFrom(oldNodes, new Set(pairs.values()), { addedCount, isEnd, isUnsure }, list);

    // Before which node of the page each node goes: the next one that stays where it is.
    let mark = list?.first(rest) ?? null;
    const marks = new Map<ChildNode, Node | null>();
    for (const node of [...nextNodes].reverse()) {
      marks.set(node, mark);
      const twin = staying.has(node) ? twinOf(pairs.get(node)!) : undefined;
      if (twin && twin.parentNode === live) mark = twin;
    }
    const result: ChildNode[] = [];
    for (const node of news) {
      const same = pairs.get(node);
      if (same) {
        if (list) relink(same, node, list);
        if (list && !staying.has(node)) list.move(twinOf(same), marks.get(node)!, node);
        if (!same.isEqualNode(node)) visitNode(same, node);
        result.push(same);
      } else if (list && counts(node)) {
        const extra = adopted.get(node);
        const added = extra ? list.take(node as Element, extra, marks.get(node)!) : list.insert(node, marks.get(node)!);
        if (added) result.push(added);
      } else result.push(node);
    }
    // What could not be removed stays in the shadow, too, behind what was before it.
    for (const node of stillThere) {
      const previous = oldNodes[places.get(node)! - 1];
      result.splice(previous && result.includes(previous) ? result.indexOf(previous) + 1 : 0, 0, node);
    }
    if (result.length === olds.length && result.every((node, index) => node === olds[index])) return;
    const following = rest[0] ?? null;
    const remaining = new Set(result);
    for (const node of olds) if (!remaining.has(node)) node.remove();
    for (const node of result) old.insertBefore(node, following);
  }

  /** If a script has put an equal element in the place of the server's, as htmx does with what it requested, that is the one. */
  function relink(old: ChildNode, like: ChildNode, list: List): void {
    const extra = twins.get(old)?.isConnected === false ? list.adopt(like) : undefined;
    if (!extra) return;
    if (extra.isEqualNode(old)) return link(old, extra);
    twins.set(old, extra);
    known.add(extra);
  }

  /** Removes what the next version lacks. Returns what must stay for now. */
  function removeFrom(olds: ChildNode[], kept: Set<ChildNode>, facts: { addedCount: number; isEnd: boolean; isUnsure: boolean }, list: List | undefined): ChildNode[] {
    const { addedCount, isEnd, isUnsure } = facts;
    const gone = olds.filter((node) => !kept.has(node));
    const forget = (node: ChildNode): void => void known.delete(twins.get(node)!);
    if (!list) {
      gone.forEach(forget);
      return [];
    }
    // New rows push the last ones to the next page, which the user has loaded already: they stay.
    const last = olds.map((node) => kept.has(node)).lastIndexOf(true);
    const pushed = isEnd && addedCount && list.isExtended() ? olds.slice(last + 1).filter(isElement).slice(-addedCount) : [];
    const names = isUnsure ? new Set([...kept].map(({ nodeName }) => nodeName)) : undefined;
    return gone.filter((node) => {
      const live = twinOf(node) as ChildNode | undefined;
      if (!live) return false;
      if (pushed.includes(node as Element & ChildNode) || names?.has(node.nodeName) === false) return void forget(node);
      if (isElement(live) && (live.matches(OURS) || hooks.before?.(live, "remove", null) === false || fields.holds(live))) return true;
      list.remove(live);
      return false;
    });
  }

  interface List {
    /** The first of these nodes of the shadow that is in the list, as the node of the page. */
    first(nodes: ChildNode[]): Node | null;
    /** Whether the user has loaded more than the server sends (`data-live-keep`). */
    isExtended(): boolean;
    /** The element that a script has added already, and that the server now sends. */
    adopt(next: ChildNode): Element | undefined;
    take(next: Element, extra: Element, mark: Node | null): ChildNode | null;
    insert(next: ChildNode, mark: Node | null): ChildNode | null;
    move(node: Node | undefined, mark: Node | null, next: ChildNode): void;
    remove(node: ChildNode): void;
  }

  /** Draws changes in the children of an element of the page, which may have others than the server knows. */
  function placeIn(live: Element, keepsSpace: boolean): List {
    let found: Set<Element> | undefined;
    const extras = (): Set<Element> => (found ??= new Set([...live.children].filter((child) => !known.has(child))));

    /** At the end, rows go before the rows that a script has added there, and other nodes after whatever it has added. */
    function end(name: string): Node | null {
      let mark: Node | null = null;
      for (let node = live.lastChild; node && (isSpace(node) || !known.has(node)); node = node.previousSibling) {
        if (isElement(node) && node.localName === name) mark = node;
      }
      return mark;
    }

    function put(node: Node, mark: Node | null, next: ChildNode): void {
      const before = mark?.parentNode === live ? mark : end((next as Element).localName);
      if (node === before) return;
      if (node.isConnected && "moveBefore" in live) (live as Element & { moveBefore(node: Node, before: Node | null): void }).moveBefore(node, before);
      else live.insertBefore(node, before);
      if (keepsSpace) return;
      // The white space around an element of the version comes with it, once.
      if (isSpace(next.previousSibling) && !isSpace(node.previousSibling)) live.insertBefore(document.importNode(next.previousSibling), node);
      if (isSpace(next.nextSibling) && !isSpace(node.nextSibling)) live.insertBefore(document.importNode(next.nextSibling), node.nextSibling);
    }

    function tidy(node: ChildNode): void {
      if (!keepsSpace && isSpace(node.previousSibling) && isSpace(node.nextSibling)) node.nextSibling.remove();
    }

    return {
      first: (nodes) => nodes.filter((node) => keepsSpace || !isSpace(node)).map(twinOf).find((twin) => twin?.parentNode === live) ?? null,
      isExtended: () => live.hasAttribute("data-live-keep") && !!extras().size,
      adopt(next) {
        const key = isElement(next) && extras().size ? keyOf(next) : undefined;
        const extra = isElement(next) && [...extras()].find((each) => each.localName === next.localName && (key ? keyOf(each) === key : each.isEqualNode(next)));
        if (extra) extras().delete(extra);
        return extra || undefined;
      },
      take(next, extra, mark) {
        if (hooks.before?.(extra, "change", next) === false) return null;
        const copy = inertCopy(extra);
        link(copy, extra);
        normalize(copy);
        put(extra, mark, next);
        if (!copy.isEqualNode(next)) visit(copy, next);
        drawn();
        return copy;
      },
      insert(next, mark) {
        const node = document.importNode(next, true);
        link(next, node);
        if (isElement(node) && hooks.before?.(node, "add", next as Element) === false) return null;
        place(next, node, (made) => put(made, mark, next));
        drawn(twins.get(next));
        return next;
      },
      move(node, mark, next) {
        if (node?.parentNode !== live) return; // a script has put it elsewhere, or away
        tidy(node as ChildNode);
        put(node, mark, next);
        drawn(live);
      },
      remove(node) {
        if (node.parentNode === live) tidy(node);
        node.remove();
        drawn(live);
      },
    };
  }

  /** Puts a new node into the page: its scripts run if they may, and its `autofocus` takes no focus. */
  function place(next: ChildNode, node: ChildNode, put: (node: Node) => void): void {
    if (!isElement(node) || !isElement(next)) return put(node);
    const scripts = [next, ...next.querySelectorAll("script")].filter((each) => isProgram(each));
    for (const script of scripts) {
      const made = runnable(script, hooks.isTrusted);
      if (!made) continue;
      const inside = twins.get(script) as ChildNode;
      link(script, made);
      if (inside === node) node = made;
      else inside.replaceWith(made);
    }
    const focusing = [...(node as Element).querySelectorAll("[autofocus]")];
    if ((node as Element).hasAttribute("autofocus")) focusing.push(node as Element);
    for (const each of focusing) each.removeAttribute("autofocus");
    put(node);
    for (const each of focusing) each.setAttribute("autofocus", "");
  }

  function change(next: Element): void {
    fields = keeper.capture(root);
    if (root === document.documentElement) drawAttributes(shadow, next, twinOf(shadow) as Element | undefined);
    visitChildren(shadow, next, twinOf(shadow) as Element | undefined);
    if (!isRebase) fields.finish();
  }

  link(shadow, root);
  normalize(shadow);
  if (typeof served === "string") {
    isRebase = true;
    change(parse(served, root));
    isRebase = false;
  } else {
    for (const element of shadow.querySelectorAll("*")) {
      const { localName } = element;
      if (localName.includes("-") && localName !== REGION && customElements.get(localName) && !(twins.get(element) as Element).shadowRoot) opaque.add(element);
    }
  }

  return {
    apply(html) {
      isDrawn = false;
      change(parse(html, root));
      isFirst = false;
      return isDrawn;
    },
    release: (form) => keeper.sending(form)(),
    sending: keeper.sending,
    isReplaced() {
      const elements = [...shadow.querySelectorAll("body *")];
      return elements.filter((element) => !twins.get(element)?.isConnected).length * 2 > elements.length;
    },
  };
}
