/**
 * Responses that are dropped unread: found by the collector, closed, counted and told of once.
 *
 * @module
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { type HttpResponse, Transport } from "../../../mod.ts";
import { collect, collectUntil } from "../../support/collector.ts";
import { type Gate, HALF, OK, withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { latin1 } from "../../support/raw_server.ts";
import { pause, until } from "../../support/waiting.ts";

/** Gets a response whose body has not ended, and lets `use` do with it what it wants. */
async function get(
  gate: Gate,
  transport: Transport,
  use: (response: HttpResponse) => unknown = () => {},
  answer: string = HALF,
): Promise<void> {
  const going = transport.roundTrip(gate.request("/path?secret"));
  await (await gate.next()).answer(answer);
  const response = await going;
  assert.equal(response.status, 200);
  await use(response);
}

/** Runs a test and returns what it warned of. */
async function warnings(run: () => Promise<void>): Promise<string[]> {
  const texts: string[] = [];
  const { warn } = console;
  console.warn = (text: string): void => void texts.push(text);
  try {
    await run();
  } finally {
    console.warn = warn;
  }
  return texts;
}

test("leak: dropped unread, the connection is closed, counted, traced; warned of twice at most", async () => {
  const ids: number[] = [];
  let port = 0;
  const texts = await warnings(async () => {
    await withGate(async (gate) => {
      port = gate.server.port;
      const transport = new Transport({
        maxConnsPerHost: 1,
        trace: { bodyLeaked: ({ id }) => void ids.push(id) },
      });
      for (let n = 1; n <= 3; n++) {
        await get(gate, transport, n === 2 ? (response) => void response.body : undefined);
        await collectUntil("the leak is found", () => transport.inspect().leakedCount === n);
        await gate.server.connections[n - 1].closed;
        assert.equal(transport.stats().total, 0);
      }
      // The slot is free.
      assert.equal(await gate.exchange(transport, "/"), "ok");
      await transport.close();
    });
  });
  assert.deepEqual(ids, [1, 2, 3]);
  const warning =
    `Roundtrip: the response to GET http://127.0.0.1:${port} was dropped with its body` +
    " unread and not closed, its connection was closed";
  assert.equal(texts.length, 2);
  assert.equal(texts[0], warning);
  // The first one tells that it pays to remember where requests are made.
  assert.ok(texts[1].startsWith(`${warning}; it was requested here:\n`), texts[1]);
  assert.match(texts[1], /leak_test/);
  assert.doesNotMatch(texts[1], /secret/);
});

test("leak: waiting for the trailers does not keep the response", async () => {
  await warnings(async () => {
    await withGate(async (gate) => {
      const ended: unknown[] = [];
      const transport = new Transport({
        trace: { bodyDone: ({ bytes, error }) => void ended.push([bytes, error]) },
      });
      const failed: unknown[] = [];
      await get(gate, transport, ({ trailers }) => {
        trailers.catch((error) => void failed.push(error));
      });
      await collectUntil("the leak is found", () => transport.inspect().leakedCount === 1);
      await until("the trailers have failed", () => failed.length === 1);
      assert.equal((failed[0] as { code: string }).code, "ERR_BODY_CLOSED");
      assert.deepEqual(ended, [[0, failed[0]]]);
      await transport.close();
    });
  });
});

test("leak: content that came whole, with a coding to take off, does not hold up close()", async () => {
  const content = latin1(gzipSync("x"));
  const answer =
    `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${content.length}\r\n\r\n${content}`;
  const texts = await warnings(async () => {
    await withGate(async (gate) => {
      const transport = new Transport();
      await get(gate, transport, (response) => assert.equal(response.uncompressed, true), answer);
      await until("the connection is free", () => transport.stats().idle === 1);
      let closed = false;
      const closing = transport.close().then(() => closed = true);
      await collectUntil("the response is found", () => closed);
      await closing;
      assert.equal(transport.inspect().leakedCount, 0);
    });
  });
  assert.deepEqual(texts, []);
});

test("leak: a request that waits gets the slot of a dropped response", async () => {
  await warnings(async () => {
    await withGate(async (gate) => {
      const transport = new Transport({ maxConnsPerHost: 1 });
      await get(gate, transport);
      const waiting = gate.get(transport, "/waits");
      await collectUntil("the slot is free", () => gate.requests.length === 2);
      await (await gate.next()).answer();
      assert.equal(await waiting, "ok");
      await transport.close();
    });
  });
});

test("leak: what was read, closed, or can still be reached is none", async () => {
  const texts = await warnings(async () => {
    await withGate(async (gate) => {
      const transport = new Transport();
      await get(gate, transport, (response) => response.body.close());
      await get(gate, transport, (response) => response.text(), OK);
      // Whole at once: it holds no connection.
      await get(gate, transport, () => {}, OK);
      await get(gate, transport, async (response) => {
        await gate.requests.at(-1)!.connection.send("ay");
        await response.bytes();
      });
      const kept: HttpResponse[] = [];
      const streams: ReadableStream<Uint8Array>[] = [];
      await get(gate, transport, (response) => void kept.push(response));
      await get(gate, transport, (response) => void streams.push(response.body.stream));
      await get(gate, transport, (response) => void streams.push(response.toWeb().body!));
      for (let n = 0; n < 20; n++) {
        collect();
        await pause(1);
      }
      assert.equal(transport.inspect().leakedCount, 0);
      assert.equal(transport.stats().active, 3);
      for (const request of gate.requests.slice(-3)) await request.connection.send("ay");
      assert.equal(await kept[0].text(), "okay");
      for (const stream of streams) assert.equal(await new Response(stream).text(), "okay");
      await until("all are idle", () => transport.stats().active === 0);
      await transport.close();
    });
  });
  assert.deepEqual(texts, []);
});
