/** The token of requests: a fixed one, or one from a function, which is kept until a server refuses it. */
import type { Options } from "./options.js";

/** An empty token is the same as no token. */
export type Token = string | null | undefined;

/**
 * Whether a response may mean that the token has expired. Django REST framework answers 403 if the first
 * authentication class has no `WWW-Authenticate` header (check W040).
 */
export const mayHaveExpired = (status: number): boolean => status === 401 || status === 403;

export interface Tokens {
  /** Get the token to send. */
  get(): Promise<Token>;
  /** Get a new token after a response of this status refused the old one. Null if there is only the same one. */
  renew(refused: Token, status: number): Promise<Token>;
  /** Drop the token, because it belongs to a former visitor. */
  forget(): void;
}

/** Most 403s mean that this visitor may not do this at all, so renew at most once in this time. */
const FORBIDDEN_PAUSE_MS = 60_000;

export function createTokens(option: Options["token"]): Tokens {
  let kept: Promise<Token> | undefined;
  let quietUntil = 0; // until then, a 403 causes no renewal

  const get = async (): Promise<Token> => {
    let token: Token;
    try {
      kept ??= (async () => (typeof option === "function" ? option() : option))();
      return (token = await kept);
    } finally {
      // If the function failed or returned nothing, the next call tries again.
      if (!token) kept = undefined;
    }
  };

  const renew = async (refused: Token, status: number): Promise<Token> => {
    const before = kept;
    // Calls that are refused at the same time share one renewal.
    if ((await before) === refused && kept === before) {
      const now = performance.now();
      if (status === 403) {
        if (now < quietUntil) return null;
        quietUntil = now + FORBIDDEN_PAUSE_MS;
      }
      kept = undefined;
    }
    const token = await get();
    return token === refused ? null : token;
  };

  const forget = (): void => {
    kept = undefined;
    quietUntil = 0;
  };

  return { get, renew, forget };
}
