/** How a request ends without an answer: what a call rejects with beside AbortError, and what fetch makes that of. */

/**
 * The request failed, and could not be tried again.
 *
 * What is thrown is a plain TypeError, since fetch rejects with that, with these facts as properties. The class
 * serves to make one, and to tell one by `instanceof`, also one of another copy of this file.
 */
export class RequestFailed extends TypeError {
  /** Whether the server may have done what it was asked: the connection was lost after the request was sent. */
  declare readonly inDoubt: boolean;
  /** Of a live request: the response that ended it, or the code of the refusal that did. */
  declare response?: Response;
  declare code?: string;

  constructor(message: string, inDoubt = false) {
    super();
    return Object.assign(new TypeError(message), { inDoubt });
  }

  static override [Symbol.hasInstance](error: unknown): boolean {
    return typeof (error as RequestFailed | undefined)?.inDoubt === "boolean";
  }
}

/** The connection was lost after the request was sent: whether the server did what it was asked is not known. */
export class RequestInDoubt extends RequestFailed {
  constructor(message: string) {
    super(message, true);
  }

  static override [Symbol.hasInstance](error: unknown): boolean {
    return !!(error as RequestFailed | undefined)?.inDoubt;
  }
}

/** An exchange ended without an answer; the server may have begun it. */
export class Lost extends Error {}

/** The same, but the server has certainly not begun it, so that it may be sent again. */
export class Unbegun extends Lost {}
