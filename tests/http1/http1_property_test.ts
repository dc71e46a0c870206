/**
 * Two properties of `http1/`: any bytes either are a message or give an `HttpError`, however they are cut;
 * and what one role writes, the other one reads.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Reader } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import { pipe } from "../../conn/pipe.ts";
import { ClientConnection } from "../../http1/client_connection.ts";
import { fieldLine, HEAD_END, requestLine } from "../../http1/head_writer.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { ServerConnection } from "../../http1/server_connection.ts";
import {
  connect,
  contentOf,
  Exchange,
  GivenContent,
  hangUp,
  say,
  send,
  settled,
  wholeContent,
} from "../support/exchange_record.ts";
import { feedAny, textOf } from "../support/feed.ts";
import { test } from "../support/harness.ts";
import { endsItself, readRequest, responseReader } from "../support/read_message.ts";

const SEED = 20_260_101;

/** What messages are made of; put together at random they are nearly messages. */
const WORDS = [
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.1 ",
  "HTTP/1.0 200 OK\r\n",
  "HTTP/1.1 204 \r\n",
  "HTTP/1.1 103 X\r\n\r\n",
  "GET / HTTP/1.1\r\n",
  "POST /a HTTP/1.0\r\n",
  "CONNECT a:1 HTTP/1.1\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: ",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: ",
  "Connection: close\r\n",
  "chunked",
  "A: b\r\n",
  ": ",
  ":",
  "\r\n",
  "\r\n\r\n",
  "\r",
  "\n",
  "\0",
  " ",
  "\t",
  ",",
  ";",
  "=",
  '"',
  "\\",
  '5;a=b; c = "d"\r\nhello\r\n',
  "5  \r\nhello\r\n",
  "5 x\r\nhello\r\n",
  "X-Odd: a\x0bb\r\n",
  "X\xff: a\r\n",
  "hello",
  "5\r\nhello\r\n",
  "0\r\n\r\n",
  "0\r\nA: b\r\n\r\n",
  "2",
  "200",
  "ff",
  "\xff",
];

/** Text that is like HTTP, beginning like a message most of the time. */
const nearlyHttp: fc.Arbitrary<string> = fc.tuple(
  fc.constantFrom("HTTP/1.1 200 OK\r\n", "GET / HTTP/1.1\r\n", ""),
  fc.array(
    fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(...WORDS) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }).map(textOf) },
    ),
    { maxLength: 14 },
  ),
).map(([first, rest]) => first + rest.join(""));

const anyBytes: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: nearlyHttp },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map(textOf) },
);

for (const mode of ["strict", "lenient"] as const) {
  test(`property: any bytes are a response or an HttpError, ${mode}, however they are cut`, async () => {
    // `feedAny` fails on any other error and on any difference.
    await fc.assert(
      fc.asyncProperty(
        anyBytes,
        fc.constantFrom("GET", "HEAD", "CONNECT"),
        async (text, method) => {
          await feedAny(text, responseReader(mode, method), endsItself);
        },
      ),
      { seed: SEED, numRuns: 400 },
    );
  });
}

test("property: any bytes are a request or an HttpError, however they are cut", async () => {
  await fc.assert(
    fc.asyncProperty(anyBytes, async (text) => void await feedAny(text, readRequest)),
    { seed: SEED, numRuns: 400 },
  );
});

