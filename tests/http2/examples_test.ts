/**
 * The examples and the programs of docs/http2.md run as they stand there.
 *
 * @module
 */
import assert from "node:assert/strict";
import { startHttp2Server } from "../../examples/http2_server.ts";
import { runProgram } from "../fixtures/cli_run.ts";
import { test } from "../support/harness.ts";
import { outputOf, programsOf } from "../support/page_programs.ts";

/** Examples, and what they must say. */
const examples: Readonly<Record<string, RegExp>> = {
  http2: /^connection #1 h2, stream 1: GET \/a[^]*stream 5: GET \/c[^\n]*\n1 connection\n$/,
  grpc_call: /^Hello, world\ngrpc-status: 0 well done\n$/,
  http2_events: /^one \| GET \/beside on stream 3 on connection #1\n[^]*three \|[^\n]*\n$/,
  http2_websocket: /^echo: hello\necho: goodbye\nthe end: null\n$/,
};

for (const [name, says] of Object.entries(examples)) {
  test(`examples/${name}.ts runs`, async () => {
    const { code, stdout, stderr } = await runProgram(`examples/${name}.ts`, []);
    assert.equal(code, 0, stderr);
    assert.match(new TextDecoder().decode(stdout), says);
  });
}

/** What the program of each section of the page prints. */
const expected: Readonly<Record<string, RegExp>> = {
  "HTTP/2":
    /^2 h2 connection 1 stream 1\n2 h2 connection 1 stream 3\n2 h2 connection 1 stream 5\n$/,
  "Another protocol on a stream": /^200 hello\n$/,
};

test("docs/http2.md: each program is known here", async () => {
  const headings = (await programsOf("docs/http2.md")).map(({ heading }) => heading);
  assert.deepEqual(headings, Object.keys(expected));
});

for (const [heading, says] of Object.entries(expected)) {
  test(`docs/http2.md: the program of "${heading}" runs`, async () => {
    const program = (await programsOf("docs/http2.md")).find((each) => each.heading === heading);
    const server = await startHttp2Server();
    try {
      const output = await outputOf(program!.code, [["http://example.com", server.url]]);
      assert.match(output, says);
    } finally {
      await server.close();
    }
  });
}
