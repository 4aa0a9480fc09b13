/** The reason phrases, compared with the table that Node has. */
import { STATUS_CODES } from "node:http";
import { expect, test } from "vitest";
import { phraseOf } from "../src/phrases.js";

// RFC 9110 has renamed two, and 509 is not in IANA's registry.
const NEWER: Record<number, string> = { 413: "Content Too Large", 422: "Unprocessable Content", 509: "" };
const STATUSES = Array.from({ length: 400 }, (_, index) => 200 + index);

test("each status has the phrase that Node knows, except those that are newer", () => {
  expect(STATUSES.map((status) => [status, phraseOf(status)])).toEqual(
    STATUSES.map((status) => [status, NEWER[status] ?? STATUS_CODES[status] ?? ""]),
  );
});
