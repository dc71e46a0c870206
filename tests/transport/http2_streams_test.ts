/**
 * HTTP/2 through the transport: each way in which one exchange ends, and that nothing is left of it,
 * nor lost of the others on its connection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ClientTrace, HttpRequest, RetryingTransport } from "../../mod.ts";
import { failure, type FrameNetwork, withFrameNetwork } from "../support/frame_network.ts";
import { codeOf, type FrameServer } from "../support/frame_peer.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/waiting.ts";
import { WatchedSignal } from "../support/watched_signal.ts";

const MAX_CONCURRENT_STREAMS = 3;
const NO_ERROR = 0;
const REFUSED_STREAM = 7;
const CANCEL = 8;
const ACK = 1;
const PING = 6;

/** Has another exchange, begun before, go on to its end. */
async function bystander(network: FrameNetwork): Promise<() => Promise<void>> {
  const response = network.get("/bystander");
  const server = await network.server();
  const { streamId } = await server.sent("HEADERS");
  return async () => {
    server.answer(streamId, "unharmed");
    assert.equal(await (await response).text(), "unharmed");
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
    assert.equal(network.dialCount, 1);
  };
}

/** By which code the client has reset a stream. */
async function resetCode(server: FrameServer, streamId: number): Promise<string> {
  return codeOf((await server.sent("RST_STREAM", streamId)).payload);
}

test("H88 aborted in each of its phases: the others go on, the signal keeps no listener", async () => {
  const phases: Record<string, (server: FrameServer) => Promise<void>> = {
    "before the head": async (server) => void await server.sent("HEADERS", 5),
    "between heads": async (server) => {
      await server.sent("HEADERS", 5);
      server.headers(5, [[":status", "103"]]);
      await server.settled();
    },
    "in the body": async (server) => {
      await server.sent("HEADERS", 5);
      server.headers(5, [[":status", "200"]]);
      server.data(5, "abc");
      await server.settled();
    },
  };
  for (const [phase, reach] of Object.entries(phases)) {
    await withFrameNetwork({}, async (network) => {
      const server = await network.served();
      const unharmed = await bystander(network);
      const watched = new WatchedSignal();
      const going = network.get("/", { signal: watched.signal });
      await reach(server);
      if (phase === "in the body") {
        const response = await going;
        watched.abort();
        assert.equal(await failure(response.bytes()) as Error, watched.reason);
      } else {
        watched.abort();
        assert.equal(await failure(going) as Error, watched.reason);
      }
      assert.equal(await resetCode(server, 5), "CANCEL");
      assert.equal(watched.listenerCount, 0);
      await unharmed();
    });
  }
});

test("H88 aborted while it waits, for a dial or for a place: nothing is written", async () => {
  const gate = Promise.withResolvers<void>();
  const settings = [[MAX_CONCURRENT_STREAMS, 1]] as const;
  const options = {
    settings,
    http2: { whenFull: "wait" },
    beforeDial: () => gate.promise,
  } as const;
  await withFrameNetwork(options, async (network) => {
    const first = new WatchedSignal();
    const dialling = failure(network.get("/dialling", { signal: first.signal }));
    const other = network.get("/other");
    first.abort();
    assert.equal(await dialling as Error, first.reason);
    gate.resolve();
    const server = await network.server();
    await server.sent("HEADERS", 1);
    await server.settled();
    const second = new WatchedSignal();
    const queued = failure(network.get("/queued", { signal: second.signal }));
    second.abort();
    assert.equal(await queued as Error, second.reason);
    server.answer(1, "ok");
    assert.equal(await (await other).text(), "ok");
    assert.equal(server.frames.filter(({ type }) => type === "HEADERS").length, 1);
    assert.equal(first.listenerCount + second.listenerCount, 0);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H88 aborted within the code that makes its body: its stream is ended all the same", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const unharmed = await bystander(network);
    for (const how of ["signal", "closeIdle and signal"]) {
      const watched = new WatchedSignal();
      let ended = false;
      const body: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => {
          if (how !== "signal") network.transport.closeIdleConnections();
          watched.abort();
          return {
            next: () => Promise.resolve({ done: false, value: Uint8Array.of(1) }),
            return: () => {
              ended = true;
              return Promise.resolve({ done: true, value: undefined });
            },
          };
        },
      };
      const going = network.get("/", { method: "PUT", body, signal: watched.signal });
      assert.equal(await failure(going) as Error, watched.reason);
      const { streamId } = await server.sent("HEADERS");
      assert.equal(await resetCode(server, streamId), "CANCEL");
      assert.equal(watched.listenerCount, 0);
      await until("the body is told", () => ended);
      assert.equal(server.saw("DATA", streamId), false);
    }
    await unharmed();
  });
});

