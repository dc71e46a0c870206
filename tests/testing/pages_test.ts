/**
 * The programs of docs/testing.md run as they stand there.
 *
 * @module
 */
import assert from "node:assert/strict";
// Deno counts the channel that it opens, and never closes, against the test that imports it first.
import "msw";
import { test } from "../support/harness.ts";
import { outputHere, outputOf, programsOf } from "../support/page_programs.ts";

/** What the program of each section of the page prints. */
const expected: Readonly<Record<string, RegExp>> = {
  "A transport with expectations":
    /^201 \{"id":7\} after 2 calls\nUnexpected request: POST [^]*\n {4}body: expected \{"amount":5\}, was \{"amount":6\}\n$/,
  "fetch with expectations": /^Ada\nno user 2\n$/,
  "A response in one line": /^6\n$/,
  "msw, nock": /^\{"id":"7"\}\n$/,
  "No network":
    /^The network is disabled[^]* ERR_BLOCKED\n\[ ?"api\.example\.com:443" ?\]\nmocked\n$/,
  "A server":
    /^memory 1\.1 hello from GET\nX-Name: value\nERR_INCOMPLETE_BODY\ntcp 1\.1 .*\n.*\nERR_.*\ntls 2 .*\nx-name: value\nERR_.*\nunix 1\.1 .*\nX-Name: value\nERR_.*\n$/,
  "Tapes": /^Authorization: \*{13}\n\{"name":"Ada"\}\n$/,
  "Snapshots": /^record \{"name":"Ada"\}\nreplay \{"name":"Ada"\}\n$/,
  "Fakes of time": /^ERR_TIMEOUT true\n$/,
  "A retry that repeats a POST":
    /^The program threw Error: paid 2 times \(seed \d+\)\n\[\{"nth":1,"kind":"reset","bytes":0\}\]\n50 runs\n$/,
  "A response that nobody closes":
    /^hang The program hangs: nothing is to come; connections: 1 in use .*1 waited for \(seed 1\)\n150 requests\n$/,
  "A race with a time-out":
    /^import [^]*\nawait simulate\(\{\n {2}seed: \d+,\n {2}faults: \[\n {4}\{ nth: \d, kind: "responseLate", ms: 100\d \},\n {2}\],\n\}, \{\}, program\);\n\n50 runs\n$/,
};

test("docs/testing.md: each program is known here", async () => {
  const headings = (await programsOf("docs/testing.md")).map(({ heading }) => heading);
  assert.deepEqual(headings, Object.keys(expected));
});

for (const [heading, says] of Object.entries(expected)) {
  test(`docs/testing.md: the program of "${heading}" runs`, async () => {
    const program = (await programsOf("docs/testing.md")).find((each) => each.heading === heading);
    const { code } = program!;
    const output = await (heading === "msw, nock" ? outputHere(code) : outputOf(code, []));
    // Node writes strings in other quotes.
    assert.match(output.replaceAll("'", '"'), says);
  }, { timeoutMs: 240_000 });
}
