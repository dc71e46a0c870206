/**
 * A connection in the client's role over a pipe: every way in which an exchange or a connection ends, and
 * what is left then.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Answer,
  connect,
  contentOf,
  type Exchange,
  GET,
  GivenContent,
  hangUp,
  hear,
  rejectsWith,
  say,
  send,
  settled,
  type Wire,
} from "../support/exchange_record.ts";
import { test } from "../support/harness.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const KIB = 1024;

/** Asserts that nothing is left: closed, the owner told once and why. */
async function assertClosed(wire: Wire, owned: string[]): Promise<void> {
  await settled();
  assert.equal(wire.client.state, "closed");
  assert.deepEqual(wire.owned, owned);
  assert.equal(wire.conn.closes, 1);
  await hangUp(wire);
}

/** An exchange whose response has begun. */
async function answered(wire: Wire, response: string): Promise<Answer & { exchange: Exchange }> {
  const exchange = send(wire);
  await hear(wire, GET);
  await settled();
  await say(wire, response);
  return { ...await exchange.answer, exchange };
}

// close() in each state.

test("close(): idle", async () => {
  const wire = connect();
  wire.client.close("bored");
  wire.client.close("again");
  await assertClosed(wire, ["closed bored"]);
});

test("close(): waiting for the response fails the exchange", async () => {
  const wire = connect();
  const exchange = send(wire);
  await hear(wire, GET);
  wire.client.close(new Error("enough"));
  await assert.rejects(exchange.answer, /enough/);
  await assertClosed(wire, ["closed Error: enough"]);
  assert.equal(exchange.log.at(-1), "failed Error: enough");
});

test("close(): before the head was written", async () => {
  const wire = connect({ bufferBytes: 8 });
  const exchange = send(wire);
  wire.client.close(new Error("enough"));
  await assert.rejects(exchange.answer, /enough/);
  await assertClosed(wire, ["closed Error: enough"]);
  assert.deepEqual(exchange.log, ["failed Error: enough"]);
});

test("close(): while content is sent lets its source go", async () => {
  const wire = connect();
  const content = new GivenContent(null).give("a");
  const exchange = send(wire, { method: "POST", content });
  await settled();
  wire.client.close(new Error("enough"));
  await assert.rejects(exchange.answer, /enough/);
  assert.equal(content.cancelled, 1);
  content.give("b");
  await assertClosed(wire, ["closed Error: enough"]);
});

test("close(): while a write is stuck", async () => {
  const wire = connect({ bufferBytes: 64 });
  const content = new GivenContent(null).give("x".repeat(10_000));
  const exchange = send(wire, { method: "POST", content });
  await settled();
  wire.client.close(new Error("enough"));
  await assert.rejects(exchange.answer, /enough/);
  assert.equal(content.cancelled, 1);
  await assertClosed(wire, ["closed Error: enough"]);
});

test("close(): while 100 is awaited", async () => {
  const wire = connect();
  const content = new GivenContent(5);
  const exchange = send(wire, { method: "POST", content, expectContinue: true });
  await settled();
  wire.client.close(new Error("enough"));
  await assert.rejects(exchange.answer, /enough/);
  assert.equal(content.opened, 0);
  await assertClosed(wire, ["closed Error: enough"]);
});

test("close(): while content is read fails the reader with the reason", async () => {
  const wire = connect();
  const { content, exchange } = await answered(wire, OK + "Content-Length: 5\r\n\r\nhe");
  const p = new Uint8Array(5);
  assert.equal(await content.read(p), 2);
  const read = content.read(p);
  wire.client.close(new Error("enough"));
  await assert.rejects(read, /enough/);
  await assert.rejects(content.read(p), /enough/);
  assert.equal(exchange.log.at(-1), "response 200", "failed() is for exchanges without a response");
  await assertClosed(wire, ["closed Error: enough"]);
});

test("close(): content that was buffered is lost, not handed out behind the reason", async () => {
  const wire = connect();
  const { content } = await answered(wire, OK + "Content-Length: 5\r\n\r\nhe");
  wire.client.close(new Error("enough"));
  const outcome = await contentOf(content).catch((error: Error) => error.message);
  assert.equal(outcome, "enough");
  await assertClosed(wire, ["closed Error: enough"]);
});

test("close(): in a tunnel closes the connection", async () => {
  const wire = connect();
  const exchange = send(wire, { method: "CONNECT" });
  await say(wire, OK + "\r\n");
  const conn = (await exchange.answer).content.takeOver();
  wire.client.close("over");
  await rejectsWith(conn.read(new Uint8Array(1)), "ERR_CLOSED");
  await assertClosed(wire, ["closed over"]);
});

