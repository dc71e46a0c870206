/**
 * What bounds the readers of `http1/`: sizes, counts, the work that hostile input can cause, the text of
 * errors.
 *
 * @module
 */
import assert from "node:assert/strict";
import { BufferedReader } from "../../conn/buffered_reader.ts";
import { HttpError } from "../../conn/http_error.ts";
import { ContentReader } from "../../http1/content_reader.ts";
import { contentCodings } from "../../http/content_coding.ts";
import { responseFraming } from "../../http1/framing.ts";
import { isFieldValue, isToken, listMembers, parseDigits, trimOws } from "../../http/grammar.ts";
import { isPersistent } from "../../http1/persistence.ts";
import { ResponseHeadReader } from "../../http1/response_head.ts";
import {
  connect,
  contentOf,
  hangUp,
  rejectsWith,
  say,
  send,
  settled,
} from "../support/exchange_record.ts";
import { bytesOf, feed, PieceReader } from "../support/feed.ts";
import { test } from "../support/harness.ts";
import { endsItself, readHead, readToEnd, responseReader } from "../support/read_message.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n";
const MIB = 1024 * 1024;

// T13: a stream that was cut is never a success.

for (
  const [name, response] of [
    ["chunked", CHUNKED + "5;a=b\r\nhello\r\nb\r\n0123456789a\r\n0\r\n\r\n"],
    ["chunked with trailers", CHUNKED + "5\r\nhello\r\n0\r\nA: 1\r\nB: 2\r\n 3\r\n\r\n"],
    ["chunked with LF alone in trailers", CHUNKED + "1\r\nx\r\n0\r\nA: 1\n\n"],
    ["of a length", OK + "Content-Length: 12\r\n\r\nhello, world"],
    ["without content", "HTTP/1.1 204 No Content\r\nA: 1\r\n\r\n"],
  ]
) {
  test(`T13 a response ${name}, cut at every byte offset, is success only at the last`, async () => {
    for (let cut = 0; cut < response.length; cut++) {
      const outcome = await feed(response.slice(0, cut), responseReader());
      const inHead = cut < response.indexOf("\r\n\r\n") + 4;
      const error = inHead ? "ERR_CONNECTION_LOST" : "ERR_INCOMPLETE_BODY";
      assert.deepEqual(outcome, { error }, `cut at ${cut}`);
    }
    assert.ok("value" in await feed(response, responseReader()));
  });
}

// T3, T12, T44, T45: bounds.

test("T3 chunk extensions are bounded over the whole body, not chunk by chunk", async () => {
  const chunk = `1;${"x".repeat(4095)}\r\na\r\n`;
  const within = CHUNKED + chunk.repeat(4) + "0\r\n\r\n";
  const beyond = CHUNKED + chunk.repeat(4) + "0;x\r\n\r\n";
  assert.ok("value" in await feed(within, responseReader()));
  assert.deepEqual(await feed(beyond, responseReader()), { error: "ERR_MALFORMED_RESPONSE" });
});

test("T3 an endless chunk extension is refused early", async () => {
  const source = new PieceReader(bytesOf(CHUNKED + "1;" + "x".repeat(MIB)), () => 4096);
  const input = new BufferedReader(source);
  const reading = responseReader()({ input, source, roomBytes: 1024 });
  await rejectsWith(reading, "ERR_MALFORMED_RESPONSE");
  assert.ok(source.reads <= 8, `${source.reads} reads`);
});

test("T44 the number of field lines is bounded", async () => {
  const lines = (count: number): string => OK + "A: 1\r\n".repeat(count) + "\r\n";
  assert.ok("value" in await feed(lines(1000), (fed) => readHead(fed, "strict", [])));
  assert.deepEqual(await feed(lines(1001), (fed) => readHead(fed, "strict", [])), {
    error: "ERR_HEADERS_TOO_LARGE",
  });
});

test("T44 the number of trailer lines is bounded", async () => {
  const response = CHUNKED + "0\r\n" + "A: 1\r\n".repeat(1001) + "\r\n";
  assert.deepEqual(await feed(response, responseReader()), { error: "ERR_HEADERS_TOO_LARGE" });
});

