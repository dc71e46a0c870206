/**
 * A connection in the client's role over a pipe: content of requests, answers that come early,
 * writes that fail.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  connect,
  contentOf,
  GivenContent,
  hangUp,
  hear,
  hearAll,
  rejectsWith,
  say,
  send,
  settled,
  wholeContent,
  type Wire,
} from "../support/exchange_record.ts";
import { test } from "../support/harness.ts";

const POST = "POST / HTTP/1.1\r\nHost: a\r\n\r\n";
const EMPTY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const REFUSAL = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";

async function assertClosed(wire: Wire, owned: string[]): Promise<void> {
  await settled();
  assert.equal(wire.client.state, "closed");
  assert.deepEqual(wire.owned, owned);
  assert.equal(wire.conn.closes, 1);
  await hangUp(wire);
}

test("upload: a small body leaves with its head in one write", async () => {
  const wire = connect();
  const exchange = send(wire, { method: "POST", head: POST, content: wholeContent("hello") });
  await hear(wire, POST + "hello");
  assert.equal(wire.conn.writes, 1);
  await say(wire, EMPTY);
  await exchange.answer;
  assert.deepEqual(exchange.log, ["wroteHead", "wroteRequest", "firstByte", "response 200"]);
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("upload: a body larger than the buffer follows its head", async () => {
  const wire = connect();
  const text = "x".repeat(100_000);
  const exchange = send(wire, { method: "POST", head: POST, content: wholeContent(text) });
  await hear(wire, POST + text);
  await settled();
  assert.equal(wire.client.requestState, "complete");
  await say(wire, EMPTY);
  await exchange.answer;
  assert.deepEqual(exchange.log, ["wroteHead", "wroteRequest", "firstByte", "response 200"]);
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("upload: a stream of unknown length is chunked, with trailers", async () => {
  const wire = connect();
  const content = new GivenContent(null, [["X-Sum", "1"], ["x-sum", "2"]]);
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST);
  await settled();
  assert.equal(wire.client.requestState, "content");
  content.give("hello");
  await hear(wire, "5\r\nhello\r\n");
  content.give("").give("0123456789abcdef!").give(null);
  await hear(wire, "11\r\n0123456789abcdef!\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n");
  await settled();
  assert.equal(wire.client.requestState, "complete");
  await say(wire, EMPTY);
  await exchange.answer;
  assert.deepEqual(wire.owned, ["idle"]);
  assert.equal(content.opened, 1);
  assert.equal(content.cancelled, 0);
  await hangUp(wire);
});

test("upload: a large piece is one chunk, and a piece may be reused once the next is asked for", async () => {
  const wire = connect();
  const piece = new Uint8Array(100_000);
  let count = 0;
  const content = new GivenContent(null);
  content.open = () => ({
    next: () => {
      if (count === 3) return Promise.resolve(null);
      const part = count === 1 ? piece.subarray(0, 5) : piece;
      return Promise.resolve(part.fill(0x61 + count++));
    },
    cancel: () => {},
  });
  send(wire, { method: "POST", head: POST, content });
  const chunk = (size: string, text: string): string => `${size}\r\n${text}\r\n`;
  await hear(
    wire,
    POST + chunk("186a0", "a".repeat(100_000)) + chunk("5", "bbbbb") +
      chunk("186a0", "c".repeat(100_000)) + "0\r\n\r\n",
  );
  await hangUp(wire);
});

test("upload: a stream of declared length", async () => {
  const wire = connect();
  const content = new GivenContent(7);
  const exchange = send(wire, { method: "POST", head: POST, content });
  content.give("hello").give("!!").give(null);
  await hear(wire, POST + "hello!!");
  await settled();
  await say(wire, EMPTY);
  await exchange.answer;
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("upload: declared length 0, known and as a stream", async () => {
  for (const content of [wholeContent(""), new GivenContent(0).give(null)]) {
    const wire = connect();
    const exchange = send(wire, { method: "POST", head: POST, content });
    await hear(wire, POST);
    await settled();
    await say(wire, EMPTY);
    await exchange.answer;
    assert.deepEqual(wire.owned, ["idle"]);
    await hangUp(wire);
  }
});

test("upload: an answer between the last declared byte and the source's end costs nothing", async () => {
  for (const response of [EMPTY, REFUSAL]) {
    const wire = connect();
    const content = new GivenContent(5).give("hello");
    const exchange = send(wire, { method: "POST", head: POST, content });
    await hear(wire, POST + "hello");
    await settled();
    await say(wire, response);
    await exchange.answer;
    assert.equal(wire.client.state, "exchanging");
    content.give(null);
    await settled();
    assert.equal(content.cancelled, 0);
    assert.deepEqual(wire.owned, ["idle"]);
    await hangUp(wire);
  }
});

test("upload: an answer does not hide that the source gave too much", async () => {
  const wire = connect();
  const content = new GivenContent(5).give("hello");
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST + "hello");
  await settled();
  await say(wire, EMPTY);
  await exchange.answer;
  content.give("!");
  await settled();
  assert.equal(exchange.log.at(-1), "wroteRequest ERR_BODY_LENGTH");
  await assertClosed(wire, ["closed ERR_BODY_LENGTH"]);
});

test("upload: a stream longer than declared is an error, nothing beyond is written", async () => {
  const wire = connect();
  const content = new GivenContent(7).give("hello").give("!!!");
  const exchange = send(wire, { method: "POST", head: POST, content });
  await rejectsWith(exchange.answer, "ERR_BODY_LENGTH");
  assert.equal(await hearAll(wire), POST + "hello");
  assert.deepEqual(exchange.log, [
    "wroteHead",
    "wroteRequest ERR_BODY_LENGTH",
    "failed ERR_BODY_LENGTH",
  ]);
  assert.equal(content.cancelled, 1);
  await assertClosed(wire, ["closed ERR_BODY_LENGTH"]);
});

test("upload: a stream that goes on behind its declared length is an error", async () => {
  const wire = connect();
  const content = new GivenContent(5).give("hello").give("").give("!");
  const exchange = send(wire, { method: "POST", head: POST, content });
  await rejectsWith(exchange.answer, "ERR_BODY_LENGTH");
  assert.equal(await hearAll(wire), POST + "hello");
  assert.equal(content.cancelled, 1);
  await assertClosed(wire, ["closed ERR_BODY_LENGTH"]);
});

test("upload: a stream shorter than declared is an error", async () => {
  const wire = connect();
  const content = new GivenContent(7).give("hello").give(null);
  const exchange = send(wire, { method: "POST", head: POST, content });
  await rejectsWith(exchange.answer, "ERR_BODY_LENGTH");
  assert.equal(await hearAll(wire), POST + "hello");
  await assertClosed(wire, ["closed ERR_BODY_LENGTH"]);
});

test("upload: a stream that fails ends the exchange with its error", async () => {
  const wire = connect();
  const content = new GivenContent(null).give("a").break(new Error("disk"));
  const exchange = send(wire, { method: "POST", head: POST, content });
  await assert.rejects(exchange.answer, /disk/);
  assert.equal(await hearAll(wire), POST + "1\r\na\r\n");
  await assertClosed(wire, ["closed Error: disk"]);
});

test("upload: trailers that fail end the exchange with their error", async () => {
  const wire = connect();
  const content = new GivenContent(null, new Error("no sum")).give("a").give(null);
  const exchange = send(wire, { method: "POST", head: POST, content });
  await assert.rejects(exchange.answer, /no sum/);
  assert.equal(
    await hearAll(wire),
    POST + "1\r\na\r\n",
    "no last chunk: the content is not complete",
  );
  await assertClosed(wire, ["closed Error: no sum"]);
});

test("upload: a piece that is no Uint8Array is refused", async () => {
  const wire = connect();
  const content = new GivenContent(null);
  const { open } = content;
  content.open = () => ({
    ...open.call(content),
    next: () => Promise.resolve("text" as unknown as Uint8Array),
  });
  const exchange = send(wire, { method: "POST", head: POST, content });
  await rejectsWith(exchange.answer, "ERR_INVALID_REQUEST");
  await assertClosed(wire, ["closed ERR_INVALID_REQUEST"]);
});

test("upload: a failing stream reaches who reads the response already", async () => {
  const wire = connect();
  const content = new GivenContent(null).give("a");
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST + "1\r\na\r\n");
  await say(wire, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
  const { content: incoming } = await exchange.answer;
  content.break(new Error("disk"));
  await settled();
  await assert.rejects(contentOf(incoming), /disk/);
  assert.equal(exchange.log.some((line) => line.startsWith("failed")), false, exchange.log.join());
  await assertClosed(wire, ["closed Error: disk"]);
});

test("upload: an early refusal stops it; its content is delivered, then the connection closed", async () => {
  const wire = connect();
  const content = new GivenContent(null).give("a");
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST + "1\r\na\r\n");
  await say(wire, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nn");
  const { head, content: incoming } = await exchange.answer;
  assert.equal(head.statusCode, 413);
  assert.equal(wire.client.requestState, "withheld");
  assert.equal(content.cancelled, 1);
  content.give("more");
  await say(wire, "o");
  assert.equal(await contentOf(incoming), "no");
  assert.deepEqual(
    exchange.log,
    ["wroteHead", "firstByte", "wroteRequest", "response 413"].sort(
      (a, b) => exchange.log.indexOf(a) - exchange.log.indexOf(b),
    ),
  );
  assert.equal(await hearAll(wire), "", "nothing more was written");
  await assertClosed(wire, ["closed"]);
});

test("upload: an early refusal that came whole", async () => {
  const wire = connect();
  const content = new GivenContent(1000).give("a");
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST + "a");
  await say(wire, REFUSAL);
  assert.equal(await contentOf((await exchange.answer).content), "no");
  assert.equal(content.cancelled, 1);
  assert.equal(exchange.log.filter((line) => line.startsWith("wroteRequest")).length, 1);
  await assertClosed(wire, ["closed"]);
});

test("upload: an early refusal while a write is stuck", async () => {
  const wire = connect({ bufferBytes: 64 });
  const exchange = send(wire, {
    method: "POST",
    head: POST,
    content: wholeContent("x".repeat(100_000)),
  });
  await hear(wire, POST);
  void wire.server.write(new TextEncoder().encode(REFUSAL));
  const { content } = await exchange.answer;
  assert.equal(await contentOf(content), "no");
  // All of it was given to the runtime, which may yet take it: the owner says how long to wait.
  assert.equal(wire.client.state, "exchanging");
  wire.client.sendLimitReached();
  await assertClosed(wire, ["closed"]);
});

test("upload: goes on beside an early answer of 2xx, and the connection survives", async () => {
  const wire = connect();
  const content = new GivenContent(null).give("a");
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST + "1\r\na\r\n");
  await say(wire, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nA");
  const { content: incoming } = await exchange.answer;
  const p = new Uint8Array(5);
  assert.equal(await incoming.read(p), 1);
  content.give("b").give(null);
  await hear(wire, "1\r\nb\r\n0\r\n\r\n");
  await settled();
  assert.equal(wire.client.requestState, "complete");
  await say(wire, "B");
  assert.equal(await incoming.read(p), 1);
  assert.deepEqual(wire.owned, ["idle"]);
  assert.equal(content.cancelled, 0);
  await hangUp(wire);
});

test("upload: a response that is complete before the request stops it", async () => {
  const wire = connect();
  const content = new GivenContent(null).give("a");
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST + "1\r\na\r\n");
  await say(wire, EMPTY);
  await exchange.answer;
  assert.equal(content.cancelled, 1);
  assert.equal(await hearAll(wire), "");
  await assertClosed(wire, ["closed"]);
});

test("upload: a refusal is read although the connection broke under the upload", async () => {
  const wire = connect({ bufferBytes: 256 });
  const content = new GivenContent(null);
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST);
  // In one turn: the client has not seen the answer when its write fails.
  void wire.server.write(new TextEncoder().encode(REFUSAL));
  wire.server.close();
  content.give("x");
  const { head, content: incoming } = await exchange.answer;
  assert.equal(head.statusCode, 413);
  assert.equal(await contentOf(incoming), "no");
  await assertClosed(wire, ["closed"]);
});

test("upload: a response after a write error is read to its end, and the source let go", async () => {
  const wire = connect();
  const content = new GivenContent(null);
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST);
  await settled();
  const { conn } = wire;
  conn.write = () => Promise.reject(new Error("EPIPE"));
  content.give("x");
  await settled();
  assert.equal(wire.client.requestState, "aborted");
  assert.equal(content.cancelled, 1, "nobody will ask for more");
  await say(wire, REFUSAL);
  assert.equal(await contentOf((await exchange.answer).content), "no");
  assert.deepEqual(exchange.log, [
    "wroteHead",
    "wroteRequest Error: EPIPE",
    "firstByte",
    "response 413",
  ]);
  await assertClosed(wire, ["closed"]);
});

test("upload: without a response the error of the write is told", async () => {
  const wire = connect();
  const content = new GivenContent(null);
  const exchange = send(wire, { method: "POST", head: POST, content });
  await hear(wire, POST);
  await settled();
  wire.conn.write = () => Promise.reject(new Error("EPIPE"));
  content.give("x");
  await settled();
  await wire.server.closeWrite();
  await assert.rejects(exchange.answer, /EPIPE/);
  assert.equal(content.cancelled, 1);
  await assertClosed(wire, ["closed Error: EPIPE"]);
});

test("upload: a head that cannot be written, no response", async () => {
  const wire = connect();
  wire.conn.write = () => Promise.reject(new Error("EPIPE"));
  const exchange = send(wire);
  await settled();
  assert.equal(wire.client.requestState, "aborted");
  wire.server.reset();
  await assert.rejects(exchange.answer, /EPIPE/);
  assert.deepEqual(exchange.log, ["wroteRequest Error: EPIPE", "failed Error: EPIPE"]);
  await assertClosed(wire, ["closed Error: EPIPE"]);
});
