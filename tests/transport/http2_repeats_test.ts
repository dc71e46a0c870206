/**
 * HTTP/2 through the transport: what is sent again, on which connection, and what an error says of
 * what the server has seen.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { HttpError, HttpRequestInit } from "../../mod.ts";
import { type FrameNetwork, withFrameNetwork } from "../support/frame_network.ts";
import { codeOf, frame } from "../support/frame_peer.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/waiting.ts";

const NO_ERROR = 0;
const REFUSED_STREAM = 7;
const CANCEL = 8;
const INTERNAL_ERROR = 2;
const ENHANCE_YOUR_CALM = 11;

/** What rejects with an error of ours. */
async function failure(promise: Promise<unknown>): Promise<HttpError> {
  try {
    await promise;
  } catch (error) {
    return error as HttpError;
  }
  assert.fail("nothing was rejected");
}

/** Has one request answered, so that the connection has served. */
async function served(network: FrameNetwork): Promise<void> {
  const response = network.get("/first");
  const server = await network.server(1);
  await server.sent("HEADERS", 1);
  server.answer(1, "first");
  assert.equal(await (await response).text(), "first");
}

const POST: HttpRequestInit = { method: "POST", body: "paid" };

test("H73 REFUSED_STREAM: sent again once, whatever the method, on the same connection", async () => {
  await withFrameNetwork({}, async (network) => {
    const response = network.get("/", POST);
    const server = await network.server();
    await server.sent("HEADERS", 1);
    server.reset(1, REFUSED_STREAM);
    await server.sent("HEADERS", 3);
    server.answer(3, "now");
    assert.equal(await (await response).text(), "now");
    assert.equal(network.dialCount, 1);
  });
});

test("H73 REFUSED_STREAM twice: the error says that nothing was processed", async () => {
  await withFrameNetwork({}, async (network) => {
    const response = failure(network.get("/", POST));
    const server = await network.server();
    await server.sent("HEADERS", 1);
    server.reset(1, REFUSED_STREAM);
    await server.sent("HEADERS", 3);
    server.reset(3, REFUSED_STREAM);
    const error = await response;
    assert.equal(error.code, "ERR_CONNECTION_LOST");
    assert.deepEqual(error.attempts.map(({ verdict }) => verdict), [
      "not-processed",
      "not-processed",
    ]);
    assert.equal(error.attempt!.verdict, "not-processed");
    assert.equal(error.http2!.code, "REFUSED_STREAM");
    // H74: whoever refuses twice in a row is leaving.
    const next = network.get("/next");
    const second = await network.server(2);
    await second.sent("HEADERS", 1);
    second.answer(1, "elsewhere");
    assert.equal(await (await next).text(), "elsewhere");
  });
});

test("H75 GOAWAY: what is above its last stream goes elsewhere, what is not ends here", async () => {
  await withFrameNetwork({}, async (network) => {
    const below = network.get("/1");
    const server = await network.server();
    await server.sent("HEADERS", 1);
    const above = network.get("/3", POST);
    await server.sent("HEADERS", 3);
    server.goaway(1, NO_ERROR);
    const second = await network.server(2);
    await second.sent("HEADERS", 1);
    second.answer(1, "above");
    server.answer(1, "below");
    assert.equal(await (await below).text(), "below");
    assert.equal(await (await above).text(), "above");
    // Nothing is left of the first connection.
    await server.reading;
    await until("one is idle", () => network.transport.stats().idle === 1);
    assert.equal(network.transport.stats().total, 1);
  });
});

test("H76 GOAWAY in two steps, as servers leave that lose nothing", async () => {
  await withFrameNetwork({}, async (network) => {
    await served(network);
    const server = await network.server();
    const first = network.get("/3", POST);
    await server.sent("HEADERS", 3);
    server.goaway(2 ** 31 - 1, NO_ERROR);
    await server.settled();
    // From the first word on it takes no more, and nothing is lost yet.
    const next = network.get("/next", POST);
    const second = await network.server(2);
    await second.sent("HEADERS", 1);
    second.answer(1, "next");
    assert.equal(await (await next).text(), "next");
    server.goaway(3, NO_ERROR);
    server.answer(3, "first");
    assert.equal(await (await first).text(), "first");
    await server.reading;
    assert.equal(network.transport.stats().total, 1);
  });
});