test("T44 the trailer section is bounded in bytes, ended or not", async () => {
  const reader = (end: string) => (bytes: number): Promise<unknown> =>
    feed(`0\r\nA: ${"x".repeat(bytes)}${end}`, async ({ input, source, roomBytes }) => {
      const content = new ContentReader(input, source, {
        framing: { kind: "chunked" },
        mode: "strict",
        deviations: [],
        code: "ERR_MALFORMED_RESPONSE",
        maxTrailerBytes: 100,
      });
      await content.read(new Uint8Array(roomBytes));
      return content.trailers?.get("a");
    });
  const value = "x".repeat(93);
  assert.deepEqual(await reader("\r\n\r\n")(93), { value });
  assert.deepEqual(await reader("\r\n\r\n")(94), { error: "ERR_HEADERS_TOO_LARGE" });
  assert.deepEqual(await reader("")(1000), { error: "ERR_HEADERS_TOO_LARGE" });
});

test("T44 an empty trailer section is free where the head used up all that was allowed", async () => {
  const wire = connect({ maxResponseHeaderBytes: CHUNKED.length });
  const exchange = send(wire);
  await say(wire, CHUNKED);
  const { content } = await exchange.answer;
  const text = contentOf(content, 8);
  for (const c of "2\r\nok\r\n0\r\n\r\n") await say(wire, c);
  assert.equal(await text, "ok");
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("content of a length in arrays of the source's: not a byte of what follows is given", async () => {
  const next = "HTTP/1.1 200 OK\r\n";
  const text = "x".repeat(100) + next;
  for (const pieceBytes of [1, 30, 99, 100, 101, Infinity]) {
    const source = new PieceReader(bytesOf(text), () => pieceBytes, true);
    const content = new ContentReader(new BufferedReader(source), source, {
      framing: { kind: "length", bytes: 100 },
      mode: "strict",
      deviations: [],
      code: "ERR_MALFORMED_RESPONSE",
      maxTrailerBytes: 100,
    });
    assert.equal(await readToEnd(content, 0), "x".repeat(100));
    assert.equal(await content.readChunk(), null);
    const rest = new Uint8Array(100);
    let length = 0;
    for (
      let n = await source.read(rest);
      n !== null;
      n = await source.read(rest.subarray(length))
    ) {
      length += n;
    }
    assert.equal(length, next.length, `in pieces of ${pieceBytes}`);
  }
});

for (const whole of [true, false]) {
  test(`T44 a response head is bounded, given ${whole ? "whole" : "in pieces"}`, async () => {
    const head = `${OK}A: ${"x".repeat(1000)}\r\nContent-Length: 0\r\n\r\n`;
    for (const spare of [0, -1]) {
      const wire = connect({ maxResponseHeaderBytes: head.length + spare });
      const exchange = send(wire);
      const pieces = whole ? [head] : head.match(/[^]{1,100}/g)!;
      for (const piece of pieces) await say(wire, piece).catch(() => {});
      if (spare === 0) {
        await exchange.answer;
        assert.deepEqual(wire.owned, ["idle"]);
      } else {
        await rejectsWith(exchange.answer, "ERR_HEADERS_TOO_LARGE");
        assert.deepEqual(wire.owned, ["closed ERR_HEADERS_TOO_LARGE"]);
      }
      await hangUp(wire);
    }
  });
}

test("T44 all heads and the trailer section of one response are bounded together", async () => {
  const early = `HTTP/1.1 103 X\r\nA: ${"x".repeat(400)}\r\n\r\n`;
  const twice = connect({ maxResponseHeaderBytes: 1000 });
  const exchange = send(twice);
  await say(twice, early + early + `${OK}A: ${"x".repeat(200)}\r\n\r\n`);
  await rejectsWith(exchange.answer, "ERR_HEADERS_TOO_LARGE");
  await hangUp(twice);

  const trailers = connect({ maxResponseHeaderBytes: 1000 });
  const answer = send(trailers);
  await say(trailers, early + CHUNKED + `0\r\nA: ${"x".repeat(600)}\r\n\r\n`);
  await rejectsWith(contentOf((await answer.answer).content), "ERR_HEADERS_TOO_LARGE");
  await hangUp(trailers);

  // The next response has its own budget.
  const next = connect({ maxResponseHeaderBytes: 1000 });
  for (let i = 0; i < 3; i++) {
    const one = send(next);
    await say(next, early + `${OK}Content-Length: 0\r\nA: ${"x".repeat(400)}\r\n\r\n`);
    await one.answer;
  }
  assert.deepEqual(next.owned, ["idle", "idle", "idle"]);
  await hangUp(next);
});

test("T12 a header line of 20 MB is refused at the limit, and little more is read", async () => {
  const wire = connect({ maxResponseHeaderBytes: MIB });
  const exchange = send(wire);
  await settled();
  const block = "x".repeat(64 * 1024);
  await say(wire, OK + "A: ");
  let saidBytes = 0;
  while (wire.client.state !== "closed" && saidBytes < 20 * MIB) {
    await say(wire, block).catch(() => {});
    saidBytes += block.length;
  }
  await rejectsWith(exchange.answer, "ERR_HEADERS_TOO_LARGE");
  assert.ok(wire.conn.bytesRead <= 2 * MIB + block.length, `${wire.conn.bytesRead} bytes`);
  await hangUp(wire);
});

test("M28 informational responses are bounded by their bytes, not by their number", async () => {
  const early = "HTTP/1.1 103 X\r\n\r\n";
  const final = OK + "Content-Length: 0\r\n\r\n";
  const count = 2_000;
  for (const spare of [0, -1]) {
    const wire = connect({ maxResponseHeaderBytes: count * early.length + final.length + spare });
    const exchange = send(wire);
    await settled();
    await say(wire, early.repeat(count));
    await say(wire, final).catch(() => {});
    if (spare === 0) await exchange.answer;
    else await rejectsWith(exchange.answer, "ERR_HEADERS_TOO_LARGE");
    const reported = exchange.log.filter((line) => line === "informational 103").length;
    assert.equal(reported, count);
    assert.deepEqual(wire.owned, [spare === 0 ? "idle" : "closed ERR_HEADERS_TOO_LARGE"]);
    await hangUp(wire);
  }
});

test("M28 the hook may refuse any of them", async () => {
  const wire = connect();
  const exchange = send(wire);
  let left = 150;
  exchange.informational = () => {
    if (--left === 0) throw new Error("enough");
  };
  await settled();
  await say(wire, "HTTP/1.1 103 X\r\n\r\n".repeat(200) + OK + "Content-Length: 0\r\n\r\n");
  await assert.rejects(exchange.answer, /^Error: enough$/);
  assert.deepEqual(wire.owned, ["closed Error: enough"]);
  await hangUp(wire);
});

test("T45 endless field lines behind 100 Continue are bounded", async () => {
  const wire = connect();
  const exchange = send(wire);
  await settled();
  await say(wire, "HTTP/1.1 100 Continue\r\n");
  for (let i = 0; i < 5000 && wire.client.state !== "closed"; i++) {
    await say(wire, "A: 1\r\n").catch(() => {});
  }
  await rejectsWith(exchange.answer, "ERR_HEADERS_TOO_LARGE");
  await hangUp(wire);
});

test("T46 a Content-Length allocates nothing by itself", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, OK + "Content-Length: 8000000000\r\n\r\n0123456789");
  const { content } = await exchange.answer;
  const p = new Uint8Array(100);
  assert.equal(await content.read(p), 10);
  await wire.server.closeWrite();
  await rejectsWith(content.read(p), "ERR_INCOMPLETE_BODY");
  await hangUp(wire);
});

