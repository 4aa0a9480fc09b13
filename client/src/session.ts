/**
 * The requests of one greeted connection: their ids, and which frame is for whom (PROTOCOL.md 2.3 to 2.5).
 *
 * Frames go out by a function that it is given; opening, pinging and coming back are the socket's.
 */
import { exchange, type Answer, type Body, type Progress } from "./exchange.js";
import type { ClientMessage, Frame, Hello, Id, ServerMessage } from "./messages.js";

type Receive = (message: ServerMessage) => void;

export interface Session {
  /** What is to get the messages of a request, by its id. Those of live requests, which count among no others (4.7), are strings. */
  readonly receivers: Map<Id, Receive>;
  readonly send: (frame: Frame) => void;
  /** How many exchanges are unfinished; bodies that are being read count. */
  count(): number;
  /** Whether a request with a body of so many bytes can be begun. */
  takes(size: number): boolean;
  /** Whether a message may name its referrer (4.1). */
  readonly takesReferrer: boolean;
  /** Send a request; resolve with the head of its answer. Rejects with Lost, or the reason of `signal`. */
  request(message: ClientMessage, body: Body, signal: AbortSignal, progress?: Progress): Promise<Answer>;
  receive(message: ServerMessage): void;
  /** Refuse all of them, since the connection is gone. */
  lose(refusal: ServerMessage): void;
}

export function begin({ limits, referrer }: Hello, send: (frame: Frame) => void): Session {
  const receivers = new Map<Id, Receive>();
  let lastId = 0;
  let isEnding = false; // the server is about to close (7.1), or the connection is gone

  const count = (): number => [...receivers.keys()].filter((id) => typeof id === "number").length;

  return {
    receivers,
    send,
    count,
    takesReferrer: !!referrer,
    takes: (size) => !isEnding && size <= limits.body_bytes && count() < limits.in_flight + limits.waiting,
    request(message, body, signal, progress) {
      const id = ++lastId;
      const ended = (): void => void receivers.delete(id);
      const [answer, receive] = exchange({ id, ...message }, body, signal, limits, send, ended, progress);
      receivers.set(id, receive);
      return answer;
    },
    receive(message) {
      if (message.error?.code === "shutting_down") isEnding = true;
      receivers.get(message.id!)?.(message); // if it is unfinished: crossing is no error (2.4)
    },
    lose(refusal) {
      isEnding = true;
      for (const receive of receivers.values()) receive(refusal);
    },
  };
}
