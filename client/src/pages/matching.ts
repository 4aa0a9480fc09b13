/**
 * Which child of the server's last version is which child of its next one. Both lists are inert: nothing is drawn here.
 *
 * In this order: by key (`data-live-key`, `id`), by equal content, by what identifies a row without a key (its links, names
 * and hidden values), and last by likeness between the same neighbours. Elements with different keys are never the same.
 */
export type KeyOf = (element: Element) => string | null;
/** The next version's nodes, each with the node of the last version that it is. */
export type Pairs = Map<ChildNode, ChildNode>;

/** More comparisons than this, and rows without any identity are paired in their order. */
const MAX_COMPARISONS = 20_000;
/** Two rows that share less of their words are two rows. */
const LIKENESS = 0.5;
const ROWS = /^(LI|TR|OPTION|DT|DD)$/;
const MARKS = ["id", "href", "action", "src", "for", "name", "value"];
const MARKED = MARKS.map((name) => `[${name}]`).join();

export const isElement = (node: Node): node is Element => node.nodeType === 1;

/** A script whose text runs. Data such as that of `json_script` is none. */
export const isProgram = (node: Element): boolean => {
  const type = node.localName === "script" ? (node.getAttribute("type") ?? "") : "data";
  return /^(|module|.*\/(java|ecma)script.*)$/i.test(type.trim());
};

/** Whether two nodes that alone differ between two lists are the same, because they have a place and no identity. */
export function isSamePlace(old: ChildNode, next: ChildNode, keyOf: KeyOf): boolean {
  if (old.nodeName !== next.nodeName) return false;
  if (!isElement(old) || !isElement(next)) return true;
  if (ROWS.test(old.nodeName) || /^(SCRIPT|INPUT)$/.test(old.nodeName) || keyOf(old) !== keyOf(next)) return false;
  const isAlike = (sibling: Element | null): boolean => sibling?.nodeName === old.nodeName;
  return /^T[DH]$/.test(old.nodeName) || !(isAlike(old.nextElementSibling) || isAlike(old.previousElementSibling));
}

/**
 * Pairs two lists of children.
 *
 * @param isClaimed - whether a node that has no equal in the last version is in the page already, and so is none of its nodes
 * @param isLenient - whether two nodes of one kind that are left over in one place are the same
 */
