/**
 * A connection in the client's role over a pipe: idle, exchanges without request content, reuse.
 *
 * @module
 */
import assert from "node:assert/strict";
import { IllegalTransitionError } from "../../http/machine.ts";
import {
  connect,
  contentOf,
  GET,
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
const HELLO = OK + "Content-Length: 5\r\n\r\nhello";
const CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n";

async function assertClosed(wire: Wire, owned: string[]): Promise<void> {
  await settled();
  assert.equal(wire.client.state, "closed");
  assert.deepEqual(wire.owned, owned);
  assert.equal(wire.conn.closes, 1);
  await hangUp(wire);
}

test("ClientConnection: an idle connection has one read outstanding", async () => {
  const wire = connect();
  assert.equal(wire.client.state, "idle");
  assert.equal(wire.conn.readsPending, 1);
  await hangUp(wire);
});

test("T1 ClientConnection: bytes on an idle connection close it", async () => {
  const wire = connect();
  await say(wire, HELLO);
  await assertClosed(wire, ["closed ERR_CONNECTION_LOST"]);
});

test("ClientConnection: the end of the stream closes an idle connection", async () => {
  const wire = connect();
  await wire.server.closeWrite();
  await assertClosed(wire, ["closed ERR_CONNECTION_LOST"]);
});

test("ClientConnection: a reset closes an idle connection", async () => {
  const wire = connect();
  wire.server.reset();
  await assertClosed(wire, ["closed ERR_CONNECTION_LOST"]);
});

test("ClientConnection: one exchange, its events in order, then another", async () => {
  const wire = connect();
  for (let i = 0; i < 3; i++) {
    const exchange = send(wire);
    assert.equal(wire.client.state, "exchanging");
    await hear(wire, GET);
    await settled();
    assert.equal(wire.client.requestState, "complete");
    await say(wire, HELLO);
    const { head, content } = await exchange.answer;
    assert.equal(head.statusCode, 200);
    assert.equal(await contentOf(content), "hello");
    assert.equal(content.complete, true);
    assert.deepEqual(exchange.log, ["wroteHead", "wroteRequest", "firstByte", "response 200"]);
    assert.equal(wire.client.state, "idle");
    assert.equal(wire.conn.readsPending, 1);
    assert.equal(wire.conn.writes, i + 1);
  }
  assert.deepEqual(wire.owned, ["idle", "idle", "idle"]);
  await hangUp(wire);
});

test("ClientConnection: a second request while one is outstanding is refused", async () => {
  const wire = connect();
  const exchange = send(wire);
  assert.throws(() => send(wire), IllegalTransitionError);
  await say(wire, HELLO);
  assert.equal(await contentOf((await exchange.answer).content), "hello");
  assert.equal(wire.client.state, "idle");
  await hangUp(wire);
});

test("ClientConnection: the owner may send the next request from within idle()", async () => {
  const wire = connect();
  let second: ReturnType<typeof send> | undefined;
  wire.onIdle = () => {
    wire.onIdle = () => {};
    second = send(wire);
  };
  const first = send(wire);
  await hear(wire, GET);
  await say(wire, HELLO);
  assert.equal(await contentOf((await first.answer).content), "hello");
  await hear(wire, GET);
  await say(wire, OK + "Content-Length: 3\r\n\r\nbye");
  assert.equal(await contentOf((await second!.answer).content), "bye");
  assert.deepEqual(first.log, ["wroteHead", "wroteRequest", "firstByte", "response 200"]);
  assert.deepEqual(second!.log, ["wroteHead", "wroteRequest", "firstByte", "response 200"]);
  await hangUp(wire);
});

test("ClientConnection: the connection is busy until the content has been read", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, OK + "Content-Length: 10\r\n\r\nhello");
  const { content } = await exchange.answer;
  assert.equal(content.whole, null);
  assert.equal(content.complete, false);
  assert.equal(wire.client.state, "exchanging");
  const p = new Uint8Array(100);
  assert.equal(await content.read(p), 5);
  await say(wire, "world");
  assert.equal(await content.read(p), 5);
  assert.equal(wire.client.state, "idle", "the last octet frees it, not the null behind it");
  assert.equal(await content.read(p), null);
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("ClientConnection: who reads behind its end does not disturb the next exchange", async () => {
  const wire = connect();
  const first = send(wire);
  await say(wire, OK + "Content-Length: 10\r\n\r\nhello");
  const { content: old } = await first.answer;
  const p = new Uint8Array(100);
  assert.equal(await old.read(p), 5);
  await say(wire, "world");
  assert.equal(await old.read(p), 5);
  const second = send(wire);
  await say(wire, OK + "Content-Length: 10\r\n\r\nab");
  const { content } = await second.answer;
  assert.equal(wire.client.state, "exchanging");
  assert.equal(await old.read(p), null);
  await old.abandon();
  assert.equal(wire.client.state, "exchanging", "the second response is still being read");
  assert.deepEqual(wire.owned, ["idle"]);
  await say(wire, "cdefghij");
  assert.equal(await contentOf(content), "abcdefghij");
  assert.deepEqual(wire.owned, ["idle", "idle"]);
  await hangUp(wire);
});

test("ClientConnection: a second read beside the first is refused and disturbs nothing", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, OK + "Content-Length: 5\r\n\r\n");
  const { content } = await exchange.answer;
  const first = content.read(new Uint8Array(10));
  await rejectsWith(content.read(new Uint8Array(10)), "ERR_INVALID_REQUEST");
  await say(wire, "hello");
  assert.equal(await first, 5);
  assert.equal(wire.client.state, "idle");
  await hangUp(wire);
});

