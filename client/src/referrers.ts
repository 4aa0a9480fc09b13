/** Which `Referer` a request has, and which policy a redirect sets (Referrer Policy, sections 3, 8.1 and 8.3). */
import { originOf } from "./origins.js";

const MAX_CHARACTERS = 4096;
/** The policy if neither the page nor the call sets one. */
const DEFAULT = "strict-origin-when-cross-origin";
/** What is sent to the same origin, to another one, and from HTTPS to HTTP: `u` is the URL, `o` the origin, `-` nothing. */
const RULES = new Map([
  ["no-referrer", "---"],
  ["no-referrer-when-downgrade", "uu-"],
  ["same-origin", "u--"],
  ["origin", "ooo"],
  ["strict-origin", "oo-"],
  ["origin-when-cross-origin", "uoo"],
  [DEFAULT, "uo-"],
  ["unsafe-url", "uuu"],
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
  if (extent === "-") return "";
  return extent === "u" && source.href.length <= MAX_CHARACTERS ? source.href : `${source.origin}/`;
}
