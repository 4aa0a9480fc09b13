/** Which Referer goes with a request, and which policy holds behind a redirect (Referrer Policy, sections 8.1, 8.3 and 3). */
import { originOf } from "./urls.js";

const MOST_CHARACTERS = 4096;
/** What holds where neither the page nor the call says otherwise. */
const DEFAULT = "strict-origin-when-cross-origin";
/** What goes to the same origin, to another one, and from HTTPS to HTTP. */
type Rule = readonly [same: Extent, other: Extent, downgrade: Extent];
type Extent = "url" | "origin" | "";
const RULES = new Map<string, Rule>([
  ["no-referrer", ["", "", ""]],
  ["no-referrer-when-downgrade", ["url", "url", ""]],
  ["same-origin", ["url", "", ""]],
  ["origin", ["origin", "origin", "origin"]],
  ["strict-origin", ["origin", "origin", ""]],
  ["origin-when-cross-origin", ["url", "origin", "origin"]],
  [DEFAULT, ["url", "origin", ""]],
  ["unsafe-url", ["url", "url", "url"]],
]);

/** The policy that a `Referrer-Policy` header names: the last one that is known. Null where there is none. */
export function policyOf(header: string | null): ReferrerPolicy | null {
  const names = (header ?? "").split(",").map((name) => name.trim().toLowerCase());
  return (names.filter((name) => RULES.has(name)).at(-1) ?? null) as ReferrerPolicy | null;
}

/** The `Referer` of a request under its policy, or under `pagePolicy` where it has none of its own; "" for none. */
export function refererOf({ referrer, referrerPolicy, url }: Request, pagePolicy: ReferrerPolicy = ""): string {
  const [same, other, downgrade] = RULES.get(referrerPolicy || pagePolicy) ?? RULES.get(DEFAULT)!;
  const from = referrer === "about:client" ? globalThis.location?.href : referrer;
  if (!/^https?:/.test(from ?? "")) return "";
  const source = new URL(from);
  source.hash = source.username = source.password = "";
  const isDowngrade = source.protocol === "https:" && /^http:/.test(url);
  const extent = source.origin === originOf(url) ? same : isDowngrade ? downgrade : other;
  if (extent === "url" && source.href.length <= MOST_CHARACTERS) return source.href;
  return extent && `${source.origin}/`;
}
