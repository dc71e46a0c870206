/**
 * The parser matrix through `ClientConnection` over a pipe: a row's outcome, told without waiting for an
 * end that need not come, and what becomes of the connection.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ParserMode } from "../../http/deviation.ts";
import { HttpError } from "../../conn/http_error.ts";
import {
  connect,
  contentOf,
  hangUp,
  say,
  send,
  settled,
  type Wire,
} from "../support/exchange_record.ts";
import { seededRandom } from "../support/feed.ts";
import { test } from "../support/harness.ts";
import { type MatrixOutcome, parserMatrix } from "../vectors/parser_matrix.ts";

/** Writes as the server, in pieces, as long as anybody listens. */
async function sayInPieces(wire: Wire, text: string, nextBytes: () => number): Promise<void> {
  for (let at = 0; at < text.length && wire.client.state !== "closed";) {
    const end = Math.min(text.length, at + nextBytes());
    await say(wire, text.slice(at, end)).catch(() => {});
    at = end;
  }
}

async function check(
  input: string,
  mode: ParserMode,
  expected: MatrixOutcome,
  nextBytes: () => number,
): Promise<void> {
  const wire = connect({ mode });
  const exchange = send(wire);
  await settled();
  const said = sayInPieces(wire, input, nextBytes).then(async () => {
    // Only these rows are about the end of the stream. Every other one must be told without it.
    if ("error" in expected && expected.error === "ERR_INCOMPLETE_BODY") {
      await wire.server.closeWrite();
    }
  });
  if ("error" in expected) {
    const outcome = await exchange.answer.then(({ content }) => contentOf(content)).catch((e) => e);
    assert.ok(outcome instanceof HttpError, `not refused: ${outcome}`);
    assert.equal(outcome.code, expected.error);
    const told = exchange.log.filter((line) => /^(failed|response)/.test(line));
    assert.equal(told.length, 1, told.join());
    assert.equal(wire.client.state, "closed");
  } else {
    const { content } = await exchange.answer;
    assert.equal(await contentOf(content), expected.content);
    assert.deepEqual(content.deviations, expected.deviations);
    await said;
    await settled();
    assert.equal(wire.client.state, expected.reusable ? "idle" : "closed");
  }
  await said;
  await hangUp(wire);
}

for (const { name, input, strict, lenient = strict } of parserMatrix) {
  test(`matrix over a connection: ${name}`, async () => {
    for (const mode of ["strict", "lenient"] as const) {
      const expected = mode === "strict" ? strict : lenient;
      await check(input, mode, expected, () => Infinity);
      await check(input, mode, expected, () => 1);
      const random = seededRandom(input.length);
      await check(input, mode, expected, () => 1 + Math.floor(random() * 20));
    }
  });
}

test("T13 over a connection: a response cut at every byte is no success", async () => {
  const response = "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "5;a=b\r\nhello\r\nb\r\n0123456789a\r\n0\r\nA: 1\r\n\r\n";
  for (let cut = 0; cut <= response.length; cut++) {
    const wire = connect();
    const exchange = send(wire);
    await settled();
    await say(wire, response.slice(0, cut));
    await wire.server.closeWrite();
    const outcome = await exchange.answer.then(({ content }) => contentOf(content)).catch((e) => e);
    if (cut === response.length) {
      assert.equal(outcome, "hello0123456789a");
    } else {
      assert.ok(outcome instanceof HttpError, `cut at ${cut}: ${outcome}`);
      const code = cut < response.indexOf("5;") ? "ERR_CONNECTION_LOST" : "ERR_INCOMPLETE_BODY";
      assert.equal(outcome.code, code, `cut at ${cut}`);
    }
    await hangUp(wire);
  }
});
