/** Which Referer goes with a request, and which policy holds behind a redirect (Referrer Policy, sections 8.1, 8.3 and 3). */
import { originOf } from "./urls.js";

const MOST_CHARACTERS = 4096;
/** What holds where neither the page nor the call says otherwise. */
const DEFAULT = "strict-origin-when-cross-origin";
const POLICIES = [
  ...["no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin"],
  ...["origin-when-cross-origin", DEFAULT, "unsafe-url"],
];

/** The policy that a `Referrer-Policy` header names: the last one that is known. Null where there is none. */
export function policyOf(header: string | null): ReferrerPolicy | null {
  const names = (header ?? "").split(",").map((name) => name.trim().toLowerCase());
  return (names.filter((name) => POLICIES.includes(name)).at(-1) ?? null) as ReferrerPolicy | null;
}

/** The `Referer` of a request under its policy, or under `pagePolicy` where it has none of its own; "" for none. */
export function refererOf({ referrer, referrerPolicy, url }: Request, pagePolicy: ReferrerPolicy = ""): string {
  const policy = referrerPolicy || pagePolicy || DEFAULT;
  const from = referrer === "about:client" ? globalThis.location?.href : referrer;
  if (policy === "no-referrer" || !/^https?:/.test(from ?? "")) return "";
  const source = new URL(from);
  source.hash = source.username = source.password = "";
  const origin = `${source.origin}/`;
  const whole = source.href.length > MOST_CHARACTERS ? origin : source.href;
  const isSame = source.origin === originOf(url);
  const isDowngrade = /^https:/.test(from) && /^http:/.test(url);
  if (policy === "same-origin") return isSame ? whole : "";
  if (/strict|downgrade/.test(policy) && isDowngrade) return "";
  const isWhole = /unsafe|downgrade/.test(policy) || (isSame && /cross/.test(policy));
  return isWhole ? whole : origin;
}
