/**
 * The vectors of `tests/vectors/`, one loop each.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError } from "../../conn/http_error.ts";
import { ContentReader } from "../../http1/content_reader.ts";
import type { Deviation, ParserMode } from "../../http/deviation.ts";
import { requestFraming, responseFraming } from "../../http1/framing.ts";
import { isFieldValue, isToken, listMembers, parseDigits } from "../../http/grammar.ts";
import { isPersistent } from "../../http1/persistence.ts";
import { RequestHeadReader } from "../../http1/request_head.ts";
import { bytesOf, type Fed, feed, type Outcome } from "../support/feed.ts";
import { test } from "../support/harness.ts";
import { readHead, readRequest, readToEnd } from "../support/read_message.ts";
import { chunkedBodies, type ExpectedBody, lenientChunkedBodies } from "../vectors/chunked.ts";
import {
  type ExpectedFraming,
  type FramingInput,
  neighbours,
  persistences,
  requestFramings,
  responseFramings,
} from "../vectors/framing.ts";
import { digits, fieldValues, lists, tokens } from "../vectors/grammar.ts";
import { requests } from "../vectors/request_heads.ts";
import { type ExpectedHead, lenientHeads, responseHeads } from "../vectors/response_heads.ts";
import type { Vector } from "../vectors/vector.ts";

/** Registers one test for each row. */
function testVectors<Input, Expected>(
  subject: string,
  vectors: readonly Vector<Input, Expected>[],
  run: (input: Input) => Promise<Outcome<Expected>>,
): void {
  for (const vector of vectors) {
    test(
      /^M\d/.test(vector.name) ? `${vector.name}, ${subject}` : `${subject}: ${vector.name}`,
      async () => {
        const expected = "error" in vector ? { error: vector.error } : { value: vector.expected };
        assert.deepEqual(await run(vector.input), expected, vector.why ?? `RFC ${vector.rfc}`);
      },
    );
  }
}

/** The outcome of something that needs no bytes. */
function outcomeOf<T>(run: () => T): Outcome<T> {
  try {
    return { value: run() };
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return { error: error.code };
  }
}

function headOf(mode: ParserMode): (input: string) => Promise<Outcome<ExpectedHead>> {
  return (input) =>
    feed(input, async (fed) => {
      const deviations: Deviation[] = [];
      const { statusCode, reasonPhrase, minorVersion, headers } = await readHead(
        fed,
        mode,
        deviations,
      );
      return { statusCode, reasonPhrase, minorVersion, fields: [...headers], deviations };
    });
}

testVectors("response head", responseHeads, headOf("strict"));
testVectors("response head, lenient", lenientHeads, headOf("lenient"));

testVectors(
  "responseFraming()",
  [...responseFramings, ...neighbours],
  ({ method, head }: FramingInput): Promise<Outcome<ExpectedFraming>> =>
    feed(head + "\r\n", async (fed) => {
      const deviations: Deviation[] = [];
      const framing = responseFraming(
        method,
        await readHead(fed, "strict", deviations),
        "strict",
        deviations,
      );
      return { framing, deviations };
    }),
);

testVectors("requestFraming()", requestFramings, (input) => {
  const bytes = bytesOf(input + "\r\n");
  const head = new RequestHeadReader().read(bytes, 0, bytes.length);
  return Promise.resolve(outcomeOf(() => requestFraming(head!)));
});

testVectors(
  "isPersistent()",
  persistences,
  (input) => feed(input + "\r\n", async (fed) => isPersistent(await readHead(fed, "strict", []))),
);

function bodyOf(mode: ParserMode): (input: string) => Promise<Outcome<ExpectedBody>> {
  return (input) =>
    feed(input, async ({ input, source, roomBytes }: Fed) => {
      const deviations: Deviation[] = [];
      const reader = new ContentReader(input, source, {
        framing: { kind: "chunked" },
        mode,
        deviations,
        code: "ERR_MALFORMED_RESPONSE",
        maxTrailerBytes: 1024,
      });
      const content = await readToEnd(reader, roomBytes);
      assert.equal(reader.complete, true);
      assert.equal(reader.leftBytes, 0);
      assert.equal(await reader.read(new Uint8Array(1)), null, "the end is the end");
      return { content, trailers: reader.trailers && [...reader.trailers], deviations };
    });
}

testVectors("chunked", chunkedBodies, bodyOf("strict"));
testVectors("chunked, lenient", lenientChunkedBodies, bodyOf("lenient"));

testVectors("request", requests, (input) => feed(input, readRequest));

testVectors("isToken()", tokens, (input) => Promise.resolve({ value: isToken(input) }));
testVectors(
  "isFieldValue()",
  fieldValues,
  (input) => Promise.resolve({ value: isFieldValue(input) }),
);
testVectors("parseDigits()", digits, (input) => Promise.resolve({ value: parseDigits(input) }));
testVectors("listMembers()", lists, (input) => Promise.resolve({ value: listMembers(input) }));
