/** Which `Referer` a request has, and which policy a redirect sets (Referrer Policy, sections 3, 8.1 and 8.3). */
import { originOf } from "./origins.js";

const MAX_CHARACTERS = 4096;
/** The policy if neither the page nor the call sets one. */
const DEFAULT = "strict-origin-when-cross-origin";
/** What is sent to the same origin, to another one, and from HTTPS to HTTP. */
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

/** The policy that a `Referrer-Policy` header names: the last known one. Null if it names none. */
export function policyOf(header?: string | null): ReferrerPolicy | null {
  const names = (header ?? "").split(",").map((name) => name.trim().toLowerCase());
  return (names.filter((name) => RULES.has(name)).at(-1) ?? null) as ReferrerPolicy | null;
}

/** The `Referer` of a request, or "". `pagePolicy` applies if the request has no policy of its own. */
export function refererOf({ referrer, referrerPolicy, url }: Request, pagePolicy: ReferrerPolicy = ""): string {
  const [same, other, downgrade] = RULES.get(referrerPolicy || pagePolicy) ?? RULES.get(DEFAULT)!;
  const from = referrer === "about:client" ? globalThis.location?.href : referrer;
  if (!/^https?:/.test(from ?? "")) return "";
  const source = new URL(from);
  source.hash = source.username = source.password = "";
  const isDowngrade = source.protocol === "https:" && /^http:/.test(url);
  const extent = source.origin === originOf(url) ? same : isDowngrade ? downgrade : other;
  if (extent === "url" && source.href.length <= MAX_CHARACTERS) return source.href;
  return extent && `${source.origin}/`;
}
