/**
 * The requests of one open connection: gives each an id, and passes it its messages (PROTOCOL.md 2.3 to 2.5).
 *
 * socket.ts opens the connection, pings and reconnects.
 */
import type { ClientMessage, Frame, Hello, Id, ServerMessage } from "./messages.js";
import { sendRequest, type Body, type Progress, type WireResponse } from "./request.js";

type Receive = (message: ServerMessage) => void;

export interface Session {
  /** Who takes the messages of each unfinished id. Live requests have strings as ids, because they do not count (4.7). */
  readonly receivers: Map<Id, Receive>;
  readonly send: (frame: Frame) => void;
  /** The number of unfinished requests, including those whose response is still being received. */
  count(): number;
  /** Whether the session can take one more request with a body of this size. */
  takes(bodyBytes: number): boolean;
  /** Whether the server may miss changes of the live requests (3.3). */
  isUncertain: boolean;
  readonly hello: Hello;
  /** Send a request. Resolves with the head of the response. Rejects with ConnectionLost, or with the reason of `signal`. */
  request(message: ClientMessage, body: Body, signal: AbortSignal, progress?: Progress): Promise<WireResponse>;
  receive(message: ServerMessage): void;
  /** Refuse all unfinished requests, because the connection is lost. */
  lose(refusal: ServerMessage): void;
}

export function createSession(hello: Hello, send: (frame: Frame) => void): Session {
  const receivers = new Map<Id, Receive>();
  const { limits } = hello;
  let lastId = 0;
  let isEnding = false; // the server is about to close the connection (7.1), or it is lost

  const count = (): number => [...receivers.keys()].filter((id) => typeof id === "number").length;

  return {
    receivers,
    send,
    count,
    isUncertain: false,
    hello,
    takes: (bodyBytes) => !isEnding && bodyBytes <= limits.body_bytes && count() < limits.in_flight + limits.waiting,
    request(message, body, signal, progress) {
      const id = ++lastId;
      const ended = (): void => void receivers.delete(id);
      const [response, receive] = sendRequest({ id, ...message }, body, signal, limits, send, ended, progress);
      receivers.set(id, receive);
      return response;
    },
    receive(message) {
      const { id, error, status, body, uncertain = this.isUncertain } = message;
      if (error?.code === "shutting_down") isEnding = true;
      this.isUncertain = uncertain;
      // What is about the connection is for all live requests. Other requests ignore it.
      if ((id ?? error ?? status ?? body) === undefined) for (const receive of receivers.values()) receive(message);
      receivers.get(id!)?.(message); // a finished id is ignored (2.4)
    },
    lose(refusal) {
      isEnding = true;
      for (const receive of receivers.values()) receive(refusal);
    },
  };
}