test("property: strict accepts nothing that lenient refuses, and reads it the same", async () => {
  await fc.assert(
    fc.asyncProperty(nearlyHttp, async (text) => {
      const { outcome: strict } = await feedAny(text, responseReader("strict"), endsItself);
      if ("error" in strict) return;
      const { outcome: lenient } = await feedAny(text, responseReader("lenient"), endsItself);
      assert.ok("value" in lenient);
      assert.deepEqual({ ...lenient.value, reusable: false }, { ...strict.value, reusable: false });
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("property: over a connection any bytes come to the same, and nothing is left", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyBytes,
      fc.constantFrom("GET", "HEAD"),
      fc.integer({ min: 1, max: 40 }),
      async (text, method, pieceBytes) => {
        const { outcome } = await feedAny(text, responseReader("strict", method), endsItself);
        const wire = connect();
        const exchange = send(wire, { method });
        await settled();
        for (let at = 0; at < text.length && wire.client.state !== "closed"; at += pieceBytes) {
          await say(wire, text.slice(at, at + pieceBytes)).catch(() => {});
        }
        await wire.server.closeWrite().catch(() => {});
        const answer = await exchange.answer.then(({ content }) => contentOf(content, 30))
          .catch((error) => error);
        if (answer instanceof Error) {
          assert.ok(answer instanceof HttpError, `${answer}`);
          if ("error" in outcome) assert.equal(answer.code, outcome.error);
          else assert.ok(outcome.value.statusCode < 200, `${answer}`);
        } else if ("value" in outcome && outcome.value.statusCode >= 200) {
          assert.equal(answer, outcome.value.content);
        }
        await settled();
        assert.equal(wire.client.state, "closed", "the server has ended it");
        await hangUp(wire);
      },
    ),
    { seed: SEED, numRuns: 300 },
  );
});

// RFC 9112 section 7.1.1, once more and in another way.
const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]";
const QDTEXT = "[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]";
const QUOTED = `"(?:${QDTEXT}|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*"`;
const EXTENSION = `[\\t ]*;[\\t ]*${TCHAR}+(?:[\\t ]*=[\\t ]*(?:${TCHAR}+|${QUOTED}))?`;
const CHUNK_LINE = new RegExp(`^[0-9A-Fa-f]{1,16}(?:([\\t ]*)|(?:${EXTENSION})+)$`);

/** What stands behind the size `2` in the line of a chunk, of no more than a few parts. */
const behindSize: fc.Arbitrary<string> = fc.oneof(
  fc.array(
    fc.constantFrom(";", "=", '"', "\\", " ", "\t", "a", "B1", "6", "\xe9", "\0", "\x7f", "/"),
    {
      maxLength: 9,
    },
  ).map((parts) => parts.join("")),
  // More of it as it should be.
  fc.array(fc.constantFrom(";a", ";a=b", ' ; a = "b"', ';a="\\""', '="', '"', " ", ";", "x"), {
    maxLength: 5,
  }).map((parts) => parts.join("")),
);

for (const mode of ["strict", "lenient"] as const) {
  test(`M12 property: the line of a chunk is taken if the grammar has it, ${mode}`, async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(behindSize, async (text) => {
        const line = "2" + text;
        const { outcome } = await feedAny(
          `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${line}\r\nok\r\n0\r\n\r\n`,
          responseReader(mode),
          endsItself,
        );
        const expected = CHUNK_LINE.exec(line);
        // A size of more digits has other data.
        if (!/^2(?![0-9A-Fa-f])/.test(line)) return;
        if (expected === null) {
          return assert.deepEqual(outcome, { error: "ERR_MALFORMED_RESPONSE" });
        }
        taken++;
        assert.ok("value" in outcome, `${JSON.stringify(line)} is of the grammar`);
        assert.equal(outcome.value.content, "ok");
        const padded = expected[1] !== undefined && expected[1] !== "";
        assert.deepEqual(outcome.value.deviations, padded ? ["space-after-chunk-size"] : []);
      }),
      { seed: SEED, numRuns: 600 },
    );
    assert.ok(taken > 60, `${taken} lines were of the grammar`);
  });
}

// Round trips.

const TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const token = fc.string({ unit: fc.constantFrom(...TOKEN), minLength: 1, maxLength: 12 });
const valueUnit = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  { weight: 1, arbitrary: fc.integer({ min: 0x80, max: 0xff }) },
  { weight: 1, arbitrary: fc.constant(0x09) },
).map((code) => String.fromCharCode(code));
const value = fc.string({ unit: valueUnit, maxLength: 20 }).map((text) =>
  text.replace(/^[ \t]+|[ \t]+$/g, "")
);
/** Fields that are not the framing's. */
const fields = fc.array(fc.tuple(token.map((name) => `x-${name}`), value), { maxLength: 8 });
const target = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  maxLength: 20,
}).map((text) => "/" + text);
const content = fc.uint8Array({ maxLength: 300 });
const pieces = fc.array(content, { maxLength: 5 });
const body = fc.oneof(
  fc.record({ kind: fc.constant("none" as const) }),
  fc.record({ kind: fc.constant("whole" as const), bytes: content }),
  fc.record({ kind: fc.constant("pieces" as const), pieces, trailers: fields }),
);
type Body = typeof body extends fc.Arbitrary<infer T> ? T : never;

function textOfBody(given: Body): string {
  if (given.kind === "none") return "";
  return given.kind === "whole" ? textOf(given.bytes) : given.pieces.map(textOf).join("");
}

