/** Every case of tests/wire that concerns a client: what the server sends, and what a client sends. */
import { expect, test } from "vitest";
import { decode, type Bytes } from "../src/messages.js";
import { cases, encoded as made, tabled, type Case } from "./wire.js";

const CASES = cases();
// To JavaScript 2e2 is the integer 200: how a number was written cannot be told any more.
const NOT_TOLD = '{"status":2e2}';
const fromServer = CASES.filter((each) => each.from === "server" && each.only !== "encode" && each.frame !== NOT_TOLD);
// To a client the type of a body is that which the page gave, so it has no second one.
const TWO_TYPES = "requests.json: a type among the head";
const fromClient = CASES.filter(
  (each) => each.from === "client" && each.only !== "decode" && each.message && !each.name.includes(TWO_TYPES),
);
const received = (frame: string | Bytes): string | ArrayBuffer => (typeof frame === "string" ? frame : frame.buffer);
// Text reads better than bytes where a case fails.
const shown = (frame: unknown): unknown => (frame instanceof Uint8Array ? Buffer.from(frame).toString("latin1") : frame);

test("the tables are read", () => {
  expect(fromServer.length).toBeGreaterThan(100);
  expect(fromClient.length).toBeGreaterThan(100);
});

test.each(fromServer.filter((each) => !each.refused))("frame is decoded: $name", ({ frame, message }: Case) => {
  const decoded = tabled(decode(received(frame)));
  // Members and limits that are not known yet may stay, unlike in any other message.
  if (decoded?.["type"] === "Hello") expect(decoded).toMatchObject(message!);
  else expect(decoded).toEqual(message);
});

test.each(fromServer.filter((each) => each.refused))("frame is refused: $name", ({ frame, refused }: Case) => {
  let caught: unknown;
  try {
    decode(received(frame));
  } catch (error) {
    caught = error;
  }
  const { message, cause } = caught as Error;
  expect({ code: message === "bad_message" ? message : "bad_json", id: cause }).toEqual(refused);
});

test.each(fromClient)("message is encoded: $name", ({ message, encoded }: Case) => {
  expect(shown(made(message!))).toEqual(shown(encoded));
});
