/**
 * What a hostile or broken server can make the transport keep, do or say is bounded.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { HttpError, HttpRequest, Transport, type TransportOptions } from "../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import { MATRIX } from "../support/parser_matrix.ts";
import { withRawServer } from "../support/raw_server.ts";
import { plain, plainHead } from "../support/sent_bytes.ts";
import { settled, until } from "../support/waiting.ts";

const CHUNKED_HEAD = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Sends a plain GET over a script that answers with `bytes`, and reads the body. */
async function get(
  answer: (conn: ScriptedConn) => ScriptedConn,
  options: TransportOptions = {},
): Promise<string> {
  const conn = answer(new ScriptedConn().expect(plainHead("GET /")));
  const transport = new Transport({ dialer: scriptedDialer(conn), ...plain.options, ...options });
  try {
    const request = new HttpRequest("http://example.com/", { headers: plain.headers });
    return await (await transport.roundTrip(request)).text();
  } finally {
    assert.equal(transport.stats().active, 0);
    transport.destroy();
  }
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof HttpError && error.code === code;
}

test("T3 chunk extensions are bounded over the whole body", async () => {
  const extended = `1;${"e".repeat(4_000)}\r\na\r\n`;
  const text = await get((conn) => conn.send(CHUNKED_HEAD + extended.repeat(4) + "0\r\n\r\n"));
  assert.equal(text, "aaaa");
  await assert.rejects(
    get((conn) => conn.send(CHUNKED_HEAD).send(extended.repeat(5)).waitForClose()),
    hasCode("ERR_MALFORMED_RESPONSE"),
  );
});

test("T12 a header line of 20 MB is refused long before its end", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nX: ");
    for (let i = 0; i < 320 && !connection.ended; i++) await connection.send("x".repeat(65_536));
  }, async (server) => {
    const transport = new Transport();
    await assert.rejects(
      transport.roundTrip(new HttpRequest(server.origin)),
      hasCode("ERR_HEADERS_TOO_LARGE"),
    );
    assert.equal(transport.stats().total, 0);
    await server.connections[0].closed;
    assert.ok(server.connections[0].sentBytes < 19_000_000, `${server.connections[0].sentBytes}`);
  });
});

test("T13 a response cut at any byte is an error, and complete only at its last", async () => {
  const trailer = "X-Sum: 1\r\n\r\n";
  const responses = [
    CHUNKED_HEAD + `3;e\r\nabc\r\n2\r\nde\r\n0\r\n${trailer}`,
    "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
  ];
  for (const whole of responses) {
    assert.equal(await get((conn) => conn.send(whole).end()), "abcde");
    for (let cut = 0; cut < whole.length; cut++) {
      await assert.rejects(get((conn) => conn.send(whole.slice(0, cut)).end()), (error) => {
        const { code } = error as HttpError;
        return code === "ERR_CONNECTION_LOST" || code === "ERR_INCOMPLETE_BODY";
      });
    }
  }
});

test("T13 a response that comes byte by byte is the same", async () => {
  const whole = CHUNKED_HEAD + "3;e\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n";
  const text = await get((conn) => {
    for (const byte of whole) conn.send(byte);
    return conn;
  });
  assert.equal(text, "abcde");
});

test("T44 the heads and the trailer section of a response are bounded together", async () => {
  const options = { maxResponseHeaderBytes: 1_000 };
  const line = (bytes: number) => `X: ${"x".repeat(bytes - 5)}\r\n`;
  const head = (bytes: number) => {
    const rest = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    return rest.slice(0, 17) + line(bytes - rest.length) + rest.slice(17);
  };
  const early = "HTTP/1.1 103 Early Hints\r\n" + line(472) + "\r\n";
  assert.equal(early.length, 500);
  assert.equal(await get((conn) => conn.send(head(1_000)), options), "");
  assert.equal(await get((conn) => conn.send(early + head(500)), options), "");
  const trailers = CHUNKED_HEAD + "0\r\n";
  const room = 1_000 - CHUNKED_HEAD.length;
  assert.equal(await get((conn) => conn.send(trailers + line(room - 2) + "\r\n"), options), "");

  const tooLarge = [
    head(1_001),
    head(2_000).slice(0, 1_500),
    early + head(501),
    early + early + early,
    trailers + line(room - 1) + "\r\n",
    trailers + line(room + 100).slice(0, -2),
  ];
  for (const bytes of tooLarge) {
    await assert.rejects(
      get((conn) => conn.send(bytes).waitForClose(), options),
      hasCode("ERR_HEADERS_TOO_LARGE"),
    );
  }
});

