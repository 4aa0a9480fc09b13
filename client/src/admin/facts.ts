/** What a page of the admin says about itself, in `<meta name="wsrequest-admin">` (wsrequest/contrib/admin/pages.py). */

export interface ListFacts {
  page: "changelist";
  /** The primary keys of the rows, in their order. */
  keys: string[];
  words: Record<"one" | "many" | "show" | "gone", string>;
}

export interface FormFacts {
  page: "change";
  /** The id of the form. */
  form: string;
  /** The last entry of the admin's log about the object. `own`: the visitor made it. */
  saved?: { id: number; by: string; own: boolean };
  words: Record<
    "changed" | "changedBy" | "changedByYou" | "deleted" | "deletedBy" | "show" | "load" | "empty" | "ended",
    string
  >;
}

export type Facts = ListFacts | FormFacts | { page: "index" | "app_list" | "history" };

/** Null if the page has none: it is of another kind than before. */
export function factsOf(page: Document): Facts | null {
  const content = page.querySelector<HTMLMetaElement>('meta[name="wsrequest-admin"]')?.content;
  return content === undefined ? null : (JSON.parse(content) as Facts);
}