test("H79 GOAWAY and the end in one read: what was taken is lost, what was not goes elsewhere", async () => {
  await withFrameNetwork({}, async (network) => {
    await served(network);
    const server = await network.server();
    const answered = network.get("/3");
    const taken = failure(network.get("/5", POST));
    const refused = network.get("/7", POST);
    await server.sent("HEADERS", 7);
    const words = [...frame(1, 5, 3, server.block([[":status", "204"]]))];
    words.push(...frame(7, 0, 0, [0, 0, 0, 5, 0, 0, 0, NO_ERROR]));
    server.send(words);
    await server.end();
    assert.equal((await answered).status, 204);
    const error = await taken;
    assert.deepEqual([error.code, error.attempt!.verdict], [
      "ERR_CONNECTION_LOST",
      "sent-no-answer",
    ]);
    assert.equal(error.attempts.length, 1);
    const second = await network.server(2);
    await second.sent("HEADERS", 1);
    second.answer(1, "refused");
    assert.equal(await (await refused).text(), "refused");
  });
});

test("H6 a server that says nothing: its connection is lost after 10 s, and so are its requests", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock, settings: null }, async (network) => {
    const response = failure(network.get("/"));
    const server = await network.server();
    await server.sent("HEADERS", 1);
    clock.advance(10_010);
    const error = await response;
    assert.equal(error.code, "ERR_CONNECTION_LOST");
    assert.match(error.message, /^The server did not acknowledge the settings in time/);
    assert.deepEqual([error.http2!.frame, error.http2!.code, error.http2!.from], [
      "SETTINGS",
      "SETTINGS_TIMEOUT",
      "here",
    ]);
    assert.equal(error.attempt!.verdict, "sent-no-answer");
    const { payload } = await server.sent("GOAWAY");
    assert.equal(codeOf(payload, 4), "SETTINGS_TIMEOUT");
    await until("it is gone", () => network.transport.stats().total === 0);
  });
});

test("H86 last words that nobody takes are given up after a second, whatever ends the connection", async () => {
  for (const how of ["destroy", "close", "idle, then destroy"]) {
    const clock = new ManualClock();
    await withFrameNetwork({ clock, bufferBytes: 200 }, async (network) => {
      await served(network);
      const server = await network.server();
      server.stopReading();
      // Its answers fill what is between.
      for (let n = 0; n < 50; n++) server.frame(6, 0, 0, [0, 0, 0, 0, 0, 0, 0, n]);
      const conn = network.conns[0];
      const { bytesWritten } = conn;
      await until("its write is stuck", () => conn.bytesWritten > bytesWritten);
      if (how === "idle, then destroy") network.transport.closeIdleConnections();
      if (how === "close") void network.transport.close();
      else network.transport.destroy();
      let isClosed = false;
      conn.whenClosed!().then(() => void (isClosed = true));
      clock.advance(900);
      await server.reading;
      assert.equal(isClosed, false, how);
      clock.advance(110);
      await until("the socket is closed", () => isClosed);
    });
  }
});

test("H77 GOAWAY with an error that names the request: not sent again, and said to be unprocessed", async () => {
  await withFrameNetwork({}, async (network) => {
    const response = failure(network.get("/"));
    const server = await network.server();
    await server.sent("HEADERS", 1);
    server.goaway(0, INTERNAL_ERROR, "no");
    const error = await response;
    assert.equal(error.attempt!.verdict, "not-processed");
    assert.equal(error.attempts.length, 1);
    assert.deepEqual(error.http2, {
      frame: "GOAWAY",
      code: "INTERNAL_ERROR",
      scope: "connection",
      from: "peer",
      lastStreamId: 0,
      debugData: "no",
    });
    assert.equal(network.dialCount, 1);
  });
});

