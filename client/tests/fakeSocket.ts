/** A WebSocket that a test holds the other end of: what the client sent, and what it is sent. */
import type { Bytes } from "../src/messages.js";

export const LIMITS = {
  ...{ message_bytes: 200_000, body_bytes: 1_000_000, in_flight: 64, waiting: 256 },
  ...{ part_bytes: 65_536, window_bytes: 100_000 },
};

interface Head {
  id: number;
  [name: string]: unknown;
}

export class FakeSocket {
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    return FakeSocket.all.at(-1)!;
  }
  readyState = 0;
  isClosed = false;
  sent: (string | Bytes)[] = [];
  onmessage?: (event: { data: string | ArrayBuffer }) => void;
  onclose?: (event: { code: number }) => void;
  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    FakeSocket.all.push(this);
  }
  send(frame: string | Bytes): void {
    this.sent.push(typeof frame === "string" ? frame : frame.slice()); // its memory may be used again
  }
  close(): void {
    this.isClosed = true;
    this.readyState = 3;
  }
  /** The heads of what was sent. */
  get heads(): Head[] {
    return this.sent.map((frame) => {
      const text = typeof frame === "string" ? frame : Buffer.from(frame).toString("latin1").split("\n")[0]!;
      return JSON.parse(text) as Head;
    });
  }
  greet(changes: object = {}): void {
    this.readyState = 1;
    this.text({ hello: { protocol: "wsrequest.v1", ping_seconds: 25, limits: LIMITS, ...changes } });
  }
  text(head: object): void {
    this.raw(JSON.stringify(head));
  }
  binary(head: object, body: string): void {
    this.raw(new TextEncoder().encode(`${JSON.stringify(head)}\n${body}`).buffer);
  }
  raw(data: string | ArrayBuffer): void {
    this.onmessage?.({ data });
  }
  drop(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}
