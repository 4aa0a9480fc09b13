/** The token of requests: given, or asked for and kept until a server refuses it. */
import type { Options } from "./options.js";

/** An empty one is none. */
export type Token = string | null | undefined;

/**
 * Whether an answer may mean that the token has expired. REST framework says 403 where the first of its
 * authentication classes has no header to ask for (check W040).
 */
export const mayHaveExpired = (status: number): boolean => status === 401 || status === 403;

export interface Tokens {
  /** The token to send. */
  ask(): Promise<Token>;
  /** Another token than one that an answer of this status refused; none in place of the same. */
  renew(refused: Token, status: number): Promise<Token>;
  /** Keep none any longer: it was a former visitor's. */
  forget(): void;
}

/** A 403 more often says that this visitor may not do this at all. */
const FORBIDDEN_PAUSE_MS = 60_000;

export function tokensOf(option: Options["token"]): Tokens {
  let kept: Promise<Token> | undefined;
  let quietUntil = 0; // until then a 403 asks for no other

  const ask = async (): Promise<Token> => {
    let found: Token;
    try {
      kept ??= (async () => (typeof option === "function" ? option() : option))();
      return (found = await kept);
    } finally {
      // One that failed, or gave nothing, is asked again by the next call.
      if (!found) kept = undefined;
    }
  };

  const renew = async (refused: Token, status: number): Promise<Token> => {
    const asked = kept;
    // Calls that are refused at once ask for one new token, not for many.
    if ((await asked) === refused && kept === asked) {
      const now = performance.now();
      if (status === 403) {
        if (now < quietUntil) return null;
        quietUntil = now + FORBIDDEN_PAUSE_MS;
      }
      kept = undefined;
    }
    const found = await ask();
    return found === refused ? null : found;
  };

  const forget = (): void => {
    kept = undefined;
    quietUntil = 0;
  };

  return { ask, renew, forget };
}
