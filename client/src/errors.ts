/** The errors of a call that gets no response: those that a page sees, and those that only fetch.ts handles. */

/**
 * The request failed and could not be sent again.
 *
 * The page gets a plain TypeError with these properties, because `fetch` rejects with a TypeError. `instanceof`
 * recognizes it, even if it comes from another copy of this file.
 */
export class RequestFailed extends TypeError {
  /** True if the connection was lost after the request was sent, so that the server may have done what you requested. */
  declare readonly inDoubt: boolean;
  /** The response that ended a live request. */
  declare response?: Response;
  /** The code of the refusal that ended a live request. */
  declare code?: string;

  constructor(message: string, inDoubt = false) {
    super();
    return Object.assign(new TypeError(message), { inDoubt });
  }

  static override [Symbol.hasInstance](error: unknown): boolean {
    return typeof (error as RequestFailed | undefined)?.inDoubt === "boolean";
  }
}

/** The connection was lost after the request was sent. The client cannot know whether the server did what you requested. */
export class RequestInDoubt extends RequestFailed {
  constructor(message: string) {
    super(message, true);
  }

  static override [Symbol.hasInstance](error: unknown): boolean {
    return !!(error as RequestFailed | undefined)?.inDoubt;
  }
}

/** The request ended without a response, and the server may have started it. */
export class ConnectionLost extends Error {}

/** The server certainly did not start the request, so it can be sent again. */
export class NotStarted extends ConnectionLost {}
