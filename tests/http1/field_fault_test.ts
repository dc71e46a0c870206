/**
 * Fields that are refused: named in the error, without their values; and what `"lenient"` leaves out in
 * their place.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError } from "../../conn/http_error.ts";
import { BufferedReader } from "../../conn/buffered_reader.ts";
import { RequestHeadReader } from "../../http1/request_head.ts";
import { HttpRequest, Transport } from "../../mod.ts";
import { bytesOf, feed, PieceReader } from "../support/feed.ts";
import { test } from "../support/harness.ts";
import { withRawServer } from "../support/raw_server.ts";
import { responseReader } from "../support/read_message.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n";

/** The error of reading a response, the same however its bytes come. */
async function errorOf(response: string, mode: "strict" | "lenient" = "strict"): Promise<string> {
  const messages = new Set<string>();
  const outcome = await feed(response, async (fed) => {
    try {
      return await responseReader(mode)(fed);
    } catch (error) {
      messages.add((error as Error).message);
      throw error;
    }
  });
  assert.deepEqual(outcome, { error: "ERR_MALFORMED_RESPONSE" });
  assert.equal(messages.size, 1, [...messages].join("\n"));
  return [...messages][0];
}

test("M30 a refused field is named, with its place", async () => {
  const rows: [string, string][] = [
    ["X-Foo: a\0b", 'field 3 "X-Foo": NUL in its value'],
    ["X-Foo: a\rb", 'field 3 "X-Foo": CR in its value'],
    ["X-Foo: a\x0bb", 'field 3 "X-Foo": control character 0x0b in its value'],
    ["X-Foo: \x7f", 'field 3 "X-Foo": control character 0x7f in its value'],
    ["X-Foo: a\r\n b\x01", 'field 3 "X-Foo": control character 0x01 in its value'],
    ["X-Foo: a\r\nX-Bar: \0", 'field 4 "X-Bar": NUL in its value'],
    ["X-Foo : a", 'field 3 "X-Foo ": white space before its colon'],
    ["X Foo: a", 'field 3 "X Foo": white space in its name'],
    ["X\xe9\x1b: a", 'field 3 "X\\u00e9\\u001b": a character in its name that none may have'],
    [": a", "field 3: no name"],
    ["canary", "field 3: no colon"],
  ];
  for (const [line, what] of rows) {
    const message = await errorOf(`${OK}A: 1\r\nB: 2\r\n 3\r\n${line}\r\nC: 4\r\n\r\n`);
    assert.equal(message, `Malformed response ${what}`);
  }
  assert.equal(
    await errorOf(`${OK} A: 1\r\n\r\n`),
    "Malformed response: a continuation line before any field line",
  );
});

test("M30 a refused trailer is named too", async () => {
  assert.equal(
    await errorOf(`${CHUNKED}0\r\nA: 1\r\nX-Sum: canary\0\r\n\r\n`),
    'Malformed response trailer field 2 "X-Sum": NUL in its value',
  );
});

test("M30 a refused field of a request is named too", () => {
  const bytes = bytesOf("GET / HTTP/1.1\r\nA: 1\r\nX-Foo: canary\0\r\n\r\n");
  assert.throws(
    () => new RequestHeadReader().read(bytes, 0, bytes.length),
    (error) =>
      error instanceof HttpError && error.code === "ERR_INVALID_REQUEST" &&
      error.message === 'Malformed request field 2 "X-Foo": NUL in its value',
  );
});

test("M30 lenient: places count what was left out; what is not left out is named", async () => {
  const odd = "X-Odd: \x01\r\n: \r\n";
  assert.equal(
    await errorOf(`${OK}A: 1\r\n${odd}Set-Cookie: canary\x01\r\n\r\n`, "lenient"),
    'Malformed response field 4 "Set-Cookie": control character 0x01 in its value',
  );
  assert.equal(
    await errorOf(`${OK}X-Odd: \x01\r\n canary\0\r\n\r\n`, "lenient"),
    'Malformed response field 1 "X-Odd": NUL or CR in its value',
  );
});

test("M30 T28 T57 the value is not shown, a long name is cut, and both are escaped", async () => {
  for (
    const line of [
      "X-Token: canary\0",
      "X-Token : canary\0",
      "X Token: canary",
      "X-Token: a\r\n canary\0",
      "canary",
      `${"\xff".repeat(5_000)}: canary`,
      `${"x".repeat(5_000)} : canary`,
    ]
  ) {
    for (const mode of ["strict", "lenient"] as const) {
      const source = new PieceReader(bytesOf(`${OK}${line}\r\n\r\n`), () => Infinity);
      const input = new BufferedReader(source);
      const outcome = await responseReader(mode)({ input, source, roomBytes: 100 })
        .catch((error) => error);
      if (!(outcome instanceof HttpError)) continue;
      assert.doesNotMatch(outcome.message, /canary/);
      assert.match(outcome.message, /^[\x20-\x7e…]*$/);
      assert.ok(outcome.message.length < 900, `${outcome.message.length} characters`);
    }
  }
});

test("M30 field lines are counted with those that were left out", async () => {
  const lines = (odd: number) => OK + "X: \x01\r\n".repeat(odd) + "A: 1\r\n".repeat(1_000 - odd);
  const read = responseReader("lenient", "HEAD");
  assert.ok("value" in await feed(lines(500) + "\r\n", read));
  assert.deepEqual(await feed(lines(500) + "A: 1\r\n\r\n", read), {
    error: "ERR_HEADERS_TOO_LARGE",
  });
});

for (const inTrailers of [false, true]) {
  test(`M30 lenient: a bad field ${inTrailers ? "behind" : "before"} the body is left out and listed, and the connection is not used again`, async () => {
    const odd = "X-Good: 1\r\nX-Odd: a\x0bb\r\n";
    const answer = inTrailers
      ? `${CHUNKED}2\r\nok\r\n0\r\n${odd}\r\n`
      : `${OK}${odd}Content-Length: 2\r\n\r\nok`;
    await withRawServer(async (connection) => {
      for (;;) {
        await connection.readHead();
        await connection.send(answer);
      }
    }, async (server) => {
      const transport = new Transport({ parser: "lenient" });
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      assert.equal(await response.text(), "ok");
      const fields = inTrailers ? await response.trailers : response.headers;
      assert.deepEqual([fields.get("x-good"), fields.get("x-odd")], ["1", null]);
      assert.deepEqual(response.deviations, ["field-dropped"]);
      await server.connections[0].closed;
      assert.equal(transport.stats().total, 0);
      transport.destroy();
    });
  });
}

test("M30 strict: the error of a response names the field", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send(`${OK}Content-Length: 2\r\nX-Foo: canary\0\r\n\r\nok`);
  }, async (server) => {
    const transport = new Transport();
    await assert.rejects(transport.roundTrip(new HttpRequest(server.origin)), {
      code: "ERR_MALFORMED_RESPONSE",
      message: 'Malformed response field 2 "X-Foo": NUL in its value',
    });
    assert.equal(transport.stats().total, 0);
    await server.connections[0].closed;
    transport.destroy();
  });
});
