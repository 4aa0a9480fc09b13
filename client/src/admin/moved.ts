/** Fields in `filter_horizontal` and `filter_vertical`: Django's script makes two lists of one, and sends what is in the second. */

/** Of Django's script: what is in each list, also what its filter hides. */
interface SelectBox {
  cache: Record<string, { value: string }[] | undefined>;
}

/**
 * Returns a function that says whether the user has moved anything between such lists.
 *
 * @param form - as the server sent it, before the scripts of the page run
 */
export function watchMoves(form: HTMLFormElement | null): () => boolean {
  const sent = new Map<string, Set<string>>();
  for (const select of form?.querySelectorAll<HTMLSelectElement>("select[multiple]") ?? []) {
    sent.set(select.id, new Set([...select.options].filter(({ defaultSelected }) => defaultSelected).map(({ value }) => value)));
  }
  return () =>
    [...sent].some(([id, chosen]) => {
      const moved = (globalThis as { SelectBox?: SelectBox }).SelectBox?.cache[`${id}_to`];
      return !!moved && (moved.length !== chosen.size || moved.some(({ value }) => !chosen.has(value)));
    });
}
