/**
 * Applies patches: JSON Patch (RFC 6902), and text patches (PROTOCOL.md 4.7).
 *
 * A JSON Patch changes the value in place, so the value is useless after an error.
 */
import type { Bytes } from "./messages.js";

type Members = Record<string, unknown>;
/** A parent, and the name in it. */
type Place = [parent: unknown, name: string];

function need(holds: unknown): asserts holds {
  if (!holds) throw new Error("The patch does not fit.");
}

/** Returns the text after a patch: an array of changes `[start, remove, insert]`. Throws if the patch cannot be applied. */
export function patchedText(body: Bytes, patch: unknown): Bytes {
  const encoder = new TextEncoder();
  const parts: Bytes[] = [];
  let end = 0;
  for (const [start, remove, insert] of patch as [number, number, string][]) {
    need(Number.isInteger(start) && start >= end && Number.isInteger(remove) && remove >= 0);
    parts.push(body.subarray(end, start), encoder.encode(insert.slice()));
    end = start + remove;
    need(end <= body.length);
  }
  parts.push(body.subarray(end));
  const text = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  end = 0;
  for (const part of parts) {
    text.set(part, end);
    end += part.length;
  }
  return text;
}

/** Returns the value after a patch. Throws if the patch cannot be applied. */
export function patched(value: unknown, patch: unknown): unknown {
  const root = { "": value }; // so that the whole value is a member too
  for (const operation of patch as Members[]) apply(root, operation);
  return root[""];
}

function apply(root: unknown, { op, path, from, value }: Members): void {
  if (op === "move") value = remove(locate(root, from));
  if (op === "copy") value = JSON.parse(JSON.stringify(get(locate(root, from)))); // a deep copy, because the two change separately
  const place = locate(root, path); // after the removal, because a move may change what the path means
  if (op === "remove") remove(place);
  else if (op === "replace") {
    need(has(place));
    put(place, value);
  }
  // Members in a different order count as a different value. At worst, that costs a whole response.
  else if (op === "test") need(JSON.stringify(get(place)) === JSON.stringify(value));
  else {
    need(["add", "move", "copy"].includes(op as string));
    insert(place, value);
  }
}

/** Returns the place that a JSON Pointer (RFC 6901) names. */
function locate(root: unknown, pointer: unknown): Place {
  const names = (pointer as string).split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  need(names[0] === "");
  const last = names.pop()!;
  return [names.reduce<unknown>((parent, name) => get([parent, name]), root), last];
}

/** Whether the place exists. In an array, only indexes exist. */
const has = ([parent, name]: Place): boolean => ({}).propertyIsEnumerable.call(parent, name);

function get(place: Place): unknown {
  need(has(place));
  return (place[0] as Members)[place[1]];
}

/** The same as an assignment, except that `__proto__` is an ordinary name. */
function put([parent, name]: Place, value: unknown): void {
  Object.defineProperty(parent, name, { value, configurable: true, enumerable: true, writable: true });
}

function insert([parent, name]: Place, value: unknown): void {
  if (!Array.isArray(parent)) return put([parent, name], value);
  if (name === "-") name = String(parent.length);
  need(name === String(parent.length) || has([parent, name]));
  parent.splice(Number(name), 0, value);
}

function remove(place: Place): unknown {
  const value = get(place);
  const [parent, name] = place;
  if (Array.isArray(parent)) parent.splice(Number(name), 1);
  else delete (parent as Members)[name];
  return value;
}