test("T44 a limit of 0 is none", async () => {
  const long = `HTTP/1.1 204 No Content\r\nX: ${"x".repeat(2_000_000)}\r\n\r\n`;
  assert.equal(await get((conn) => conn.send(long), { maxResponseHeaderBytes: 0 }), "");
});

test("T44 field lines are counted", async () => {
  const head = (lines: number) => "HTTP/1.1 204 No Content\r\n" + "X: 1\r\n".repeat(lines) + "\r\n";
  assert.equal(await get((conn) => conn.send(head(1_000))), "");
  await assert.rejects(
    get((conn) => conn.send(head(1_001)).waitForClose()),
    hasCode("ERR_HEADERS_TOO_LARGE"),
  );
});

test("T45 endless informational responses and endless lines in one end", async () => {
  const endless = ["HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "X: y\r\n"];
  for (const piece of endless) {
    await withRawServer(async (connection) => {
      await connection.readHead();
      if (piece.startsWith("X")) await connection.send("HTTP/1.1 103 Early Hints\r\n");
      while (!connection.ended) await connection.send(piece.repeat(1_000));
    }, async (server) => {
      const transport = new Transport();
      await assert.rejects(
        transport.roundTrip(new HttpRequest(server.origin)),
        hasCode("ERR_HEADERS_TOO_LARGE"),
      );
      assert.equal(transport.stats().total, 0);
      await server.connections[0].closed;
    });
  }
});

test("T45 a hook may end them earlier, with its own error", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    const early = "HTTP/1.1 102 Processing\r\n\r\n";
    while (!connection.ended) await connection.send(early.repeat(1_000));
  }, async (server) => {
    let count = 0;
    const transport = new Transport({
      trace: {
        got1xxResponse: () => {
          if (++count === 3) throw new Error("enough");
        },
      },
    });
    await assert.rejects(transport.roundTrip(new HttpRequest(server.origin)), /^Error: enough$/);
    assert.equal(count, 3);
    assert.equal(transport.stats().total, 0);
    await server.connections[0].closed;
  });
});

test("T46 memory is not set aside on the word of a Content-Length", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8000000000\r\n\r\n0123456789");
  }, async (server) => {
    const transport = new Transport();
    const controller = new AbortController();
    const { signal } = controller;
    const response = await transport.roundTrip(new HttpRequest(server.origin, { signal }));
    assert.equal(response.contentLength, 8_000_000_000);
    const before = process.memoryUsage().rss;
    const going = response.bytes();
    going.catch(() => {});
    await settled(() => response.timings.waitMs === null ? 0 : 1, 1);
    const grownBytes = process.memoryUsage().rss - before;
    assert.ok(grownBytes < 64 * 1024 * 1024, `${grownBytes}`);
    controller.abort(new Error("seen"));
    await assert.rejects(going, /seen/);
    await server.connections[0].closed;
  });
});

test("T50 a body that nobody reads stays with the server", async () => {
  for (
    const framing of ["Content-Length: 8000000000", "Transfer-Encoding: chunked", "X-Close: 1"]
  ) {
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
      const chunk = "10000\r\n" + "x".repeat(65_536) + "\r\n";
      while (!connection.ended) await connection.send(chunk);
    }, async (server) => {
      const transport = new Transport();
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      const connection = server.connections[0];
      // What the two kernels hold is some megabytes; a client that reads on has no bound.
      const sentBytes = await settled(() => connection.sentBytes, 64 * 1024 * 1024);
      assert.ok(sentBytes < 32 * 1024 * 1024, `${sentBytes}`);
      // It goes on when somebody reads.
      const p = new Uint8Array(65_536);
      for (let read = 0; read < 2 * sentBytes;) read += (await response.body.read(p))!;
      await until("more was sent", () => connection.sentBytes > sentBytes);
      await response.body.close();
      assert.equal(transport.stats().total, 0);
      await connection.closed;
    });
  }
});

