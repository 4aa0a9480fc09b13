/** How a request ends without an answer: what a call rejects with beside AbortError, and what fetch makes that of. */

/** The request failed, and could not be tried again. A TypeError, since fetch rejects with that when the network fails. */
export class RequestFailed extends TypeError {
  override name = "RequestFailed";
  /** Of a live request: the response that ended it, or the code of the refusal that did. */
  declare response?: Response;
  declare code?: string;
}

/** The connection was lost after the request was sent: whether the server did what it was asked is not known. */
export class RequestInDoubt extends RequestFailed {
  override name = "RequestInDoubt";
}

/** An exchange ended without an answer; the server may have begun it. */
export class Lost extends Error {}

/** The same, but the server has certainly not begun it, so that it may be sent again. */
export class Unbegun extends Lost {}