for (
  const [name, method, head] of [
    ["HEAD", "HEAD", OK + "Content-Length: 5\r\n\r\n"],
    ["HEAD chunked", "HEAD", CHUNKED],
    ["204", "GET", "HTTP/1.1 204 No Content\r\n\r\n"],
    ["304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"],
    ["length 0", "GET", OK + "Content-Length: 0\r\n\r\n"],
  ]
) {
  test(`ClientConnection: ${name} has no content and leaves the connection idle`, async () => {
    const wire = connect();
    const exchange = send(wire, { method });
    await say(wire, head);
    const { content } = await exchange.answer;
    assert.equal(content.whole?.length, 0);
    assert.equal(content.complete, true);
    assert.equal(await content.read(new Uint8Array(1)), null);
    await content.abandon();
    assert.deepEqual(wire.owned, ["idle"]);
    await hangUp(wire);
  });
}

test("ClientConnection: chunked content with trailers", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, CHUNKED + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
  const { content } = await exchange.answer;
  assert.equal(content.trailers, null);
  assert.equal(await contentOf(content, 3), "hello");
  assert.deepEqual([...content.trailers!], [["X-Sum", "1"]]);
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("ClientConnection: small chunked content that came whole frees the connection at once", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, CHUNKED + "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
  const { content } = await exchange.answer;
  assert.equal(await contentOf(content), "hello!");
  assert.notEqual(content.whole, null);
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("ClientConnection: chunked content that only looks whole", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, CHUNKED + "5\r\nhello\r\n7\r\n0\r\n\r\n");
  const { content } = await exchange.answer;
  assert.equal(content.whole, null);
  const p = new Uint8Array(3);
  assert.equal(await content.read(p), 3);
  await say(wire, "..\r\n0\r\n\r\n");
  assert.equal(await contentOf(content, 3), "lo0\r\n\r\n..");
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("ClientConnection: the end of the stream ends close-delimited content", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, OK + "\r\nhello");
  const { content } = await exchange.answer;
  assert.equal(content.framing.kind, "closeDelimited");
  await wire.server.closeWrite();
  assert.equal(await contentOf(content), "hello");
  await assertClosed(wire, ["closed"]);
});

