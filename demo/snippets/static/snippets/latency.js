/** What the times of the last calls say. Pure: no page, no clock. */

/** How many calls the chart holds. */
export const MOST = 48;

/** The calls with one more, {way, ms, …}, without those that are too old to be drawn. */
export const withCall = (calls, call) => [...calls, call].slice(-MOST);

/** {count, median} of the calls that went by `way`; the median is null when there is none. */
export function summary(calls, way) {
  const times = calls.filter((call) => call.way === way).map(({ ms }) => ms).sort((a, b) => a - b);
  const middle = times.length >> 1;
  const median = times.length % 2 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
  return { count: times.length, median: times.length ? median : null };
}

/**
 * The top of the scale in ms: a round number at twice the slower median, so that a slow call (a login
 * hashes a password for long, by design) does not flatten all others. What is above is cut.
 */
export function topOf(calls) {
  const most = 2 * Math.max(5, ...["socket", "http"].map((way) => summary(calls, way).median ?? 0));
  const ten = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 3, 4, 6, 8, 10].map((step) => step * ten).find((top) => top >= most);
}