test("T52 a megabyte of anything is read in linear time", async () => {
  const million = 1_000_000;
  const ok = (value: string) => `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${value}\r\n\r\nok`;
  const read: string[] = [
    ok(`X:${" ".repeat(million)}y`),
    ok(`X: y${" ".repeat(million)}`),
    ok(`Connection: ${",".repeat(million)}`),
    ok(`Connection: ${"a,".repeat(million / 2)}`),
    ok(`Connection: ${'"'.repeat(million)}`),
    ok(`Content-Encoding: ${" ,\t".repeat(million / 3)}`),
    ok(`Location: ${"../".repeat(million / 3)}`),
    ok(`X: ${"@".repeat(million)}`),
    ok(`X: y${"\r\n z".repeat(million / 4)}`),
    ok(`X: y${"\r\n ".repeat(million / 3)}`),
    `HTTP/1.1 200 ${" ".repeat(million)}\r\nContent-Length: 2\r\n\r\nok`,
    `HTTP/1.1 200 OK\r\nContent-Length: ${"2,".repeat(million / 2)}2\r\n\r\nok`,
    CHUNKED_HEAD + `2${" ".repeat(16_000)};a\r\nok\r\n0\r\nX:${" ".repeat(million)}\r\n\r\n`,
    CHUNKED_HEAD + "1\r\nx\r\n".repeat(million / 6) + "0\r\n\r\n",
  ];
  for (const bytes of read) {
    const text = await get((conn) => conn.send(bytes), {
      parser: "lenient",
      maxResponseHeaderBytes: 4 * million,
    });
    assert.match(text, /^(ok|x+)$/);
  }
  const refused = [
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: ${",".repeat(million)}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: ${"chunked,".repeat(million / 8)}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nContent-Length: ${"0".repeat(million)}x\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nX${" ".repeat(million)}\r\n\r\n`,
    "HTTP/1.1 " + "2".repeat(million) + "\r\n\r\n",
  ];
  for (const bytes of refused) {
    await assert.rejects(
      get((conn) => conn.send(bytes).waitForClose(), { maxResponseHeaderBytes: 4 * million }),
      hasCode("ERR_MALFORMED_RESPONSE"),
    );
  }
});

test("T56 two requests in a row share nothing, and a request does not change", async () => {
  const list: [string, string][] = [["User-Agent", ""], ["X-Own", "1"]];
  const trailers: [string, string][] = [["X-Sum", "1"]];
  const sent = plainHead("PUT /a", "X-Own: 1", "Transfer-Encoding: chunked", "Trailer: X-Sum") +
    "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n";
  const conn = new ScriptedConn().expect(sent).send(
    "HTTP/1.1 200 OK\r\nX-One: 1\r\n" +
      "Content-Length: 1\r\n\r\n1",
  ).expect(plainHead("GET /b"))
    .send("HTTP/1.1 204 No Content\r\nX-Two: 2\r\n\r\n").expect(sent)
    .send("HTTP/1.1 204 No Content\r\n\r\n");
  const dialer = scriptedDialer(conn);
  const transport = new Transport({ dialer, ...plain.options });
  const request = new HttpRequest("http://example.com/a", {
    method: "PUT",
    headers: list,
    body: new Uint8Array([0x61]),
    trailers,
  });
  list.push(["X-Late", "1"]);
  trailers[0][1] = "changed";
  trailers.push(["X-Late", "1"]);
  request.url.pathname = "/changed";
  assert.throws(() => request.headers.set("X-Late", "1"), hasCode("ERR_INVALID_REQUEST"));

  const first = await transport.roundTrip(request);
  await until("the first connection is free", () => transport.stats().idle === 1);
  const other = new HttpRequest("http://example.com/b", { headers: plain.headers });
  const second = await transport.roundTrip(other);
  assert.equal(second.headers.has("X-One"), false);
  assert.equal(first.headers.get("X-One"), "1");
  assert.equal(await first.text(), "1");
  first.headers.set("X-Two", "mine");
  assert.equal(second.headers.get("X-Two"), "2");
  assert.equal((await transport.roundTrip(request)).headers.size, 0);
  dialer.assertConsumed();
  transport.destroy();
});

test("T57 what a server sends is escaped and cut in error messages", async () => {
  const hostile = "\x1b[31m\x07\r\xff\u0085evil ".repeat(50).replaceAll("\u0085", "\x85");
  const answers = [
    ...MATRIX.filter(({ strict }) => "error" in strict).map(({ sends }) => sends),
    hostile,
    `HTTP/1.1 ${hostile}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\n${hostile}: x\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nX: ${hostile}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nContent-Length: ${"9".repeat(10_000)}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nContent-Length: \x1b[31m\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nContent-Length: \xff${"x,".repeat(10_000)}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: \xff${"x,".repeat(10_000)}\r\n\r\n`,
    `${CHUNKED_HEAD}${hostile}`,
    `${CHUNKED_HEAD}0\r\n${hostile}\r\n\r\n`,
  ];
  for (const answer of answers) {
    const error = await get((conn) => conn.send(answer).end()).catch((reason) => reason);
    assert.ok(error instanceof HttpError, answer.slice(0, 100));
    assert.match(error.message, /^[\x20-\x7e…]{1,1000}$/);
  }
});