test("H88 a transport that is destroyed within the code that makes a body leaves nothing", async () => {
  await withFrameNetwork({}, async (network) => {
    await network.served();
    const body: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => {
        network.transport.destroy();
        return { next: () => Promise.resolve({ done: false, value: Uint8Array.of(1) }) };
      },
    };
    const error = await failure(network.get("/", { method: "PUT", body }));
    assert.equal(error.code, "ERR_CLOSED");
    assert.deepEqual(network.counts, [0, 0, 0, 0]);
  });
});

test("H88 H89 a storm of aborts: never more streams than the server takes, and the window is whole", async () => {
  const settings = [[MAX_CONCURRENT_STREAMS, 5]] as const;
  const options = { settings, maxConnsPerHost: 1 };
  await withFrameNetwork(options, async (network) => {
    const server = await network.served();
    server.answersPings = true;
    for (let round = 0; round < 40; round++) {
      const controller = new AbortController();
      const going = Array.from(
        { length: 8 },
        () => failure(network.get("/", { signal: controller.signal }).then((one) => one.bytes())),
      );
      await server.settled();
      const open = server.frames.filter(({ type }) => type === "HEADERS").length - 1;
      assert.equal(open, 5 * (round + 1), "as many as it takes");
      for (let n = 0; n < 5; n++) {
        const { streamId } = await server.sent("HEADERS");
        server.headers(streamId, [[":status", "200"]]);
        server.data(streamId, new Uint8Array(2_000));
      }
      await server.settled();
      controller.abort(new Error("storm"));
      await Promise.all(going);
      await until("the places are free", () => {
        const { streams } = network.transport.inspect().connections[0];
        return streams!.open === 0 && streams!.allowed === 5;
      });
      assert.deepEqual(network.counts, [1, 0, 0, 0]);
    }
    const credit = server.frames
      .filter(({ type, streamId }) => type === "WINDOW_UPDATE" && streamId === 0)
      .reduce((sum, { payload }) => sum + new DataView(payload.buffer).getUint32(0), 65_535);
    assert.ok(credit - 40 * 5 * 2_000 >= (64 << 20) * 3 / 4, `${credit}`);
  });
});

test("H54 H55 bodies that nobody reads: bounded by their windows, and they stop nobody", async () => {
  const http2 = { maxConcurrentStreams: 4, connectionWindowBytes: 65_535 };
  await withFrameNetwork({ http2 }, async (network) => {
    const unread = [network.get("/1"), network.get("/2"), network.get("/3")];
    const server = await network.server();
    const window = Math.floor(65_535 * 0.4 / 4);
    for (let n = 0; n < 3; n++) {
      const { streamId } = await server.sent("HEADERS");
      server.headers(streamId, [[":status", "200"]]);
      server.data(streamId, new Uint8Array(window));
    }
    let sent = 3 * window;
    const responses = await Promise.all(unread);
    for (let n = 0; n < 100; n++) {
      const next = network.get(`/${n}`);
      const { streamId } = await server.sent("HEADERS");
      const credit = server.frames
        .filter(({ type, streamId }) => type === "WINDOW_UPDATE" && streamId === 0)
        .reduce((sum, { payload }) => sum + new DataView(payload.buffer).getUint32(0), 65_535);
      assert.ok(credit >= (sent += 1_000), `request ${n} has no window`);
      server.headers(streamId, [[":status", "200"]]);
      server.data(streamId, new Uint8Array(1_000), true);
      assert.equal((await (await next).bytes()).length, 1_000);
    }
    // Whoever reads gets more; whoever is sent more without having asked for it breaks a rule.
    assert.equal(server.saw("WINDOW_UPDATE", 1), false);
    server.data(3, new Uint8Array(1));
    await server.settled();
    const error = await failure(responses[1].bytes());
    assert.equal(error.code, "ERR_MALFORMED_RESPONSE");
    assert.equal(error.http2!.code, "FLOW_CONTROL_ERROR");
    assert.equal(await resetCode(server, 3), "FLOW_CONTROL_ERROR");
    const read = responses[0].bytes();
    await server.sent("WINDOW_UPDATE", 1);
    server.data(1, new Uint8Array(5), true);
    assert.equal((await read).length, window + 5);
    await responses[2].body.close();
    assert.equal(await resetCode(server, 5), "CANCEL");
    await until("nothing is under way", () => network.transport.stats().idle === 1);
  });
});

