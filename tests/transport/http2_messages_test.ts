/**
 * HTTP/2 through the transport: content both ways, with and without an end, and answers that send the
 * request elsewhere.
 *
 * @module
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { createFetch, type Http2Options, type HttpRequestInit, Transport } from "../../mod.ts";
import { collectUntil } from "../support/collector.ts";
import { failure, type FrameNetwork, withFrameNetwork } from "../support/frame_network.ts";
import { codeOf, type FrameServer } from "../support/frame_peer.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { isPending, until } from "../support/waiting.ts";

const INITIAL_WINDOW_SIZE = 4;
const NO_ERROR = 0;
const INTERNAL_ERROR = 2;
const HTTP_1_1_REQUIRED = 13;

/** A body that a test gives piece by piece. */
class Source {
  readonly body: ReadableStream<Uint8Array>;
  cancelled = false;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor() {
    this.body = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      cancel: () => void (this.cancelled = true),
    });
  }

  give(text: string): void {
    this.#controller.enqueue(new TextEncoder().encode(text));
  }

  end(): void {
    this.#controller.close();
  }

  fail(error: unknown): void {
    this.#controller.error(error);
  }
}

/** Octets of DATA that have come on a stream. */
function received(server: FrameServer, streamId: number): number {
  return server.frames
    .filter((one) => one.type === "DATA" && one.streamId === streamId)
    .reduce((sum, { payload }) => sum + payload.length, 0);
}

async function resetCode(server: FrameServer, streamId: number): Promise<string> {
  return codeOf((await server.sent("RST_STREAM", streamId)).payload);
}

/** The one connection is idle, nothing else is there. */
async function isIdle(network: FrameNetwork): Promise<void> {
  await until("it is idle", () => network.transport.stats().idle === 1);
  assert.deepEqual(network.counts, [1, 0, 0, 0]);
}

test("H64 H66 an upload without a window waits, and holds nobody up; deadlines and signals end it", async () => {
  const clock = new ManualClock();
  const settings = [[INITIAL_WINDOW_SIZE, 10]] as const;
  await withFrameNetwork({ clock, settings }, async (network) => {
    const server = await network.served();
    const body = new Uint8Array(25);
    const going = network.get("/", { method: "PUT", body });
    await server.settled();
    assert.equal(received(server, 3), 10);
    await network.answered(network.get("/beside"), server, 5);
    server.windowUpdate(3, 15);
    await until("all of it is there", () => received(server, 3) === 25);
    server.answer(3, "ok");
    assert.equal(await (await going).text(), "ok");
    const late = failure(network.get("/", { method: "PUT", body, timeoutMs: 100 }));
    await server.settled();
    clock.advance(110);
    const error = await late;
    assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "request"]);
    assert.equal(error.attempt!.verdict, "partly-sent");
    assert.equal(await resetCode(server, 7), "CANCEL");
    const controller = new AbortController();
    const aborted = failure(network.get("/", { method: "PUT", body, signal: controller.signal }));
    await server.settled();
    controller.abort(new Error("enough"));
    assert.equal((await aborted as Error).message, "enough");
    assert.equal(await resetCode(server, 9), "CANCEL");
    await isIdle(network);
  });
});

test("H67 a body that is not what was declared, or fails, ends its own stream alone", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const unharmed = network.get("/beside");
    await server.sent("HEADERS", 3);
    const own = new Error("of the source");
    const cases: [(source: Source) => void, number | undefined, unknown][] = [
      [(source) => source.give("too long"), 3, "ERR_BODY_LENGTH"],
      [(source) => (source.give("ab"), source.end()), 3, "ERR_BODY_LENGTH"],
      [(source) => source.fail(own), undefined, own],
    ];
    for (const [n, [act, contentLength, expected]] of cases.entries()) {
      const source = new Source();
      const going = failure(network.get("/", { method: "PUT", body: source.body, contentLength }));
      const { streamId } = await server.sent("HEADERS");
      act(source);
      const error = await going;
      assert.equal(typeof expected === "string" ? error.code : error, expected, `case ${n}`);
      assert.equal(await resetCode(server, streamId), "CANCEL");
      const ended = server.frames.some((one) =>
        one.type === "DATA" && one.streamId === streamId && (one.flags & 1) !== 0
      );
      assert.equal(ended, false);
    }
    server.answer(3, "unharmed");
    assert.equal(await (await unharmed).text(), "unharmed");
    await isIdle(network);
  });
});

