/** What a call rejects with beside AbortError. Both are TypeErrors, since fetch rejects with that when the network fails. */

/** The request failed, and could not be tried again. */
export class RequestFailed extends TypeError {
  override name = "RequestFailed";
}

/** The connection was lost after the request was sent: whether the server did what it was asked is not known. */
export class RequestInDoubt extends RequestFailed {
  override name = "RequestInDoubt";
}

/** Why an exchange ended without an answer. `isUnsent`: the server has certainly not begun it, so it may be sent again. */
export class Lost extends Error {
  constructor(
    message: string,
    readonly isUnsent: boolean,
  ) {
    super(message);
  }
}
