/**
 * JSON lines: values as they come, and an error that names the line.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type BodyInput, HttpError, HttpRequest, jsonLines, Transport } from "../../../mod.ts";
import { feed } from "../../support/feed.ts";
import { test } from "../../support/harness.ts";
import { withRawServer } from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";

async function collected(input: BodyInput, maxLineBytes?: number): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of jsonLines(input, { maxLineBytes })) values.push(value);
  return values;
}

function fed(text: string, maxLineBytes?: number): ReturnType<typeof feed<unknown[]>> {
  return feed(new TextEncoder().encode(text), ({ input, roomBytes }) =>
    collected({
      async *[Symbol.asyncIterator]() {
        const p = new Uint8Array(roomBytes);
        for (let n = await input.read(p); n !== null; n = await input.read(p)) {
          yield p.subarray(0, n);
        }
      },
    }, maxLineBytes), false);
}

for (
  const [name, text, expected] of [
    ["nothing", "", []],
    ["values of all kinds", '{"a":[1]}\n[]\n"\\n"\n1.5\nnull\n', [{ a: [1] }, [], "\n", 1.5, null]],
    ["CRLF", '1\r\n{"a":2}\r\n', [1, { a: 2 }]],
    ["a last line without an end", "1\n2", [1, 2]],
    ["a last line that ends with CR", "1\r\n2\r", [1, 2]],
    ["empty lines", "\n\r\n1\n \n2\n\n", [1, 2]],
    ["a byte order mark", "\ufeff1\n2\n", [1, 2]],
    ["letters of several bytes", '"\u00e9\u{1f600}\u2028"\n', ["\u00e9\u{1f600}\u2028"]],
  ] as [string, string, unknown[]][]
) {
  test(`jsonLines(): ${name}`, async () => {
    assert.deepEqual(await fed(text), { value: expected });
  });
}

test("jsonLines(): any values, in any pieces", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.jsonValue(), { maxLength: 20 }),
      fc.integer({ min: 1, max: 50 }),
      fc.boolean(),
      async (values, pieceBytes, ended) => {
        const lines = values.map((value) => JSON.stringify(value));
        const bytes = new TextEncoder().encode(lines.join("\n") + (ended ? "\n" : ""));
        const stream = new ReadableStream<Uint8Array>({
          start(controller) {
            for (let at = 0; at < bytes.length; at += pieceBytes) {
              controller.enqueue(bytes.subarray(at, at + pieceBytes));
            }
            controller.close();
          },
        });
        assert.deepEqual(await collected(stream), lines.map((line) => JSON.parse(line)));
      },
    ),
    { numRuns: 100 },
  );
});

test("jsonLines(): an error names the line, and what came before it was given", async () => {
  for (const text of ["1\n\n{\n", "1\n\n{", "1\r\n\r\n1 2\r\n3\r\n"]) {
    const values: unknown[] = [];
    const error = await (async () => {
      for await (const value of jsonLines(new Response(text))) values.push(value);
    })().catch((reason) => reason);
    assert.ok(error instanceof HttpError);
    assert.deepEqual([error.code, error.phase], ["ERR_DECODE", "body"]);
    assert.match(error.message, /^Line 3 /);
    assert.deepEqual(values, [1]);
  }
});

test("jsonLines(): lines are bounded", async () => {
  assert.deepEqual(await fed("123456\n123456", 6), { value: [123456, 123456] });
  assert.deepEqual(await fed("123456\n1234567\n", 6), { error: "ERR_DECODE" });
  assert.deepEqual(await fed("1234567", 6), { error: "ERR_DECODE" });
  await assert.rejects(collected(new Response("1"), -1), { code: "ERR_INVALID_REQUEST" });
});

test("jsonLines(): an error or leaving closes the body of a response", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n1\n2\n{\n\r\n",
    );
    await connection.readToEnd();
  }, async (server) => {
    const transport = new Transport();
    for (const leaveAt of [1, 3]) {
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      const reading = (async () => {
        for await (const value of jsonLines(response)) if (value === leaveAt) return value;
        return null;
      })();
      if (leaveAt === 1) assert.equal(await reading, 1);
      else await assert.rejects(reading, /Line 3/);
      await until("nothing is active", () => transport.stats().active === 0);
    }
    transport.destroy();
    await server.allClosed();
  });
});