test("H68 trailers both ways, content of unknown length", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const source = new Source();
    const init: HttpRequestInit = {
      method: "POST",
      body: source.body,
      headers: { TE: "trailers" },
      trailers: [["X-Sum", "6"]],
    };
    const going = network.get("/", init);
    await server.sent("HEADERS", 3);
    const fields = server.requestOn(3);
    assert.equal(fields.get("te"), "trailers");
    assert.equal(fields.has("content-length") || fields.has("transfer-encoding"), false);
    source.give("abc");
    await server.sent("DATA", 3);
    source.give("def");
    await server.sent("DATA", 3);
    source.end();
    const end = await server.sent("HEADERS", 3);
    assert.equal(end.flags & 1, 1);
    assert.deepEqual(server.fieldsOf(end), [["x-sum", "6"]]);
    server.headers(3, [[":status", "200"]]);
    server.data(3, "ok");
    server.headers(3, [["grpc-status", "0"]], true);
    const response = await going;
    assert.equal(await response.text(), "ok");
    assert.equal((await response.trailers)!.get("grpc-status"), "0");
    await isIdle(network);
  });
});

test("H69 Expect: nothing is sent before 100, a final head or the time-out", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock, expectContinueTimeoutMs: 1_000 }, async (network) => {
    const server = await network.served();
    const init = { method: "PUT", body: "content", headers: { Expect: "100-continue" } };
    const asked = network.get("/", init);
    await server.sent("HEADERS", 3);
    await server.settled();
    assert.equal(received(server, 3), 0);
    server.headers(3, [[":status", "100"]]);
    await until("it comes", () => received(server, 3) === 7);
    server.answer(3, "ok");
    assert.equal(await (await asked).text(), "ok");
    const late = network.get("/", init);
    await server.sent("HEADERS", 5);
    await server.settled();
    clock.advance(1_010);
    await until("it comes", () => received(server, 5) === 7);
    server.answer(5, "ok");
    assert.equal(await (await late).text(), "ok");
    const refused = network.get("/", init);
    await server.sent("HEADERS", 7);
    server.headers(7, [[":status", "401"]], true);
    assert.equal((await refused).status, 401);
    assert.equal(await resetCode(server, 7), "NO_ERROR");
    assert.equal(received(server, 7), 0);
    // Whoever does not know what is expected is not asked again.
    const unknown = network.get("/", init);
    await server.sent("HEADERS", 9);
    server.answer(9, "what?", "417");
    await server.sent("HEADERS", 11);
    assert.equal(server.requestOn(11).has("expect"), false);
    await until("it comes", () => received(server, 11) === 7);
    server.answer(11, "ok");
    assert.equal(await (await unknown).text(), "ok");
    await isIdle(network);
    assert.equal(network.dialCount, 1);
  });
});

test("H70 H71 an answer before the end of the request: given at once; refusal stops the request", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    // Both ways at once.
    const both = new Source();
    const going = network.get("/", { method: "POST", body: both.body });
    await server.sent("HEADERS", 3);
    server.headers(3, [[":status", "200"]]);
    const { body } = await going;
    const p = new Uint8Array(10);
    for (const text of ["ping", "pong"]) {
      both.give(text);
      await server.sent("DATA", 3);
      server.data(3, text);
      assert.equal(await body.read(p), 4);
    }
    both.end();
    server.data(3, "", true);
    assert.equal(await body.read(p), null);
    await isIdle(network);
    // Refused: the rest is not sent.
    const refused = new Source();
    const no = network.get("/", { method: "POST", body: refused.body });
    await server.sent("HEADERS", 5);
    refused.give("some");
    await server.sent("DATA", 5);
    server.answer(5, "too large", "413");
    const response = await no;
    assert.equal(response.status, 413);
    assert.equal(await response.text(), "too large");
    assert.equal(await resetCode(server, 5), "NO_ERROR");
    await until("the source is told", () => refused.cancelled);
    // The server wants no more of it behind its answer, which is good.
    const enough = new Source();
    const early = network.get("/", { method: "POST", body: enough.body });
    await server.sent("HEADERS", 7);
    enough.give("some");
    server.answer(7, "enough");
    server.reset(7, NO_ERROR);
    assert.equal(await (await early).text(), "enough");
    await until("the source is told", () => enough.cancelled);
    await isIdle(network);
  });
});