export function pair(before: ChildNode[], allAfter: ChildNode[], keyOf: KeyOf, isClaimed = (_next: ChildNode): boolean => false, isLenient = false): Pairs {
  let after = allAfter;
  const pairs: Pairs = new Map();
  const taken = new Set<ChildNode>();
  const keys = new Map([...before, ...after].map((node) => [node, isElement(node) ? keyOf(node) : null]));
  const join = (next: ChildNode, old: ChildNode): void => {
    pairs.set(next, old);
    taken.add(old);
  };
  const left = (nodes: ChildNode[]): ChildNode[] => nodes.filter((node) => !taken.has(node) && !pairs.has(node));

  const mayJoin = (old: ChildNode, next: ChildNode): boolean => {
    if (old.nodeName !== next.nodeName || keys.get(old) !== keys.get(next)) return false;
    if (!isElement(old) || !isElement(next)) return true;
    // A changed program is a new one, and another type of input is another field.
    if (isProgram(next)) return old.isEqualNode(next);
    return next.localName !== "input" || old.getAttribute("type") === next.getAttribute("type");
  };

  const joinFirst = (olds: ChildNode[], news: ChildNode[], may: (next: ChildNode) => boolean): void => {
    for (const next of news) {
      const old = pairs.has(next) || !may(next) ? undefined : olds.find((each) => !taken.has(each) && mayJoin(each, next));
      if (old) join(next, old);
    }
  };

  /** Joins what has the same text in both lists, as `textOf` tells it. */
  const joinBy = (textOf: (node: ChildNode) => string | null | undefined): void => {
    const byText = new Map<string, ChildNode[]>();
    for (const node of left(before)) {
      const text = textOf(node);
      if (text && !byText.get(text)?.push(node)) byText.set(text, [node]);
    }
    for (const next of byText.size ? left(after) : []) {
      const candidates = byText.get(textOf(next) ?? "");
      if (candidates?.[0] && mayJoin(candidates[0], next)) join(next, candidates.shift()!);
    }
  };

  // The cells of a row have places, not identities.
  const isRow = before[0]?.parentNode?.nodeName === "TR" && before.length === after.length;
  if (isRow && after.every((next, index) => mayJoin(before[index]!, next))) {
    after.forEach((next, index) => join(next, before[index]!));
    return pairs;
  }
  const isAlone = aloneIn(before[0]?.parentNode, after[0]?.parentNode);
  joinFirst(before, after, isAlone);
  joinBy((node) => keys.get(node));
  if (before.length === after.length) {
    // Most versions change a few rows in place.
    for (const [index, next] of after.entries()) if (!pairs.has(next) && before[index]!.isEqualNode(next) && !taken.has(before[index]!)) join(next, before[index]!);
  }
  joinBy((node) => (isElement(node) ? node.outerHTML : `${node.nodeName} ${node.nodeValue}`));
  const claimed = new Set(left(after).filter(isClaimed));
  after = after.filter((next) => !claimed.has(next));
  // Often all rows change in place, for example their times: the same first link in the same place is enough.
  if (before.length === allAfter.length) {
    for (const [index, next] of allAfter.entries()) {
      const old = before[index]!;
      if (pairs.has(next) || taken.has(old) || claimed.has(next) || !mayJoin(old, next)) continue;
      const mark = firstMark(next);
      if (mark && mark === firstMark(old)) join(next, old);
    }
  }
  joinByMarks(left(before).filter(isElement), left(after).filter(isElement), mayJoin, join);
  joinByPlace(before, after, { pairs, taken, mayJoin, join }, (olds, news, isFew) =>
    joinFirst(olds, news, (next) => isLenient || !isElement(next) || (!isFew && news.length === olds.length)),
  );
  return pairs;
}

/** What may tell one row from another: its own and its descendants' links, names, ids and hidden values. */
function marksOf(element: Element): Set<string> {
  const marked = [element, ...element.querySelectorAll(MARKED)];
  return new Set(marked.flatMap((each) => MARKS.flatMap((name) => (each.hasAttribute(name) ? `${each.localName} ${name}=${each.getAttribute(name)}` : []))));
}

const firstMark = (node: ChildNode): string | null | undefined => isElement(node) ? node.querySelector("[href]")?.getAttribute("href") : null;

type MayJoin = (old: ChildNode, next: ChildNode) => boolean;
type Join = (next: ChildNode, old: ChildNode) => void;

function joinByMarks(before: Element[], after: Element[], mayJoin: MayJoin, join: Join): void {
  if (!before.length || !after.length) return;
  /** The element of a list that alone has a mark. Null if several have it. */
  const owners = (marks: Map<Element, Set<string>>): Map<string, Element | null> => {
    const found = new Map<string, Element | null>();
    for (const [element, each] of marks) for (const mark of each) found.set(mark, found.has(mark) ? null : element);
    return found;
  };
  const old = owners(new Map(before.map((element) => [element, marksOf(element)])));
  const marks = new Map(after.map((element) => [element, marksOf(element)]));
  const mine = owners(marks);
  const free = new Set(before);
  for (const [next, each] of marks) {
    const votes = new Map<Element, number>();
    for (const mark of each) {
      const candidate = mine.get(mark) && old.get(mark);
      if (candidate && free.has(candidate) && mayJoin(candidate, next)) votes.set(candidate, (votes.get(candidate) ?? 0) + 1);
    }
    const [best] = [...votes].sort((one, other) => other[1] - one[1]);
    if (best) join(next, best[0]), free.delete(best[0]);
  }
}