async function readAll(content: Reader): Promise<string> {
  let text = "";
  const p = new Uint8Array(50);
  for (let n = await content.read(p); n !== null; n = await content.read(p)) {
    text += textOf(p.subarray(0, n));
  }
  return text;
}

interface GivenMessage {
  readonly method: string;
  readonly target: string;
  readonly requestFields: [string, string][];
  readonly requestBody: Body;
  readonly statusCode: number;
  readonly reasonPhrase: string;
  readonly responseFields: [string, string][];
  readonly responseBody: Body;
}

const message: fc.Arbitrary<GivenMessage> = fc.record({
  method: token.filter((method) => method !== "CONNECT"),
  target,
  requestFields: fields,
  requestBody: body,
  statusCode: fc.integer({ min: 200, max: 999 }),
  reasonPhrase: value,
  responseFields: fields,
  responseBody: body,
});

function requestText(given: GivenMessage): string {
  const { kind } = given.requestBody;
  const framing = kind === "whole"
    ? fieldLine("Content-Length", String(given.requestBody.bytes.length))
    : kind === "pieces"
    ? fieldLine("Transfer-Encoding", "chunked")
    : "";
  return requestLine(given.method, given.target) +
    given.requestFields.map(([name, value]) => fieldLine(name, value)).join("") + framing +
    HEAD_END;
}

function outgoing(given: Body): GivenContent | ReturnType<typeof wholeContent> | null {
  if (given.kind === "none") return null;
  if (given.kind === "whole") return wholeContent(textOf(given.bytes));
  const content = new GivenContent(null, given.trailers);
  for (const piece of given.pieces) content.give(textOf(piece));
  return content.give(null);
}

/** The fields without those that the framing added. */
function ownFields(headers: HttpHeaders): [string, string][] {
  return [...headers].filter(([name]) => name.startsWith("x-"));
}

function trailersOf(given: Body): [string, string][] | null {
  return given.kind === "pieces" && given.trailers.length > 0 ? given.trailers : null;
}

test("property: what one role writes, the other one reads, over one connection", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 3 }), async (messages) => {
      const [here, there] = pipe({ bufferBytes: 64 });
      const owned: string[] = [];
      const client = new ClientConnection(here, {
        mode: "strict",
        maxResponseHeaderBytes: 64 * 1024,
        readBufferBytes: 128,
        writeBufferBytes: 64,
      }, { idle: () => void owned.push("idle"), closed: () => void owned.push("closed") });
      const server = new ServerConnection(there);
      const served = (async () => {
        for (const given of messages) {
          const request = (await server.readRequest())!;
          assert.equal(request.head.method, given.method);
          assert.equal(request.head.requestTarget, given.target);
          assert.deepEqual(ownFields(request.head.headers), given.requestFields);
          assert.equal(await readAll(request.content), textOfBody(given.requestBody));
          assert.deepEqual(
            request.trailers && [...request.trailers],
            trailersOf(given.requestBody),
          );
          const { responseBody: sent } = given;
          await server.respond({
            statusCode: given.statusCode,
            reasonPhrase: given.reasonPhrase,
            headers: given.responseFields,
            content: sent.kind === "none"
              ? undefined
              : sent.kind === "whole"
              ? sent.bytes
              : sent.pieces,
            trailers: sent.kind === "pieces" ? sent.trailers : [],
          });
        }
      })();
      for (const given of messages) {
        const exchange = new Exchange();
        client.send({
          method: given.method,
          head: requestText(given),
          content: outgoing(given.requestBody),
          expectContinue: false,
          upgrade: false,
          close: false,
        }, exchange);
        const { head, content } = await exchange.answer;
        const bodiless = given.method === "HEAD" || [204, 304].includes(given.statusCode);
        assert.equal(head.statusCode, given.statusCode);
        assert.equal(head.reasonPhrase, given.reasonPhrase);
        assert.deepEqual(ownFields(head.headers), given.responseFields);
        assert.equal(await contentOf(content, 20), bodiless ? "" : textOfBody(given.responseBody));
        assert.deepEqual(
          content.trailers && [...content.trailers],
          bodiless ? null : trailersOf(given.responseBody),
        );
        assert.deepEqual(content.deviations, []);
      }
      await served;
      assert.deepEqual(owned, messages.map(() => "idle"));
      client.close("over");
      server.close();
    }),
    { seed: SEED, numRuns: 200 },
  );
});