test("H70 an answer is complete and the request goes on: it may end, or is ended when it hangs", async () => {
  const clock = new ManualClock();
  const settings = [[INITIAL_WINDOW_SIZE, 4]] as const;
  await withFrameNetwork({ clock, settings }, async (network) => {
    const server = await network.served();
    const init = { method: "POST", body: new Uint8Array(10) };
    const goesOn = network.get("/", init);
    await server.sent("HEADERS", 3);
    server.answer(3, "early");
    assert.equal(await (await goesOn).text(), "early");
    assert.equal(network.transport.stats().active, 1);
    server.windowUpdate(3, 100);
    await isIdle(network);
    assert.equal(received(server, 3), 10);
    const hangs = network.get("/", init);
    await server.sent("HEADERS", 5);
    server.answer(5, "early");
    assert.equal(await (await hangs).text(), "early");
    await server.settled();
    clock.advance(5_010);
    assert.equal(await resetCode(server, 5), "NO_ERROR");
    await isIdle(network);
  });
});

test("H49 HEAD, 204, 304: over with their heads, whether the server ends the stream or not", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock }, async (network) => {
    const server = await network.served();
    server.answersPings = true;
    let id = 1;
    for (const ends of [true, false]) {
      for (const [method, status] of [["HEAD", "200"], ["GET", "204"], ["GET", "304"]]) {
        const going = network.get("/", { method });
        await server.sent("HEADERS", id += 2);
        server.headers(id, [[":status", status], ["content-length", "7"]], ends);
        const response = await going;
        assert.equal(response.status, Number(status));
        assert.equal((await response.bytes()).length, 0);
        if (!ends) {
          await server.settled();
          clock.advance(5_010);
          assert.equal(await resetCode(server, id), "CANCEL");
        }
        await isIdle(network);
      }
    }
  });
});

test("bodies are decoded and checked as in HTTP/1.1, and what is wrong ends its own stream alone", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const coded = gzipSync("content ".repeat(1_000));
    const good = network.get();
    await server.sent("HEADERS", 3);
    assert.equal(server.requestOn(3).get("accept-encoding"), "gzip");
    server.headers(3, [[":status", "200"], ["content-encoding", "gzip"]]);
    for (const byte of coded) server.data(3, [byte]);
    server.data(3, "", true);
    assert.equal(await (await good).text(), "content ".repeat(1_000));
    const bad = network.get();
    await server.sent("HEADERS", 5);
    server.headers(5, [[":status", "200"], ["content-encoding", "gzip"]]);
    server.data(5, coded.subarray(0, 20));
    server.data(5, "this is no gzip and goes on");
    const error = await failure((await bad).text());
    assert.equal(error.code, "ERR_DECODE");
    assert.equal(await resetCode(server, 5), "CANCEL");
    await isIdle(network);
  });
});

test("H57 dropped unread: found by the collector, its stream reset, the connection goes on", async () => {
  const leaked: number[] = [];
  const trace = { bodyLeaked: ({ id }: { id: number }) => void leaked.push(id) };
  const { warn } = console;
  const warnings: string[] = [];
  console.warn = (text: string): void => void warnings.push(text);
  try {
    await withFrameNetwork({ trace }, async (network) => {
      const server = await network.served();
      const drop = async (streamId: number): Promise<void> => {
        const going = network.get("/leak");
        await server.sent("HEADERS", streamId);
        server.headers(streamId, [[":status", "200"]]);
        server.data(streamId, "abc");
        assert.equal((await going).status, 200);
      };
      await drop(3);
      await collectUntil("it is found", () => network.transport.inspect().leakedCount === 1);
      assert.equal(await resetCode(server, 3), "CANCEL");
      await network.answered(network.get(), server, 5);
      assert.deepEqual(leaked, [1]);
      await isIdle(network);
    });
  } finally {
    console.warn = warn;
  }
  assert.deepEqual(warnings, [
    "Roundtrip: the response to GET http://a.test:80 was dropped with its body unread and not closed, " +
    "its stream was reset",
  ]);
});

test("H82 HTTP_1_1_REQUIRED, by a reset or by GOAWAY: sent again by HTTP/1.1, whatever the method", async () => {
  for (const how of ["reset", "goaway"]) {
    const lines: string[] = [];
    await withFrameNetwork({}, async (network) => {
      const going = network.get("/", { method: "POST", body: "paid" });
      const server = await network.server();
      await server.sent("HEADERS", 1);
      network.speakHttp1(lines);
      if (how === "reset") server.reset(1, HTTP_1_1_REQUIRED);
      else server.goaway(0, HTTP_1_1_REQUIRED);
      const response = await going;
      assert.equal(response.httpVersion, "1.1");
      assert.equal(await response.text(), "old");
      // And so from then on.
      assert.equal((await network.get("/next")).connection.protocol, "http/1.1");
      assert.deepEqual(lines, ["POST / HTTP/1.1", "GET /next HTTP/1.1"]);
    });
  }
});

