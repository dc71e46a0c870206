/**
 * The parser matrix at the level of the readers: every row in both profiles, however its bytes are cut.
 *
 * @module
 */
import assert from "node:assert/strict";
import { feed } from "../support/feed.ts";
import { test } from "../support/harness.ts";
import { endsItself, responseReader } from "../support/read_message.ts";
import { type MatrixOutcome, parserMatrix } from "../vectors/parser_matrix.ts";

async function outcomeOf(input: string, mode: "strict" | "lenient"): Promise<MatrixOutcome> {
  const outcome = await feed(input, responseReader(mode), endsItself);
  if ("error" in outcome) return outcome;
  const { content, deviations, reusable } = outcome.value;
  return { content, deviations, reusable };
}

for (const { name, input, strict, lenient = strict } of parserMatrix) {
  const numbered = /^M\d/.test(name);
  test(numbered ? `${name}, matrix, strict` : `matrix, strict: ${name}`, async () => {
    assert.deepEqual(await outcomeOf(input, "strict"), strict);
  });
  test(numbered ? `${name}, matrix, lenient` : `matrix, lenient: ${name}`, async () => {
    assert.deepEqual(await outcomeOf(input, "lenient"), lenient);
  });
}

test("matrix: 204 with Content-Length and bytes is accepted, flagged, and forbids reuse", async () => {
  // The bytes behind it are not read: that they are there is the connection's business.
  const outcome = await feed(
    "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
    responseReader(),
  );
  assert.ok("value" in outcome);
  assert.deepEqual(outcome.value.deviations, ["content-length-on-204"]);
  assert.equal(outcome.value.reusable, false);
});

test("matrix: rows have names of their own", () => {
  const names = parserMatrix.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});
