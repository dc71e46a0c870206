/**
 * HTTP/2 through the transport: how many connections there are, which of them a request is given to,
 * and what is left of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { HttpResponse } from "../../mod.ts";
import { failure, type FrameNetwork, withFrameNetwork } from "../support/frame_network.ts";
import type { FrameServer } from "../support/frame_peer.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/waiting.ts";

const MAX_CONCURRENT_STREAMS = 3;
const REFUSED_STREAM = 7;
const PROTOCOL_ERROR = 1;
const INTERNAL_ERROR = 2;

/** The code of a reset, or of a goodbye. */
function codeIn(payload: Uint8Array, at: number): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(at);
}

/** Answers every request on the connection, as it comes. */
function answerAll(server: FrameServer): void {
  void (async () => {
    for (;;) {
      const { streamId } = await server.sent("HEADERS");
      server.answer(streamId, "ok");
    }
  })().catch(() => {});
}

/** Sends many requests at once, and reads all answers. */
function burst(network: FrameNetwork, count: number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, n) => await (await network.get(`/${n}`)).text()),
  );
}

test("H103 100 requests at once where nothing is known: one dial, 100 streams", async () => {
  await withFrameNetwork({ serve: answerAll }, async (network) => {
    assert.deepEqual(await burst(network, 100), Array(100).fill("ok"));
    assert.equal(network.dialCount, 1);
    assert.equal(network.servers[0].countOf("HEADERS"), 100);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H103 the first dial hangs: another is made after 300 ms, and serves all who wait", async () => {
  const clock = new ManualClock();
  const gate = Promise.withResolvers<void>();
  const options = {
    clock,
    serve: answerAll,
    beforeDial: (n: number) => n === 1 ? gate.promise : undefined,
  };
  await withFrameNetwork(options, async (network) => {
    const answers = burst(network, 10);
    await until("it is dialled", () => network.dialCount === 1);
    clock.advance(295);
    assert.deepEqual(network.counts, [0, 0, 1, 10]);
    clock.advance(10);
    assert.deepEqual(await answers, Array(10).fill("ok"));
    assert.equal(network.dialCount, 2);
    assert.deepEqual(network.counts, [1, 0, 1, 0]);
    // H105: what it brings is not needed any more.
    gate.resolve();
    await until("it is closed", () => network.transport.stats().dialing === 0);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
    await network.servers[1].reading;
    assert.equal(network.servers[1].saw("HEADERS"), false);
  });
});

test("H103 dials that fail do not stand in a row: those who wait do not wait for each other's", async () => {
  const dials: PromiseWithResolvers<void>[] = [];
  const options = {
    beforeDial: (): Promise<void> => {
      const dial = Promise.withResolvers<void>();
      dials.push(dial);
      return dial.promise;
    },
  };
  await withFrameNetwork(options, async (network) => {
    const errors = Promise.all(Array.from({ length: 15 }, () => failure(network.get())));
    let rounds = 0;
    for (let failed = 0; failed < 15; rounds++) {
      await until("some are dialled", () => dials.length > failed);
      const before = dials.length;
      for (; failed < before; failed++) dials[failed].reject(new Error("nobody there"));
      await until("the next are dialled", () => failed === 15 || dials.length > before);
    }
    assert.equal((await errors).length, 15);
    assert.equal(rounds, 4);
    assert.deepEqual(network.counts, [0, 0, 0, 0]);
  });
});

test("H103 poolWaitTimeoutMs is no time-out of another's dial: then each has its own", async () => {
  const clock = new ManualClock();
  const gate = Promise.withResolvers<void>();
  const options = {
    clock,
    poolWaitTimeoutMs: 50,
    serve: answerAll,
    beforeDial: () => gate.promise,
    maxConnsPerHost: 3,
  };
  await withFrameNetwork(options, async (network) => {
    const answers = Promise.all(Array.from({ length: 3 }, () => network.get()));
    const late = failure(network.get("/late"));
    await until("it is dialled", () => network.dialCount === 1);
    clock.advance(60);
    assert.deepEqual(network.counts, [0, 0, 3, 3]);
    // For the last one there is no connection left.
    const error = await late;
    assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "queue"]);
    gate.resolve();
    for (const response of await answers) assert.equal(await response.text(), "ok");
  });
});