test("H83 421 is an answer; fetch tries once more, on a new connection", async () => {
  await withFrameNetwork({ settings: [[3, 1]] }, async (network) => {
    const first = await network.served();
    const plain = network.get("/plain");
    await first.sent("HEADERS", 3);
    // Another one that has served.
    await network.answered(network.get(), await network.server(2), 1);
    first.answer(3, "not here", "421");
    assert.equal((await plain).status, 421);
    await (await plain).bytes();
    const fetched = createFetch({ transport: network.transport })("http://a.test/fetched");
    const second = network.servers[1];
    await until("one has it", () => first.saw("HEADERS", 5) || second.saw("HEADERS", 3));
    const [asked, id] = first.saw("HEADERS", 5) ? [first, 5] : [second, 3];
    asked.answer(id, "not here", "421");
    const third = await network.server(3);
    await third.sent("HEADERS", 1);
    third.answer(1, "here");
    const response = await fetched;
    assert.equal(await response.text(), "here");
    await until("two are idle", () => network.transport.stats().idle === 2);
  });
});

test("fetch: cancelled, aborted, or read to its end, over one connection", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const fetch = createFetch({ transport: network.transport });
    const cancelled = fetch("http://a.test/");
    await server.sent("HEADERS", 3);
    server.headers(3, [[":status", "200"], ["x-name", "a"]]);
    server.data(3, "abc");
    const response = await cancelled;
    assert.equal(response.headers.get("X-Name"), "a");
    await response.body!.cancel();
    assert.equal(await resetCode(server, 3), "CANCEL");
    const controller = new AbortController();
    const aborted = fetch("http://a.test/", { signal: controller.signal });
    await server.sent("HEADERS", 5);
    server.headers(5, [[":status", "200"]]);
    const text = (await aborted).text();
    assert.ok(await isPending(text));
    controller.abort();
    await assert.rejects(text, { name: "AbortError" });
    assert.equal(await resetCode(server, 5), "CANCEL");
    const lost = fetch("http://a.test/");
    await server.sent("HEADERS", 7);
    server.reset(7, INTERNAL_ERROR);
    await assert.rejects(lost, TypeError);
    const read = fetch(new Request("http://a.test/", { method: "POST", body: "abc" }));
    await server.sent("HEADERS", 9);
    server.answer(9, "read");
    assert.equal(await (await read).text(), "read");
    await isIdle(network);
  });
});

test("H80 what waits to be written when the connection is lost was never sent, and goes elsewhere", async () => {
  const serve = (server: FrameServer, n: number): void => {
    if (n === 1) server.stopReading();
  };
  await withFrameNetwork({ bufferBytes: 200, serve }, async (network) => {
    const big = failure(network.get("/big", { method: "POST", body: "x".repeat(100_000) }));
    const server = await network.server();
    await until("its write is stuck", () => network.conns[0].bytesWritten > 0);
    const post = network.get("/post", { method: "POST", body: "paid" });
    await Promise.resolve();
    server.break();
    assert.equal((await big).attempt!.verdict, "partly-sent");
    await network.answered(post, await network.server(2), 1);
    await isIdle(network);
  });
});

test("H13 no stream is opened for a request that is larger than the server takes", async () => {
  await withFrameNetwork({ settings: [[6, 100]] }, async (network) => {
    const server = await network.served();
    const error = await failure(network.get(`/${"long".repeat(50)}`));
    assert.equal(error.code, "ERR_INVALID_REQUEST");
    assert.equal(error.attempt!.verdict, "never-sent");
    await isIdle(network);
    assert.equal(server.saw("HEADERS", 3), false);
  });
});

test("options of HTTP/2 that cannot be, alone or together, are refused by name", () => {
  const cases: [Http2Options, RegExp][] = [
    [{ maxConcurrentStreams: 0 }, /http2\.maxConcurrentStreams cannot be 0/],
    [{ whenFull: "never" as "wait" }, /http2\.whenFull cannot be never/],
    [{ connectionWindowBytes: 65_534 }, /http2\.connectionWindowBytes cannot be 65534/],
    [{ streamWindowBytes: 2 ** 31 }, /http2\.streamWindowBytes cannot be 2147483648/],
    [{ pingTimeoutMs: 0 }, /http2\.pingTimeoutMs cannot be 0/],
    [{ fast: true } as Http2Options, /http2\.fast/],
    // With less each a body would stand still until others have ended.
    [
      { maxConcurrentStreams: 200, connectionWindowBytes: 65_535 },
      /http2\.connectionWindowBytes cannot be 65535: 200 streams share it, and each needs 512 bytes/,
    ],
  ];
  for (const [http2, message] of cases) {
    assert.throws(() => new Transport({ http2 }), { code: "ERR_INVALID_REQUEST", message });
  }
});