for (
  const [name, head] of [
    ["the response says close", OK + "Connection: close\r\nContent-Length: 5\r\n\r\n"],
    ["the response is HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"],
    ["T8 lengths are repeated", OK + "Content-Length: 5, 5\r\n\r\n"],
    ["an empty line came first", "\r\n" + OK + "Content-Length: 5\r\n\r\n"],
  ]
) {
  test(`ClientConnection: closes after the exchange: ${name}`, async () => {
    const wire = connect();
    const exchange = send(wire);
    await say(wire, head + "hello");
    assert.equal(await contentOf((await exchange.answer).content), "hello");
    await assertClosed(wire, ["closed"]);
  });
}

test("ClientConnection: closes after the exchange: the request says close", async () => {
  const wire = connect();
  const exchange = send(wire, { close: true });
  await say(wire, HELLO);
  assert.equal(await contentOf((await exchange.answer).content), "hello");
  await assertClosed(wire, ["closed"]);
});

test("ClientConnection: LF alone is flagged and leaves the connection idle in strict", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, HELLO.replaceAll("\r\n", "\n"));
  const { content } = await exchange.answer;
  assert.deepEqual(content.deviations, ["bare-lf"]);
  assert.equal(await contentOf(content), "hello");
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

for (
  const [name, body] of [
    ["in a chunk-size line", "5\nhello\r\n0\r\n\r\n"],
    ["in a later chunk-size line", "5\r\nhello\r\n0\n\r\n"],
    ["in the trailer section", "5\r\nhello\r\n0\r\nA : 1\r\n\r\n"],
  ]
) {
  for (const whole of [true, false]) {
    const given = whole ? "whole" : "byte by byte";
    test(`ClientConnection, lenient: what is forgiven ${name}, given ${given}, forbids reuse`, async () => {
      const wire = connect({ mode: "lenient" });
      const exchange = send(wire);
      if (whole) {
        await say(wire, CHUNKED + body);
      } else {
        await say(wire, CHUNKED);
        void (async () => {
          for (const c of body) await say(wire, c);
        })();
      }
      const { content } = await exchange.answer;
      assert.equal(await contentOf(content, 2), "hello");
      assert.equal(content.deviations.length, 1);
      await assertClosed(wire, ["closed"]);
    });
  }
}

test("T1 ClientConnection: bytes behind the response close the connection", async () => {
  for (const response of [HELLO, CHUNKED + "5\r\nhello\r\n0\r\n\r\n"]) {
    const wire = connect();
    const exchange = send(wire);
    await say(wire, response + HELLO);
    assert.equal(await contentOf((await exchange.answer).content), "hello");
    await assertClosed(wire, ["closed"]);
  }
});

test("T1 ClientConnection: a second response a little later closes the connection", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, HELLO);
  await exchange.answer;
  await say(wire, HELLO);
  await assertClosed(wire, ["idle", "closed ERR_CONNECTION_LOST"]);
});

test("ClientConnection: bytes behind 204 close the connection", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok");
  const { content } = await exchange.answer;
  assert.deepEqual(content.deviations, ["content-length-on-204"]);
  await assertClosed(wire, ["closed"]);
});

