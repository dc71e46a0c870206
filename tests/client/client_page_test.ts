/**
 * The programs of docs/client.md run as they stand there.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "../support/harness.ts";
import { outputHere, programsOf } from "../support/page_programs.ts";

/** What the program of each section of the page prints. */
const expected: Readonly<Record<string, string>> = {
  "Before a request": "told: null\n",
  "After a response": "GET /report 202\nGET /report 200\nhere it is\n",
  "Before a retry": "1 ERR_CONNECTION_LOST\n2 503\ndone\n",
  "Errors and parts of an API":
    "POST https://api.test/v1/orders?… was answered with 422 because of item\n",
};

test("docs/client.md: each program is known here", async () => {
  const headings = (await programsOf("docs/client.md")).map(({ heading }) => heading);
  assert.deepEqual(headings, Object.keys(expected));
});

for (const [heading, says] of Object.entries(expected)) {
  test(`docs/client.md: the program of "${heading}" runs`, async () => {
    const program = (await programsOf("docs/client.md")).find((each) => each.heading === heading);
    assert.equal(await outputHere(program!.code), says);
  });
}