test("what stands behind a chunked body in one large read is kept, however much it is", async () => {
  const behind = "x".repeat(40_000);
  const source = new PieceReader(bytesOf("1\r\na\r\n0\r\n\r\n" + behind), () => Infinity);
  const input = new BufferedReader(source, 16);
  const content = new ContentReader(input, source, {
    framing: { kind: "chunked" },
    mode: "strict",
    deviations: [],
    code: "ERR_MALFORMED_RESPONSE",
    maxTrailerBytes: 100,
  });
  const p = new Uint8Array(64 * 1024);
  assert.equal(await content.read(p), 1);
  assert.equal(await content.read(p), null);
  assert.equal(input.buffered, behind.length);
});

// T52: work grows with the input, not with its square. A square would be hours.

const LONG: readonly (readonly [string, string])[] = [
  ["spaces", " ".repeat(MIB)],
  ["tabs", "\t".repeat(MIB)],
  ["commas", ",".repeat(MIB)],
  ["commas and spaces", ", ".repeat(MIB / 2)],
  ["quotes", '"'.repeat(MIB)],
  ["backslashes", '"' + "\\".repeat(MIB)],
  ["members", "a,".repeat(MIB / 2)],
  ["spaces between letters", "a" + " ".repeat(MIB) + "b"],
  ["at signs", "@".repeat(MIB)],
  ["digits", "9".repeat(MIB)],
  ["dots", "../".repeat(MIB / 3)],
];