test("H104 maxWaitersPerHost: whoever can be expected to have a place does not count", async () => {
  const settings = [[MAX_CONCURRENT_STREAMS, 3]] as const;
  const options = { settings, maxConnsPerHost: 1, maxWaitersPerHost: 2 };
  await withFrameNetwork(options, async (network) => {
    const server = await network.served();
    await server.end();
    await until("it is gone", () => network.transport.stats().total === 0);
    const six = Array.from({ length: 6 }, (_, n) => failure(network.get(`/${n}`)));
    // One has the dial, two more a place on what it brings, two may wait.
    const error = await six[5];
    assert.equal(error.code, "ERR_QUEUE_FULL");
    assert.deepEqual(network.counts, [0, 0, 1, 5]);
    const second = await network.server(2);
    await second.sent("HEADERS", 5);
    await second.settled();
    assert.equal(second.countOf("HEADERS"), 3);
    network.transport.destroy();
    for (const ended of await Promise.all(six)) assert.ok(ended.code.startsWith("ERR_"));
  });
});

test("H11 H73 a burst before the server has said how many it takes: what it refuses is served all the same", async () => {
  const serve = (server: FrameServer): void => {
    let open = 0;
    void (async () => {
      for (;;) {
        const { streamId } = await server.sent("HEADERS");
        // The word comes too late for those that were sent at once.
        if (streamId === 1) server.greet([[MAX_CONCURRENT_STREAMS, 4]]);
        if (open >= 4) server.reset(streamId, REFUSED_STREAM);
        else {
          open++;
          // As soon as all that came together has been looked at.
          setTimeout(() => {
            open--;
            server.answer(streamId, "ok");
          }, 1);
        }
      }
    })().catch(() => {});
  };
  await withFrameNetwork({ serve, settings: null }, async (network) => {
    assert.deepEqual(await burst(network, 20), Array(20).fill("ok"));
    // What is known of the server is known of the next connection to it: the first alone had too many.
    assert.ok(network.servers.slice(1).every((server) => server.countOf("HEADERS") <= 8));
    assert.equal(network.servers[0].countOf("HEADERS"), 20);
    await until("nothing is under way", () => network.transport.stats().active === 0);
  });
});

test("H104 all places taken: another connection, within maxConnsPerHost; then places that come free", async () => {
  const settings = [[MAX_CONCURRENT_STREAMS, 2]] as const;
  await withFrameNetwork({ settings, maxConnsPerHost: 2 }, async (network) => {
    const first = await network.served();
    const responses = Array.from({ length: 6 }, (_, n) => network.get(`/${n}`));
    await first.sent("HEADERS", 3);
    await first.sent("HEADERS", 5);
    const second = await network.server(2);
    await second.sent("HEADERS", 1);
    await second.sent("HEADERS", 3);
    assert.deepEqual(network.counts, [0, 2, 0, 2]);
    first.answer(5, "b");
    await first.sent("HEADERS", 7);
    assert.deepEqual(network.counts, [0, 2, 0, 1]);
    second.answer(1, "c");
    await second.sent("HEADERS", 5);
    first.answer(3, "a");
    first.answer(7, "e");
    second.answer(3, "d");
    second.answer(5, "f");
    const texts = await Promise.all(responses.map(async (one) => await (await one).text()));
    assert.deepEqual(texts, ["a", "b", "c", "d", "e", "f"]);
    assert.equal(network.dialCount, 2);
    assert.deepEqual(network.counts, [2, 0, 0, 0]);
  });
});

test("H104 whenFull wait: no other connection, first come, first served", async () => {
  const settings = [[MAX_CONCURRENT_STREAMS, 1]] as const;
  await withFrameNetwork({ settings, http2: { whenFull: "wait" } }, async (network) => {
    const server = await network.served();
    const order: string[] = [];
    const responses = Array.from({ length: 4 }, async (_, n) => {
      order.push(await (await network.get(`/${n}`)).text());
    });
    for (let n = 0; n < 4; n++) {
      const head = await server.sent("HEADERS");
      assert.equal(server.requestOn(head.streamId).get(":path"), `/${n}`);
      assert.deepEqual(network.counts, [0, 1, 0, 3 - n]);
      server.answer(head.streamId, `${n}`);
    }
    await Promise.all(responses);
    assert.deepEqual(order, ["0", "1", "2", "3"]);
    assert.equal(network.dialCount, 1);
  });
});

