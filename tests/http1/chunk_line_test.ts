/**
 * The line before each chunk: what its errors say, how much of it is read, and what padding in it means
 * to the connection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type HttpError, HttpRequest, type HttpResponse, type ParserMode } from "../../mod.ts";
import { feed } from "../support/feed.ts";
import { test } from "../support/harness.ts";
import { withRawServer } from "../support/raw_server.ts";
import { responseReader } from "../support/read_message.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { pause } from "../support/waiting.ts";

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

test("M12 the error says which byte stands where it may not", async () => {
  const rows: [string, string][] = [
    ["3 6x", '"6" behind the white space after a chunk size'],
    ["3;\0", '"\\u0000" where the name of a chunk extension is due'],
    ["3;a\0", '"\\u0000" in the name of a chunk extension'],
    ["3;a b", '"b" behind the name of a chunk extension'],
    ["3;a= ", '"\\u000d" where the value of a chunk extension is due'],
    ["3;a=b\x7f", '"\\u007f" in the value of a chunk extension'],
    ["3;a=b c", '"c" behind the value of a chunk extension'],
    ['3;a="b', '"\\u000d" in a quoted chunk extension'],
    ['3;a="b"c', '"c" behind a quoted chunk extension'],
    ["3garbage", "not a chunk size"],
  ];
  for (const [line, what] of rows) {
    const messages = new Set<string>();
    await feed(`${CHUNKED}${line}\r\nabc\r\n0\r\n\r\n`, async (fed) => {
      try {
        return await responseReader()(fed);
      } catch (error) {
        messages.add((error as HttpError).message);
        throw error;
      }
    });
    assert.deepEqual([...messages], [`Malformed response: ${what}`]);
  }
});

test("M12 T3 padding and extensions are bounded together, over the whole body", async () => {
  const half = 8 * 1024;
  for (
    const first of [
      " ".repeat(half),
      ";" + "a".repeat(half - 1),
      `;a="${"\\;".repeat(half / 2 - 3)}b"`,
    ]
  ) {
    assert.ok(first.length <= half);
    const left = 2 * half - first.length;
    const body = (spaces: number) => `${CHUNKED}1${first}\r\na\r\n0${" ".repeat(spaces)}\r\n\r\n`;
    assert.ok("value" in await feed(body(left), responseReader()));
    assert.deepEqual(await feed(body(left + 1), responseReader()), {
      error: "ERR_MALFORMED_RESPONSE",
    });
  }
});

for (const late of [false, true]) {
  for (const parser of ["strict", "lenient"] as ParserMode[]) {
    const name = `${late ? "seen late" : "that comes with the head"}, ${parser}`;
    test(`M12 padding ${name}: listed, and harmless to the connection in strict`, async () => {
      const { promise: headSeen, resolve: seeHead } = Promise.withResolvers<void>();
      await withRawServer(async (connection) => {
        for (let n = 0;; n++) {
          await connection.readHead();
          if (n > 0 || connection.index > 0) {
            await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext");
          } else if (late) {
            await connection.send(`${CHUNKED}3\r\nabc\r\n`);
            await headSeen;
            await connection.send("3  \r\ndef\r\n0 \r\n\r\n");
          } else {
            await connection.send(`${CHUNKED}3 \r\nabc\r\n3  \r\ndef\r\n0\r\n\r\n`);
          }
        }
      }, async (server) => {
        const transport = steadyTransport({ parser });
        const response = await transport.roundTrip(new HttpRequest(server.origin));
        if (late) assert.deepEqual(response.deviations, []);
        seeHead();
        assert.equal(await response.text(), "abcdef");
        assert.deepEqual(response.deviations, ["space-after-chunk-size"]);
        const next = await transport.roundTrip(new HttpRequest(server.origin));
        assert.equal(await next.text(), "next");
        assert.deepEqual(next.deviations, []);
        assert.equal(next.connection.reused, parser === "strict");
        transport.destroy();
        await server.allClosed();
      });
    });
  }
}

test("chunked: what came before something malformed is given, however the bytes were split", async () => {
  const data = "x".repeat(5_000);
  const begin = `${CHUNKED}1388\r\n${data}\r\n`;
  const rows: [string, string, string][] = [
    [begin, "nothing\r\n", "ERR_MALFORMED_RESPONSE"],
    [begin.slice(0, -2), "--", "ERR_MALFORMED_RESPONSE"],
    [begin, "0\r\nno field\r\n\r\n", "ERR_MALFORMED_RESPONSE"],
    [begin, `0\r\nX: ${"x".repeat(10_000)}\r\n\r\n`, "ERR_HEADERS_TOO_LARGE"],
  ];
  const ways: ((response: HttpResponse, given: (bytes: number) => void) => Promise<unknown>)[] = [
    async ({ body }, given) => {
      const p = new Uint8Array(8_192);
      for (let n = await body.read(p); n !== null; n = await body.read(p)) given(n);
    },
    async ({ body }, given) => {
      for await (const piece of body.stream) given(piece.length);
    },
  ];
  for (const [first, second, code] of rows) {
    for (const split of [false, true]) {
      await withRawServer(async (connection) => {
        await connection.readHead();
        await connection.send(split ? first : first + second);
        if (split) await pause(1);
        if (split) await connection.send(second);
        await connection.readToEnd();
      }, async (server) => {
        const transport = steadyTransport({ maxResponseHeaderBytes: 8_192 });
        for (const way of ways) {
          const response = await transport.roundTrip(new HttpRequest(server.origin));
          let bytes = 0;
          await assert.rejects(way(response, (n) => bytes += n), { code });
          assert.equal(bytes, data.length);
        }
        const whole = await transport.roundTrip(new HttpRequest(server.origin));
        await assert.rejects(whole.bytes(), { code });
        assert.equal(transport.stats().total, 0);
      });
    }
  }
});
