/** What became of one page of the list from one state of it to the next. Pure: no page, no clock. */

const FIELDS = ["title", "code", "language", "linenos", "style", "owner"];

/** Whether a reader would see the same. */
export const isSame = (one, other) => FIELDS.every((name) => one[name] === other[name]);

/**
 * The snippets {added, edited, erased} between two answers of the API, {next, previous, results}.
 *
 * One that came from another page or went there, because of what happened to others, is none of them.
 */
export function changesOf(before, after) {
  const [old, now] = [before, after].map(({ results }) => new Map(results.map((snippet) => [snippet.id, snippet])));
  return {
    added: after.results.filter((snippet) => !old.has(snippet.id) && belongs(snippet, before)),
    edited: after.results.filter((snippet) => old.has(snippet.id) && !isSame(old.get(snippet.id), snippet)),
    erased: before.results.filter((snippet) => !now.has(snippet.id) && belongs(snippet, after)),
  };
}

/** Whether a snippet's place is on this page: not after its last where others follow, nor before its first. */
function belongs(snippet, { next, previous, results }) {
  const isOlder = next && results.length > 0 && order(snippet, results.at(-1)) > 0;
  const isNewer = previous && results.length > 0 && order(snippet, results[0]) < 0;
  return !isOlder && !isNewer;
}

/** As the API sorts, the newest first. */
const order = (one, other) => new Date(other.created) - new Date(one.created) || other.id - one.id;