test("H104 whenFull wait: one that waits is aborted, or waits too long", async () => {
  const clock = new ManualClock();
  const settings = [[MAX_CONCURRENT_STREAMS, 1]] as const;
  const options = { clock, settings, http2: { whenFull: "wait" }, poolWaitTimeoutMs: 50 } as const;
  await withFrameNetwork(options, async (network) => {
    const server = await network.served();
    const held = network.get("/held");
    await server.sent("HEADERS", 3);
    const controller = new AbortController();
    const aborted = failure(network.get("/aborted", { signal: controller.signal }));
    const late = failure(network.get("/late"));
    assert.deepEqual(network.counts, [0, 1, 0, 2]);
    controller.abort(new Error("enough"));
    assert.equal((await aborted as Error).message, "enough");
    assert.deepEqual(network.counts, [0, 1, 0, 1]);
    clock.advance(60);
    const error = await late;
    assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "queue"]);
    assert.equal(error.attempt!.verdict, "never-sent");
    assert.deepEqual(network.counts, [0, 1, 0, 0]);
    server.answer(3, "held");
    assert.equal(await (await held).text(), "held");
  });
});

test("H104 whenFull wait: a stream that we reset takes its place until the server has seen it", async () => {
  const settings = [[MAX_CONCURRENT_STREAMS, 1]] as const;
  await withFrameNetwork({ settings, http2: { whenFull: "wait" } }, async (network) => {
    const server = await network.served();
    const controller = new AbortController();
    const aborted = failure(network.get("/aborted", { signal: controller.signal }));
    await server.sent("HEADERS", 3);
    const next = network.get("/next");
    controller.abort(new Error("enough"));
    await aborted;
    await server.sent("RST_STREAM", 3);
    const ping = await server.sent("PING");
    assert.deepEqual(network.counts, [0, 1, 0, 1]);
    server.frame(6, 1, 0, ping.payload);
    await network.answered(next, server, 5);
    assert.equal(network.dialCount, 1);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H12 no streams at the moment: whoever waits is served when there are some again", async () => {
  await withFrameNetwork({ http2: { whenFull: "wait" } }, async (network) => {
    const server = await network.served();
    server.settings([[MAX_CONCURRENT_STREAMS, 0]]);
    await server.settled();
    const next = network.get("/next");
    await server.settled();
    assert.deepEqual(network.counts, [0, 1, 0, 1]);
    server.settings([[MAX_CONCURRENT_STREAMS, 5]]);
    await network.answered(next, server, 3);
    assert.equal(network.dialCount, 1);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H12 no streams for 30 s: the connection is given up, whoever waits has another", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock, http2: { whenFull: "wait" } }, async (network) => {
    const server = await network.served();
    const last = network.get("/last");
    await server.sent("HEADERS", 3);
    server.settings([[MAX_CONCURRENT_STREAMS, 0]]);
    await server.settled();
    const next = network.get("/next");
    server.answer(3, "last");
    assert.equal(await (await last).text(), "last");
    assert.deepEqual(network.counts, [0, 1, 0, 1]);
    clock.advance(29_900);
    assert.equal(network.dialCount, 1);
    clock.advance(200);
    await server.sent("GOAWAY");
    await network.answered(next, await network.server(2), 1);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H12 whenFull dial: another connection beside one that takes no streams at the moment", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock }, async (network) => {
    const server = await network.served();
    server.settings([[MAX_CONCURRENT_STREAMS, 0]]);
    await server.settled();
    const next = network.get("/next");
    await network.answered(next, await network.server(2), 1);
    assert.deepEqual(network.counts, [1, 1, 0, 0]);
    clock.advance(30_100);
    await server.sent("GOAWAY");
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
    network.servers[1].settings([[MAX_CONCURRENT_STREAMS, 0]]);
    await network.servers[1].settled();
    assert.deepEqual(network.counts, [0, 1, 0, 0]);
    network.transport.closeIdleConnections();
    assert.deepEqual(network.counts, [0, 0, 0, 0]);
  });
});

test("H104 whenFull wait: the connection is lost, or leaves: those who wait have another", async () => {
  for (const how of ["end", "break", "goaway"]) {
    const settings = [[MAX_CONCURRENT_STREAMS, 1]] as const;
    await withFrameNetwork({ settings, http2: { whenFull: "wait" } }, async (network) => {
      const server = await network.served();
      const held = network.get("/held", { method: "POST", body: "once" });
      await server.sent("HEADERS", 3);
      const waiting = network.get("/waiting", { method: "POST", body: "paid" });
      if (how === "end") await server.end();
      else if (how === "break") server.break();
      else server.goaway(3, 0);
      await network.answered(waiting, await network.server(2), 1);
      if (how === "goaway") server.answer(3, "held");
      if (how === "goaway") assert.equal(await (await held).text(), "held");
      else assert.equal((await failure(held)).attempt!.verdict, "sent-no-answer");
      await until("one is left", () => network.transport.stats().total === 1);
      assert.deepEqual(network.counts, [1, 0, 0, 0]);
    });
  }
});

test("H74 H84 H93 a server that refuses, or resets for no reason: no more requests on that connection", async () => {
  const times: [number, number][] = [[REFUSED_STREAM, 2], [PROTOCOL_ERROR, 1], [
    INTERNAL_ERROR,
    20,
  ]];
  for (const [code, count] of times) {
    await withFrameNetwork({}, async (network) => {
      const server = await network.served();
      let id = 1;
      // A refused one is sent again, and refused again.
      const requests = code === REFUSED_STREAM ? count / 2 : count;
      for (let n = 0; n < requests; n++) {
        const going = failure(network.get());
        for (let sent = 0; sent < count / requests; sent++) {
          await server.sent("HEADERS", id += 2);
          server.reset(id, code);
        }
        assert.equal((await going).code, "ERR_CONNECTION_LOST");
      }
      const goodbye = await server.sent("GOAWAY");
      assert.equal(codeIn(goodbye.payload, 4), 0);
      await network.answered(network.get(), await network.server(2), 1);
      assert.deepEqual(network.counts, [1, 0, 0, 0]);
    });
  }
});

test("H85 one request for each connection, if it should be so, and those of a burst beside each other", async () => {
  const all = Promise.withResolvers<void>();
  // Those behind the first, which tells what can be had, do not wait for each other.
  const beforeDial = (n: number): Promise<void> | undefined => {
    if (n === 5) all.resolve();
    return n === 1 ? undefined : all.promise;
  };
  const clock = new ManualClock();
  await withFrameNetwork({ clock, disableKeepAlives: true, beforeDial }, async (network) => {
    const responses = Array.from({ length: 5 }, () => network.get());
    await until("all are dialled", () => network.dialCount === 5);
    for (let n = 1; n <= 5; n++) {
      const server = await network.server(n);
      await server.sent("HEADERS", 1);
      server.answer(1, "once");
      await server.sent("GOAWAY");
    }
    for (const response of responses) assert.equal(await (await response).text(), "once");
    assert.deepEqual(network.counts, [0, 0, 0, 0]);
  });
});

test("H85 maxRequestsPerConn: the last one leaves, others go elsewhere", async () => {
  const all = Promise.withResolvers<void>();
  const beforeDial = (n: number): Promise<void> | undefined => {
    if (n === 3) all.resolve();
    return n === 1 ? undefined : all.promise;
  };
  const clock = new ManualClock();
  const options = { clock, maxRequestsPerConn: 3, serve: answerAll, beforeDial };
  await withFrameNetwork(options, async (network) => {
    assert.deepEqual(await burst(network, 8), Array(8).fill("ok"));
    const counts = network.servers.map((server) => server.countOf("HEADERS"));
    assert.deepEqual(counts, [3, 3, 2]);
    await until("it has left", () => network.servers[0].saw("GOAWAY"));
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H85 H99 a request that wants the connection closed: those under way end on it, others go elsewhere", async () => {
  for (const init of [{ close: true }, { headers: { Connection: "close" } }]) {
    await withFrameNetwork({}, async (network) => {
      const server = await network.served();
      const before = network.get("/before");
      await server.sent("HEADERS", 3);
      const last = network.get("/last", init);
      await server.sent("HEADERS", 5);
      assert.equal(server.requestOn(5).get("connection"), undefined);
      const after = network.get("/after");
      await network.answered(after, await network.server(2), 1);
      server.answer(5, "last");
      server.answer(3, "before");
      assert.equal(await (await last).text(), "last");
      assert.equal(await (await before).text(), "before");
      await server.sent("GOAWAY");
      assert.deepEqual(network.counts, [1, 0, 0, 0]);
    });
  }
});

test("H85 maxConnAgeMs: none is sent on one that is too old, whether it is idle or in use", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock, maxConnAgeMs: 10_000 }, async (network) => {
    const first = await network.served();
    const long = network.get("/long");
    await first.sent("HEADERS", 3);
    clock.advance(10_001);
    await network.answered(network.get("/next"), await network.server(2), 1);
    first.answer(3, "long");
    assert.equal(await (await long).text(), "long");
    await first.sent("GOAWAY");
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
    clock.advance(10_001);
    await network.answered(network.get("/third"), await network.server(3), 1);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H85 maxConnAgeMs: who waits for a place is not given one on a connection that is too old", async () => {
  const clock = new ManualClock();
  const settings = [[MAX_CONCURRENT_STREAMS, 1]] as const;
  const options = { clock, settings, maxConnAgeMs: 10_000, maxConnsPerHost: 1 };
  await withFrameNetwork(options, async (network) => {
    const first = await network.served();
    const long = network.get("/long");
    await first.sent("HEADERS", 3);
    const next = network.get("/next");
    clock.advance(10_001);
    first.answer(3, "long");
    assert.equal(await (await long).text(), "long");
    await network.answered(next, await network.server(2), 1);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H87 idle: answers to PING, applies SETTINGS; its end, or GOAWAY, removes it without a word", async () => {
  for (const how of ["end", "goaway", "break"]) {
    await withFrameNetwork({}, async (network) => {
      const server = await network.served();
      await server.settled();
      server.settings([[MAX_CONCURRENT_STREAMS, 7]]);
      await server.settled();
      assert.equal(network.transport.inspect().connections[0].streams!.allowed, 7);
      if (how === "end") await server.end();
      else if (how === "break") server.break();
      else server.goaway(1, 0);
      await until("it is gone", () => network.transport.stats().total === 0);
      await network.answered(network.get(), await network.server(2), 1);
    });
  }
});

test("H87 idleConnTimeoutMs: closed by the timer, and not taken when the timer is late", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock, idleConnTimeoutMs: 1_000 }, async (network) => {
    const first = await network.served();
    clock.advance(1_001);
    const { payload } = await first.sent("GOAWAY");
    assert.equal(codeIn(payload, 4), 0);
    assert.deepEqual(network.counts, [0, 0, 0, 0]);
    const response = network.get();
    const second = await network.server(2);
    await network.answered(response, second, 1);
    clock.jump(5_000);
    await network.answered(network.get(), await network.server(3), 1);
    await second.sent("GOAWAY");
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H106 stats() and inspect() show streams, limits and round trips", async () => {
  const clock = new ManualClock();
  const settings = [[MAX_CONCURRENT_STREAMS, 20]] as const;
  await withFrameNetwork({ clock, settings, http2: { pingIntervalMs: 100 } }, async (network) => {
    const server = await network.served();
    const shown = () => {
      const [{ protocol, state, streams, requests, idleMs }] =
        network.transport.inspect().connections;
      return { protocol, state, streams, requests, idleMs };
    };
    const streams = { open: 0, allowed: 20, roundTripMs: null };
    assert.deepEqual(shown(), { protocol: "h2", state: "idle", streams, requests: 1, idleMs: 0 });
    const responses: Promise<HttpResponse>[] = [network.get(), network.get()];
    await server.sent("HEADERS", 5);
    assert.deepEqual(shown(), {
      protocol: "h2",
      state: "exchanging",
      streams: { ...streams, open: 2 },
      requests: 3,
      idleMs: null,
    });
    assert.deepEqual(network.counts, [0, 1, 0, 0]);
    clock.advance(110);
    const { payload } = await server.sent("PING");
    clock.advance(7);
    server.frame(6, 1, 0, payload);
    await server.settled();
    assert.equal(shown().streams!.roundTripMs, 17);
    server.goaway(5, 0);
    await server.settled();
    assert.equal(shown().state, "retiring");
    server.answer(3, "a");
    server.answer(5, "b");
    for (const response of responses) await (await response).bytes();
    assert.deepEqual(network.counts, [0, 0, 0, 0]);
  });
});