test("close(): while draining", async () => {
  const wire = connect();
  const { content } = await answered(wire, OK + "Content-Length: 5\r\n\r\nhe");
  const drained = content.abandon();
  await settled();
  assert.equal(wire.client.state, "draining");
  wire.client.close("enough");
  await drained;
  await assertClosed(wire, ["closed enough"]);
});

// The peer ends, breaks or garbles it.

test("the stream ends before a response", async () => {
  const wire = connect();
  const exchange = send(wire);
  await hear(wire, GET);
  await settled();
  await wire.server.closeWrite();
  await rejectsWith(exchange.answer, "ERR_CONNECTION_LOST");
  assert.deepEqual(exchange.log, ["wroteHead", "wroteRequest", "failed ERR_CONNECTION_LOST"]);
  assert.equal(wire.client.responseState, "incomplete");
  await assertClosed(wire, ["closed ERR_CONNECTION_LOST"]);
});

test("the stream ends inside a head, also behind an informational one", async () => {
  for (const cut of ["HTTP/1.1 2", "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\n"]) {
    const wire = connect();
    const exchange = send(wire);
    await say(wire, cut);
    await wire.server.closeWrite();
    await rejectsWith(exchange.answer, "ERR_CONNECTION_LOST");
    await assertClosed(wire, ["closed ERR_CONNECTION_LOST"]);
  }
});

test("a reset before a response, and inside content", async () => {
  const before = connect();
  const exchange = send(before);
  await settled();
  before.server.reset();
  await rejectsWith(exchange.answer, "ERR_CONNECTION_LOST");
  await assertClosed(before, ["closed ERR_CONNECTION_LOST"]);

  const inside = connect();
  const { content } = await answered(inside, OK + "Content-Length: 5\r\n\r\nhe");
  inside.server.reset();
  await rejectsWith(contentOf(content), "ERR_CONNECTION_LOST");
  await assertClosed(inside, ["closed ERR_CONNECTION_LOST"]);
});

test("T13 a reset is no end of close-delimited content", async () => {
  const wire = connect();
  const { content } = await answered(wire, OK + "\r\nhe");
  wire.server.reset();
  await rejectsWith(contentOf(content), "ERR_CONNECTION_LOST");
  await assertClosed(wire, ["closed ERR_CONNECTION_LOST"]);
});

test("T13 content that is cut short fails its reader, once told, again and again", async () => {
  const wire = connect();
  const { content, exchange } = await answered(wire, OK + "Content-Length: 5\r\n\r\nhe");
  await wire.server.closeWrite();
  await rejectsWith(contentOf(content), "ERR_INCOMPLETE_BODY");
  await rejectsWith(contentOf(content), "ERR_INCOMPLETE_BODY");
  await content.abandon();
  assert.equal(wire.client.responseState, "incomplete");
  assert.equal(exchange.log.at(-1), "response 200", "failed() is for exchanges without a response");
  await assertClosed(wire, ["closed ERR_INCOMPLETE_BODY"]);
});

test("malformed content fails its reader, whole with the head or later", async () => {
  const whole = connect();
  const response = OK + "Transfer-Encoding: chunked\r\n\r\n";
  const { content, exchange } = await answered(whole, response + "5\r\nhelloXX0\r\n\r\n");
  await rejectsWith(contentOf(content), "ERR_MALFORMED_RESPONSE");
  assert.deepEqual(
    exchange.log,
    ["wroteHead", "wroteRequest", "firstByte", "response 200"],
    "failed() is for exchanges without a response",
  );
  await assertClosed(whole, ["closed ERR_MALFORMED_RESPONSE"]);

  const later = connect();
  const answer = await answered(later, response + "5\r\nhello");
  await say(later, "XX");
  await rejectsWith(contentOf(answer.content), "ERR_MALFORMED_RESPONSE");
  await assertClosed(later, ["closed ERR_MALFORMED_RESPONSE"]);
});

test("a malformed head fails the exchange", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, "<html>");
  await rejectsWith(exchange.answer, "ERR_MALFORMED_RESPONSE");
  assert.equal(wire.client.responseState, "incomplete");
  await assertClosed(wire, ["closed ERR_MALFORMED_RESPONSE"]);
});

// The caller gives content up.

