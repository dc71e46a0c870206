/**
 * Responses that are dropped unread: found by the collector, closed, counted and told of once.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type HttpResponse, Transport } from "../mod.ts";
import { collectGarbage } from "./collect_garbage.ts";
import { type Gate, HALF, OK, withGate } from "./gated_server.ts";
import { test } from "./harness.ts";
import { pause, until } from "./waiting.ts";

/** Runs the collector until a condition holds: when finalizers run is the runtime's choice. */
async function collectUntil(what: string, condition: () => boolean): Promise<void> {
  for (let n = 0; n < 500 && !condition(); n++) {
    collectGarbage();
    await pause(2);
  }
  assert.ok(condition(), `Collected in vain until ${what}`);
}

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
        collectGarbage();
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