test("H78 ENHANCE_YOUR_CALM: not sent again, and the server is left alone for a second", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock }, async (network) => {
    await served(network);
    const response = failure(network.get("/"));
    const server = await network.server();
    await server.sent("HEADERS", 3);
    server.goaway(1, ENHANCE_YOUR_CALM);
    const error = await response;
    assert.equal(error.http2!.code, "ENHANCE_YOUR_CALM");
    assert.equal(error.attempts.length, 1);
    const next = network.get("/next");
    await server.reading;
    assert.equal(network.dialCount, 1);
    assert.equal(network.transport.stats().waiting, 1);
    clock.advance(999);
    assert.equal(network.dialCount, 1);
    clock.advance(10);
    const second = await network.server(2);
    await second.sent("HEADERS", 1);
    second.answer(1, "calm");
    assert.equal(await (await next).text(), "calm");
  });
});

test("H78 a transport that ends while it leaves a server alone leaves nothing behind", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock }, async (network) => {
    await served(network);
    const response = failure(network.get("/"));
    const server = await network.server();
    await server.sent("HEADERS", 3);
    server.goaway(1, ENHANCE_YOUR_CALM);
    await response;
    const next = failure(network.get("/next"));
    await server.reading;
    assert.equal(network.transport.stats().dialing, 1);
    network.transport.destroy();
    assert.equal((await next).code, "ERR_CLOSED");
    const { dialing, waiting, total } = network.transport.stats();
    assert.deepEqual([dialing, waiting, total], [0, 0, 0]);
  });
});

test("H80 a connection that ends without a word: a GET goes again where it had served, a POST does not", async () => {
  await withFrameNetwork({}, async (network) => {
    await served(network);
    const get = network.get("/get");
    const post = failure(network.get("/post", POST));
    const server = await network.server();
    await server.sent("HEADERS", 5);
    await server.end();
    const second = await network.server(2);
    await second.sent("HEADERS", 1);
    second.answer(1, "again");
    assert.equal(await (await get).text(), "again");
    const error = await post;
    assert.equal(error.code, "ERR_CONNECTION_LOST");
    assert.equal(error.attempt!.verdict, "sent-no-answer");
    assert.ok(error.attempt!.bytesWritten > 0);
  });
});

test("H81 any other reset before the head: not sent again, the server has seen it", async () => {
  for (const code of [CANCEL, INTERNAL_ERROR, NO_ERROR]) {
    await withFrameNetwork({}, async (network) => {
      await served(network);
      const response = failure(network.get("/"));
      const server = await network.server();
      await server.sent("HEADERS", 3);
      server.reset(3, code);
      const error = await response;
      assert.equal(error.code, "ERR_CONNECTION_LOST");
      assert.equal(error.attempts.length, 1);
      assert.equal(error.attempt!.verdict, "sent-no-answer");
      // The connection goes on.
      const next = network.get("/next");
      await server.sent("HEADERS", 5);
      server.answer(5, "still here");
      assert.equal(await (await next).text(), "still here");
      assert.equal(network.dialCount, 1);
    });
  }
});

test("H88 aborted: CANCEL behind its HEADERS, and the connection lives", async () => {
  await withFrameNetwork({}, async (network) => {
    await served(network);
    const controller = new AbortController();
    const response = failure(network.get("/", { signal: controller.signal }));
    const server = await network.server();
    await server.sent("HEADERS", 3);
    controller.abort(new Error("enough"));
    assert.equal((await response as Error).message, "enough");
    const { payload } = await server.sent("RST_STREAM", 3);
    assert.deepEqual([...payload], [0, 0, 0, CANCEL]);
    const next = network.get("/next");
    await server.sent("HEADERS", 5);
    server.answer(5, "alive");
    assert.equal(await (await next).text(), "alive");
    assert.equal(network.dialCount, 1);
  });
});