test("ClientConnection: informational responses are reported, also an unprompted 100", async () => {
  const wire = connect();
  const exchange = send(wire);
  await hear(wire, GET);
  await say(wire, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n");
  await say(wire, "Content-Length: 5\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + HELLO);
  const { content } = await exchange.answer;
  assert.equal(await contentOf(content), "hello");
  assert.deepEqual(exchange.log, [
    "wroteHead",
    "wroteRequest",
    "firstByte",
    "informational 100",
    "informational 103",
    "informational 102",
    "response 200",
  ]);
  assert.deepEqual(wire.owned, ["idle"]);
  await hangUp(wire);
});

test("ClientConnection: a hook may refuse informational responses by throwing", async () => {
  const wire = connect();
  const exchange = send(wire);
  exchange.informational = () => {
    throw new Error("enough");
  };
  await say(wire, "HTTP/1.1 103 Early Hints\r\n\r\n" + HELLO);
  await assert.rejects(exchange.answer, /enough/);
  await assertClosed(wire, ["closed Error: enough"]);
});

test("ClientConnection: 101 although no other protocol was asked for", async () => {
  const wire = connect();
  const exchange = send(wire);
  await say(wire, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
  await rejectsWith(exchange.answer, "ERR_MALFORMED_RESPONSE");
  await assertClosed(wire, ["closed ERR_MALFORMED_RESPONSE"]);
});

test("ClientConnection: 101 that was asked for hands over, unread bytes first", async () => {
  const wire = connect();
  const exchange = send(wire, { upgrade: true });
  await hear(wire, GET);
  await settled();
  await say(wire, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\nfirst");
  const { head, content } = await exchange.answer;
  assert.equal(head.statusCode, 101);
  assert.equal(wire.client.state, "tunnel");
  assert.equal(wire.client.responseState, "switched");
  assert.equal(content.whole, null);
  assert.equal(await content.read(new Uint8Array(1)), null);
  const conn = content.takeOver();
  await say(wire, "second");
  const p = new Uint8Array(3);
  let heard = "";
  while (heard.length < 11) {
    const n = await conn.read(p);
    heard += String.fromCharCode(...p.subarray(0, n!));
  }
  assert.equal(heard, "firstsecond");
  await conn.write(new TextEncoder().encode("mine"));
  await hear(wire, "mine");
  await assert.throws(() => content.takeOver(), { code: "ERR_INVALID_REQUEST" });
  assert.deepEqual(wire.owned, []);
  conn.close();
  assert.equal(wire.conn.closes, 1);
  wire.server.close();
});

test("ClientConnection: 2xx to CONNECT hands over, other answers do not", async () => {
  const tunnel = connect();
  const connecting = send(tunnel, { method: "CONNECT" });
  await say(tunnel, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  const { content } = await connecting.answer;
  assert.equal(content.framing.kind, "tunnel");
  assert.equal(tunnel.client.state, "tunnel");
  content.takeOver().close();
  tunnel.server.close();

  const refused = connect();
  const refusal = send(refused, { method: "CONNECT" });
  await say(refused, "HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nhello");
  const answer = await refusal.answer;
  assert.throws(() => answer.content.takeOver(), { code: "ERR_INVALID_REQUEST" });
  assert.equal(await contentOf(answer.content), "hello");
  assert.deepEqual(refused.owned, ["idle"]);
  await hangUp(refused);
});

test("ClientConnection: the request is reported as written also where the switch came first", async () => {
  // The head does not fit into the pipe: its write settles when the server has read it.
  const wire = connect({ bufferBytes: 8 });
  const exchange = send(wire, { method: "CONNECT" });
  await say(wire, "HTTP/1.1 200 OK\r\n\r\n");
  assert.equal(wire.client.state, "tunnel");
  assert.equal(wire.client.requestState, "complete");
  assert.deepEqual(exchange.log, ["firstByte", "wroteHead", "wroteRequest", "response 200"]);
  await hear(wire, GET);
  await settled();
  assert.equal(exchange.log.length, 4);
  wire.client.close("over");
  wire.server.close();
});

test("ClientConnection: an answer before the head was read whole waits for the write", async () => {
  const wire = connect({ bufferBytes: 8 });
  const exchange = send(wire);
  const said = say(wire, HELLO);
  const { content } = await exchange.answer;
  assert.equal(await contentOf(content), "hello");
  await said;
  assert.equal(wire.client.state, "exchanging");
  await hear(wire, GET);
  await settled();
  assert.deepEqual(wire.owned, ["idle"]);
  assert.deepEqual(exchange.log, ["firstByte", "response 200", "wroteHead", "wroteRequest"]);
  await hangUp(wire);
});
