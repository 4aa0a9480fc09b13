/** The token of requests: given, or asked for and kept until a server refuses it. */
import type { Options } from "./options.js";

/** An empty one is none. */
export type Token = string | null | undefined;

/** What gives the token to send, and what gives another than one that was refused. */
export type Tokens = [ask: () => Promise<Token>, renew: (refused: Token) => Promise<Token>];

export function tokensOf(option: Options["token"]): Tokens {
  let kept: Promise<Token> | undefined;

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

  // Calls that are refused at once ask for one new token, not for many.
  const renew = async (refused: Token): Promise<Token> => {
    const asked = kept;
    if ((await asked) === refused && kept === asked) kept = undefined;
    const found = await ask();
    return found === refused ? null : found;
  };

  return [ask, renew];
}