test("abandon(): a small rest is drained and the connection reused", async () => {
  for (
    const [begin, rest] of [
      [OK + "Content-Length: 10\r\n\r\nhello", "world"],
      [OK + "Transfer-Encoding: chunked\r\n\r\n5\r\nhe", "llo\r\n0\r\nA: 1\r\n\r\n"],
    ]
  ) {
    const wire = connect();
    const { content } = await answered(wire, begin);
    const drained = content.abandon();
    await settled();
    assert.equal(wire.client.state, "draining");
    await rejectsWith(content.read(new Uint8Array(1)), "ERR_BODY_CLOSED");
    // A second time: nothing more happens.
    await content.abandon();
    assert.equal(wire.client.state, "draining");
    await say(wire, rest);
    await drained;
    assert.deepEqual(wire.owned, ["idle"]);
    const next = send(wire);
    await say(wire, OK + "Content-Length: 2\r\n\r\nok");
    assert.equal(await contentOf((await next.answer).content), "ok");
    await hangUp(wire);
  }
});

test("abandon(): exactly the budget is drained", async () => {
  const wire = connect();
  const rest = "x".repeat(256 * KIB);
  const { content } = await answered(wire, OK + `Content-Length: ${256 * KIB}\r\n\r\n`);
  const drained = content.abandon();
  await say(wire, rest);
  await drained;
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("abandon(): more than the budget closes at once", async () => {
  const wire = connect();
  const { content } = await answered(wire, OK + `Content-Length: ${256 * KIB + 1}\r\n\r\n`);
  await content.abandon();
  await rejectsWith(content.read(new Uint8Array(1)), "ERR_BODY_CLOSED");
  await assertClosed(wire, ["closed ERR_BODY_CLOSED"]);
});

test("abandon(): chunked content is drained up to the budget, then closed", async () => {
  const wire = connect();
  const { content } = await answered(wire, OK + "Transfer-Encoding: chunked\r\n\r\n");
  const drained = content.abandon();
  const chunk = `8000\r\n${"x".repeat(0x8000)}\r\n`;
  for (let i = 0; i < 9; i++) {
    assert.equal(wire.client.state, "draining");
    await say(wire, chunk);
  }
  await drained;
  await assertClosed(wire, ["closed ERR_BODY_CLOSED"]);
});

test("abandon(): what cannot be reused is not drained", async () => {
  for (
    const response of [
      OK + "\r\nhello",
      OK + "Connection: close\r\nContent-Length: 10\r\n\r\nhello",
      "HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    ]
  ) {
    const wire = connect();
    const { content } = await answered(wire, response);
    await content.abandon();
    await assertClosed(wire, ["closed ERR_BODY_CLOSED"]);
  }
});

test("abandon(): while the request is still being sent closes", async () => {
  const wire = connect();
  const content = new GivenContent(null).give("a");
  const exchange = send(wire, { method: "POST", content });
  await settled();
  await say(wire, OK + "Content-Length: 10\r\n\r\nhello");
  await (await exchange.answer).content.abandon();
  assert.equal(content.cancelled, 1);
  await assertClosed(wire, ["closed ERR_BODY_CLOSED"]);
});

test("abandon(): beside a read closes, and the read is told", async () => {
  const wire = connect();
  const { content } = await answered(wire, OK + "Content-Length: 10\r\n\r\n");
  const read = content.read(new Uint8Array(1));
  await content.abandon();
  await rejectsWith(read, "ERR_BODY_CLOSED");
  await assertClosed(wire, ["closed ERR_BODY_CLOSED"]);
});

test("abandon(): after the end does nothing", async () => {
  const wire = connect();
  const { content } = await answered(wire, OK + "Content-Length: 5\r\n\r\nhello");
  await content.abandon();
  assert.deepEqual(wire.owned, ["idle"]);
  assert.equal(await contentOf(content), "hello", "what came whole is still there");
  await hangUp(wire);
});

test("drainLimitReached(): the owner's time is up", async () => {
  const wire = connect();
  const { content } = await answered(wire, OK + "Content-Length: 10\r\n\r\n");
  wire.client.drainLimitReached();
  assert.equal(wire.client.state, "exchanging", "nothing is being drained yet");
  const drained = content.abandon();
  wire.client.drainLimitReached();
  wire.client.drainLimitReached();
  await drained;
  await assertClosed(wire, ["closed ERR_BODY_CLOSED"]);
});

test("draining: the end of the stream, a reset, malformed content", async () => {
  for (const how of ["end", "reset", "malformed"]) {
    const wire = connect();
    const { content } = await answered(wire, OK + "Transfer-Encoding: chunked\r\n\r\n5\r\nhe");
    const drained = content.abandon();
    await settled();
    if (how === "end") await wire.server.closeWrite();
    else if (how === "reset") wire.server.reset();
    else await say(wire, "lloXX");
    await drained;
    await settled();
    assert.equal(wire.client.state, "closed", how);
    await rejectsWith(content.read(new Uint8Array(1)), "ERR_BODY_CLOSED");
    await hangUp(wire);
  }
});