const wordsOf = (node: ChildNode): Set<string> => {
  const attributes = isElement(node) ? [...node.attributes].map(({ name, value }) => `${name}=${value}`) : [];
  return new Set([...(node.textContent ?? "").split(/\s+/).filter(Boolean), ...attributes]);
};

/** How much two nodes share, from 0 to 1. */
function likeness(one: Set<string>, other: Set<string>): number {
  const shared = [...one].filter((word) => other.has(word)).length;
  return one.size + other.size ? (2 * shared) / (one.size + other.size) : 1;
}

/** Makes the test whether an element is the only one of its kind in both parents. So it is the same, whatever it says now. Rows never are. */
function aloneIn(...parents: (Node | null | undefined)[]): (node: ChildNode) => boolean {
  const isOne = (parent: Node | null | undefined, { nodeName }: ChildNode): boolean => {
    let count = 0;
    for (let node = parent?.firstChild; node && count < 2; node = node.nextSibling) if (node.nodeName === nodeName) count++;
    return count === 1;
  };
  return (node) => isElement(node) && !ROWS.test(node.nodeName) && parents.every((parent) => isOne(parent, node));
}

interface Joining {
  pairs: Pairs;
  taken: Set<ChildNode>;
  mayJoin: MayJoin;
  join: Join;
}

/** Joins what stands between the same neighbours, the most alike first. `joinRest` gets what is left over in one place. */
function joinByPlace(before: ChildNode[], after: ChildNode[], { pairs, taken, mayJoin, join }: Joining, joinRest: (olds: ChildNode[], news: ChildNode[], isFew: boolean) => void): void {
  const places = new Map(before.map((node, index) => [node, index]));
  const words = new Map<ChildNode, Set<string>>();
  const wordsIn = (node: ChildNode): Set<string> => words.get(node) ?? words.set(node, wordsOf(node)).get(node)!;
  // Only what kept its order is a neighbour.
  const matched = after.filter((node) => pairs.has(node));
  const run = risingRun(matched.map((node) => places.get(pairs.get(node)!)!));
  const neighbors = new Map(matched.filter((_, index) => run.has(index)).map((node) => [node, places.get(pairs.get(node)!)!]));
  for (let from = 0, start = 0; from < after.length; from++) {
    let to = from;
    while (to < after.length && !neighbors.has(after[to]!)) to++;
    const end = neighbors.get(after[to]!) ?? before.length;
    const olds = before.slice(start, end).filter((node) => !taken.has(node));
    const news = after.slice(from, to).filter((node) => !pairs.has(node));
    const isFew = olds.length * news.length <= MAX_COMPARISONS;
    const choices = isFew ? news.flatMap((next) => olds.filter((old) => mayJoin(old, next)).map((old) => ({ next, old, score: likeness(wordsIn(old), wordsIn(next)) }))) : [];
    for (const { next, old, score } of choices.sort((one, other) => other.score - one.score)) {
      if (score >= LIKENESS && !taken.has(old) && !pairs.has(next)) join(next, old);
    }
    joinRest(olds, news, isFew);
    start = end + 1;
    from = to;
  }
}

/** The longest run of rising numbers, as indexes. If `pinned` is one, it is part of the run. */
export function risingRun(numbers: number[], pinned = -1): Set<number> {
  const ends: number[] = []; // the index that ends the best run of each length
  const previous: number[] = [];
  const fits = (index: number): boolean => {
    if (pinned < 0 || index === pinned) return true;
    return index < pinned ? numbers[index]! < numbers[pinned]! : numbers[index]! > numbers[pinned]!;
  };
  numbers.forEach((number, index) => {
    if (!fits(index)) return;
    let low = 0;
    for (let high = ends.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (numbers[ends[middle]!]! < number) low = middle + 1;
      else high = middle;
    }
    previous[index] = low ? ends[low - 1]! : -1;
    ends[low] = index;
  });
  const run = new Set<number>();
  for (let index = ends.at(-1) ?? -1; index >= 0; index = previous[index]!) run.add(index);
  return run;
}