for (const [name, text] of LONG) {
  test(`T52 1 MB of ${name} costs what it is long`, async () => {
    trimOws(text);
    isToken(text);
    isFieldValue(text);
    isFieldValue(text + "\n");
    parseDigits(text);
    listMembers([text, text]);
    for (const field of ["Content-Encoding", "Content-Length", "Transfer-Encoding", "Connection"]) {
      const bytes = bytesOf(`${OK}${field}: 1${text}1\r\n\r\n`);
      const head = new ResponseHeadReader("strict").read(bytes, 0, bytes.length, []);
      contentCodings(head!.fields);
      isPersistent(head!);
      try {
        responseFraming("GET", head!, "strict", []);
      } catch (error) {
        assert.ok(error instanceof HttpError);
      }
    }
    for (const line of [text, `A: b\r\n${text}`, `A:${text}\r\n b${text}`]) {
      const bytes = bytesOf(`${OK}${line}\r\n\r\n`);
      try {
        new ResponseHeadReader("lenient").read(bytes, 0, bytes.length, []);
      } catch (error) {
        assert.ok(error instanceof HttpError);
      }
    }
    const source = new PieceReader(bytesOf(CHUNKED + "1" + text), () => 60_000);
    const input = new BufferedReader(source);
    const outcome = await responseReader()({ input, source, roomBytes: 9 }).catch((e) => e);
    assert.ok(outcome instanceof HttpError);
  });
}

/** An array of bytes that counts how many of them were searched. */
class CountingBytes extends Uint8Array<ArrayBuffer> {
  static searchedBytes: number = 0;

  override indexOf(byte: number, from: number = 0): number {
    const found = super.indexOf(byte, from);
    CountingBytes.searchedBytes += (found === -1 ? this.length : found + 1) - from;
    return found;
  }
}

/** How many bytes are searched for line ends when a head of `n` bytes arrives byte by byte. */
function searchedBytes(n: number): number {
  const bytes = new CountingBytes(new ArrayBuffer(2 * n));
  bytes.set(bytesOf(`${OK}A: ${"x".repeat(n)}`));
  const reader = new ResponseHeadReader("strict");
  CountingBytes.searchedBytes = 0;
  for (let end = 1; end <= n; end++) reader.read(bytes, 0, end, []);
  return CountingBytes.searchedBytes;
}

test("T52 a long line that comes byte by byte is searched once, not again for each byte", () => {
  // The buffer is twice as large: what is behind the end must not be searched either.
  for (const n of [20_000, 80_000, 320_000]) {
    const searched = searchedBytes(n);
    assert.ok(searched <= n + 100, `${searched} searched for ${n} bytes`);
  }
});

// T57: errors show a peer's bytes escaped and cut.

test("T57 errors escape what a peer sent and cut it to 128 characters", async () => {
  const nasty = "\x1b[2J\x07\xff" + "x".repeat(10_000);
  for (
    const response of [
      nasty,
      `HTTP/1.1 200${nasty}\r\n\r\n`,
      `HTTP/9.9 ${nasty}\r\n\r\n`,
      `${OK}${nasty}\r\n\r\n`,
      `${OK}A${"b".repeat(10_000)} : v\r\n\r\n`,
      `${OK}Content-Length: \xff${"x".repeat(10_000)}\r\n\r\n`,
      `${OK}Transfer-Encoding: \xff${"x".repeat(10_000)}\r\n\r\n`,
      `${CHUNKED}${nasty}`,
    ]
  ) {
    const source = new PieceReader(bytesOf(response), () => Infinity);
    const input = new BufferedReader(source);
    const outcome = await responseReader()({ input, source, roomBytes: 100 }).catch((e) => e);
    assert.ok(outcome instanceof HttpError);
    assert.equal(outcome.code, "ERR_MALFORMED_RESPONSE");
    assert.match(outcome.message, /^[\x20-\x7e…]*$/);
    assert.ok(outcome.message.length < 1000, `${outcome.message.length} characters`);
  }
});

test("T28 errors do not show field values, which may be secrets", async () => {
  for (
    const line of [
      "X-Token: canary\0",
      "X-Token : canary",
      "Set-Cookie: a=canary\r\x01",
      ": canary",
    ]
  ) {
    const source = new PieceReader(bytesOf(`${OK}${line}\r\n\r\n`), () => Infinity);
    const input = new BufferedReader(source);
    const outcome = await responseReader()({ input, source, roomBytes: 100 }).catch((e) => e);
    assert.ok(outcome instanceof HttpError);
    assert.doesNotMatch(outcome.message, /canary/);
  }
});

test("close-delimited content ends only where the stream does", async () => {
  const outcome = await feed(OK + "\r\nHTTP/1.1 200 OK\r\n\r\n", responseReader(), endsItself);
  assert.ok("value" in outcome);
  assert.equal(outcome.value.content, "HTTP/1.1 200 OK\r\n\r\n");
});