test("M16 content that nobody reads, and that is here in full, gives its round trip an end", async () => {
  const done: (number | undefined)[] = [];
  const trace: ClientTrace = { bodyDone: ({ bytes, error }) => void done.push(error ? -1 : bytes) };
  await withFrameNetwork({ trace }, async (network) => {
    const response = network.get();
    const server = await network.server();
    await server.sent("HEADERS", 1);
    server.headers(1, [[":status", "200"]]);
    server.data(1, "abc");
    const got = await response;
    server.data(1, "def");
    server.headers(1, [["x-sum", "6"]], true);
    await until("it is told", () => done.length === 1);
    assert.deepEqual(done, [6]);
    assert.equal((await got.trailers)!.get("x-sum"), "6");
    // It holds nothing up, and can be read still.
    await network.transport.close();
    assert.equal(await got.text(), "abcdef");
  });
});

test("H57 body.close(): CANCEL, and the connection goes on", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const unharmed = await bystander(network);
    const response = network.get();
    await server.sent("HEADERS", 5);
    server.headers(5, [[":status", "200"]]);
    server.data(5, "abc");
    const { body } = await response;
    await body.close();
    assert.equal(await resetCode(server, 5), "CANCEL");
    // What comes late is dropped, and counted.
    server.data(5, "late", true);
    await server.settled();
    await unharmed();
  });
});

test("H58 H59 H60 H72 a body that is cut off: what came, then an error that says how", async () => {
  const cuts: Record<string, [(server: FrameServer) => void, string, string | null]> = {
    "RST_STREAM(NO_ERROR)": [
      (server) => server.reset(5, NO_ERROR),
      "ERR_INCOMPLETE_BODY",
      "NO_ERROR",
    ],
    "RST_STREAM(CANCEL)": [(server) => server.reset(5, CANCEL), "ERR_INCOMPLETE_BODY", "CANCEL"],
    "the end": [(server) => void server.end(), "ERR_INCOMPLETE_BODY", null],
    "a break": [(server) => server.break(), "ERR_CONNECTION_LOST", null],
    "GOAWAY": [(server) => server.goaway(3, NO_ERROR), "ERR_INCOMPLETE_BODY", "NO_ERROR"],
  };
  for (const [how, [cut, code, http2Code]] of Object.entries(cuts)) {
    for (const status of ["200", "413"]) {
      await withFrameNetwork({}, async (network) => {
        const server = await network.served();
        const response = network.get();
        await server.sent("HEADERS", 3);
        server.answer(3, "whole");
        assert.equal(await (await response).text(), "whole");
        const body = status === "413" ? new ReadableStream<Uint8Array>() : undefined;
        const going = network.get("/", body === undefined ? {} : { method: "PUT", body });
        await server.sent("HEADERS", 5);
        server.headers(5, [[":status", status]]);
        server.data(5, "came");
        const { body: cutBody, status: got } = await going;
        assert.equal(got, Number(status));
        await server.settled();
        cut(server);
        const p = new Uint8Array(100);
        assert.equal(await cutBody.read(p), 4, how);
        const error = await failure(cutBody.read(p));
        assert.deepEqual([error.code, error.phase], [code, "body"], how);
        assert.equal(error.http2?.code ?? null, http2Code, how);
        assert.equal(error.attempt!.verdict, "answered");
        if (how.startsWith("RST")) assert.deepEqual(network.counts, [1, 0, 0, 0]);
        else await until("it is gone", () => network.transport.stats().total === 0);
      });
    }
  }
});

