/**
 * A connection in the client's role over a pipe: `Expect: 100-continue`, in all orders of what can happen.
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

function expecting(content: GivenContent | ReturnType<typeof wholeContent>): {
  method: string;
  head: string;
  content: typeof content;
  expectContinue: boolean;
} {
  return { method: "POST", head: POST, content, expectContinue: true };
}

test("T24 expect: 100 lets the content go", async () => {
  for (const content of [wholeContent("hello"), new GivenContent(5).give("hello").give(null)]) {
    const wire = connect();
    const exchange = send(wire, expecting(content));
    await hear(wire, POST);
    await settled();
    assert.equal(wire.client.awaitingContinue, true);
    await say(wire, "HTTP/1.1 100 Continue\r\n\r\n");
    assert.equal(wire.client.awaitingContinue, false);
    await hear(wire, "hello");
    await settled();
    await say(wire, EMPTY);
    await exchange.answer;
    assert.deepEqual(exchange.log, [
      "wroteHead",
      "firstByte",
      "informational 100",
      "wroteRequest",
      "response 200",
    ]);
    assert.deepEqual(wire.owned, ["idle"]);
    await hangUp(wire);
  }
});

test("T24 expect: other informational responses do not let the content go", async () => {
  const wire = connect();
  send(wire, expecting(wholeContent("hello")));
  await hear(wire, POST);
  await say(wire, "HTTP/1.1 102 Processing\r\n\r\n");
  assert.equal(wire.client.awaitingContinue, true);
  await hangUp(wire);
});

test("T24 expect: 100 before the head was written whole lets the content go", async () => {
  const wire = connect({ bufferBytes: 8 });
  const exchange = send(wire, expecting(wholeContent("hello")));
  await say(wire, "HTTP/1.1 100 Continue\r\n\r\n");
  assert.equal(wire.client.requestState, "head");
  await hear(wire, POST + "hello");
  await settled();
  assert.equal(wire.client.requestState, "complete");
  await say(wire, EMPTY);
  await exchange.answer;
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

for (const statusCode of [200, 417, 500]) {
  test(`T24 expect: a final ${statusCode} without 100 withholds the content and is not reused`, async () => {
    for (const content of [wholeContent("hello"), new GivenContent(5)]) {
      const wire = connect();
      const exchange = send(wire, expecting(content));
      await hear(wire, POST);
      await settled();
      await say(wire, `HTTP/1.1 ${statusCode} X\r\nContent-Length: 2\r\n\r\nno`);
      const { content: incoming } = await exchange.answer;
      assert.equal(wire.client.requestState, "withheld");
      assert.equal(await contentOf(incoming), "no");
      assert.equal(await hearAll(wire), "", "no content");
      assert.deepEqual(exchange.log, [
        "wroteHead",
        "firstByte",
        "wroteRequest",
        `response ${statusCode}`,
      ]);
      if (content instanceof GivenContent) assert.equal(content.opened, 0);
      await assertClosed(wire, ["closed"]);
    }
  });
}

test("T24 expect: a final response before the head was written whole withholds the content", async () => {
  const wire = connect({ bufferBytes: 8 });
  const exchange = send(wire, expecting(wholeContent("hello")));
  const said = say(wire, REFUSAL);
  assert.equal(await contentOf((await exchange.answer).content), "no");
  await said;
  await assertClosed(wire, ["closed"]);
});

test("T24c expect: no answer in time sends the content", async () => {
  const wire = connect();
  const exchange = send(wire, expecting(wholeContent("hello")));
  await hear(wire, POST);
  await settled();
  wire.client.continueTimedOut();
  wire.client.continueTimedOut();
  await hear(wire, "hello");
  await say(wire, EMPTY);
  await exchange.answer;
  assert.deepEqual(wire.owned, ["idle"]);
  wire.client.continueTimedOut();
  assert.equal(wire.client.state, "idle");
  await hangUp(wire);
});

test("T24d expect: 100 after the content began is only reported", async () => {
  const wire = connect();
  const content = new GivenContent(5);
  const exchange = send(wire, expecting(content));
  await hear(wire, POST);
  await settled();
  wire.client.continueTimedOut();
  content.give("hel");
  await hear(wire, "hel");
  await say(wire, "HTTP/1.1 100 Continue\r\n\r\n");
  assert.equal(wire.client.requestState, "content");
  content.give("lo").give(null);
  await hear(wire, "lo");
  await settled();
  await say(wire, "HTTP/1.1 100 Continue\r\n\r\n" + EMPTY);
  await exchange.answer;
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("T24e expect: the content is not touched before the decision", async () => {
  const wire = connect();
  const content = new GivenContent(5);
  send(wire, expecting(content));
  await hear(wire, POST);
  await settled();
  assert.equal(content.opened, 0);
  await hangUp(wire);
  assert.equal(content.opened, 0);
});

test("expect: a switch of protocols while the content is held back", async () => {
  const wire = connect();
  const content = new GivenContent(5);
  const exchange = send(wire, { ...expecting(content), upgrade: true });
  await hear(wire, POST);
  await settled();
  await say(wire, "HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n");
  await exchange.answer;
  assert.equal(wire.client.state, "tunnel");
  assert.equal(wire.client.requestState, "withheld");
  assert.equal(exchange.log.filter((line) => line === "wroteRequest").length, 1);
  wire.client.continueTimedOut();
  await settled();
  assert.equal(content.opened, 0, "no content into the new protocol");
  wire.client.close("over");
  wire.server.close();
});