test("every deadline ends its own stream, and tells in which phase", async () => {
  const clock = new ManualClock();
  const options = { clock, responseHeaderTimeoutMs: 1_000, bodyIdleTimeoutMs: 2_000 };
  await withFrameNetwork(options, async (network) => {
    const server = await network.served();
    // The head does not come.
    const noHead = failure(network.get("/no-head"));
    await server.sent("HEADERS", 3);
    await server.settled();
    clock.advance(900);
    const unharmed = await bystander(network);
    await server.settled();
    clock.advance(110);
    const headError = await noHead;
    assert.deepEqual([headError.code, headError.phase], ["ERR_TIMEOUT", "response-header"]);
    assert.equal(headError.attempt!.verdict, "sent-no-answer");
    assert.equal(await resetCode(server, 3), "CANCEL");
    await unharmed();
    // The body does not go on.
    const noBody = network.get("/no-body");
    await server.sent("HEADERS", 7);
    server.headers(7, [[":status", "200"]]);
    const read = failure((await noBody).bytes());
    clock.advance(2_010);
    const bodyError = await read;
    assert.deepEqual([bodyError.code, bodyError.phase], ["ERR_TIMEOUT", "body"]);
    assert.equal(await resetCode(server, 7), "CANCEL");
    // All of it takes too long, in each phase.
    const late = failure(network.get("/late", { timeoutMs: 500 }));
    await server.sent("HEADERS", 9);
    clock.advance(510);
    assert.equal((await late).phase, "response-header");
    const lateBody = network.get("/late", { timeoutMs: 500 });
    await server.sent("HEADERS", 11);
    server.headers(11, [[":status", "200"]]);
    const lateRead = failure((await lateBody).bytes());
    clock.advance(510);
    assert.equal((await lateRead).phase, "body");
    await server.settled();
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("dialTimeoutMs ends the dial that all wait for: each has an error of its own", async () => {
  const clock = new ManualClock();
  const options = { clock, dialTimeoutMs: 1_000, beforeDial: () => new Promise<void>(() => {}) };
  await withFrameNetwork(options, async (network) => {
    const errors = Array.from({ length: 3 }, () => failure(network.get()));
    await until("it is dialled", () => network.dialCount === 1);
    for (let n = 0; n < 20; n++) {
      clock.advance(100);
      await Promise.resolve();
    }
    for (const error of await Promise.all(errors)) {
      assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "dial"]);
      assert.equal(error.attempt!.verdict, "never-sent");
    }
    assert.deepEqual(network.counts, [0, 0, 0, 0]);
  });
});

test("H94 a server that owes an answer and is silent is asked; without an answer all is lost", async () => {
  const clock = new ManualClock();
  const http2 = { pingIntervalMs: 1_000, pingTimeoutMs: 300 };
  await withFrameNetwork({ clock, http2 }, async (network) => {
    const server = await network.served();
    clock.advance(5_000);
    assert.equal(server.saw("PING"), false, "it owes nothing");
    const responses = [failure(network.get("/1")), failure(network.get("/2", POST))];
    await server.sent("HEADERS", 5);
    clock.advance(1_010);
    const { payload } = await server.sent("PING");
    server.frame(PING, ACK, 0, payload);
    await server.settled();
    // That was a word: it is silent from then on.
    clock.advance(990);
    assert.equal(
      server.frames.filter(({ type, flags }) => type === "PING" && flags === 0).length,
      1,
    );
    clock.advance(30);
    await until(
      "it is asked again",
      () => server.frames.filter(({ type, flags }) => type === "PING" && flags === 0).length === 2,
    );
    clock.advance(310);
    const second = await network.server(2);
    await second.sent("HEADERS", 1);
    second.break();
    for (const [error, count] of [[await responses[0], 2], [await responses[1], 1]] as const) {
      assert.equal(error.code, "ERR_CONNECTION_LOST");
      assert.equal(error.attempts.length, count);
      assert.equal(error.attempts[0].verdict, "sent-no-answer");
    }
    await until("nothing is left", () => network.transport.stats().total === 0);
  });
});

const POST = { method: "POST", body: "paid" };

test("H95 a request that ended without a word: the server is asked, others are preferred meanwhile", async () => {
  for (const answers of [true, false]) {
    const clock = new ManualClock();
    const settings = [[MAX_CONCURRENT_STREAMS, 1]] as const;
    await withFrameNetwork({ clock, settings }, async (network) => {
      const first = await network.served();
      const held = network.get("/held");
      await first.sent("HEADERS", 3);
      await network.answered(network.get("/2"), await network.server(2), 1);
      first.settings([[MAX_CONCURRENT_STREAMS, 5]]);
      await first.settled();
      // In the same moment of the clock in which it was sent.
      const silent = failure(network.get("/silent", { timeoutMs: 50 }));
      await first.sent("HEADERS", 5);
      first.answer(3, "held");
      assert.equal(await (await held).text(), "held");
      clock.advance(60);
      assert.equal((await silent).code, "ERR_TIMEOUT");
      await first.sent("RST_STREAM", 5);
      const ping = first.sent("PING");
      // The other one serves, although this one was used last.
      const second = network.servers[1];
      await network.answered(network.get("/next"), second, 3);
      const { payload } = await ping;
      if (answers) first.frame(PING, ACK, 0, payload);
      if (answers) await first.settled();
      clock.advance(2_010);
      await until("it is known", () => network.transport.stats().total === (answers ? 2 : 1));
      assert.deepEqual(network.counts, [answers ? 2 : 1, 0, 0, 0]);
    });
  }
});

test("RetryingTransport goes on where our own repetition ends, with every attempt in the error", async () => {
  await withFrameNetwork({}, async (network) => {
    const retrying = new RetryingTransport(network.transport, { attempts: 2, baseDelayMs: 1 });
    const error = failure(retrying.roundTrip(new HttpRequest("http://a.test/", POST)));
    for (let n = 1; n <= 2; n++) {
      const server = await network.server(n);
      for (const streamId of [1, 3]) {
        await server.sent("HEADERS", streamId);
        server.reset(streamId, REFUSED_STREAM);
      }
    }
    const { attempts } = await error;
    assert.deepEqual(attempts.map(({ verdict }) => verdict), Array(4).fill("not-processed"));
    await until("nothing is left", () => network.transport.stats().total === 0);
  });
});

test("H86 close() waits for the streams, destroy() ends them; nothing is left of either", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock }, async (network) => {
    const server = await network.served();
    const response = network.get("/slow");
    await server.sent("HEADERS", 3);
    let closed = false;
    const closing = network.transport.close().then(() => void (closed = true));
    assert.equal((await failure(network.get("/after"))).code, "ERR_CLOSED");
    await server.settled();
    assert.equal(closed, false);
    server.headers(3, [[":status", "200"]]);
    server.data(3, "slow", true);
    assert.equal(await (await response).text(), "slow");
    await closing;
    assert.equal(codeOf((await server.sent("GOAWAY")).payload, 4), "NO_ERROR");
    await server.reading;
    assert.equal(clock.runningCount, 0);
  });
  await withFrameNetwork({ clock: new ManualClock() }, async (network) => {
    const server = await network.served();
    const errors = [failure(network.get("/1")), failure(network.get("/2", POST))];
    const inBody = network.get("/3");
    await server.sent("HEADERS", 7);
    server.headers(7, [[":status", "200"]]);
    const body = failure((await inBody).bytes());
    network.transport.destroy();
    for (const error of await Promise.all([...errors, body])) {
      assert.equal(error.code, "ERR_CLOSED");
    }
    assert.equal(codeOf((await server.sent("GOAWAY")).payload, 4), "NO_ERROR");
    await server.reading;
  });
});
