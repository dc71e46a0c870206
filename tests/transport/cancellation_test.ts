/**
 * A signal in every phase: the call ends with its reason, and nothing stays behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import {
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  type Transport,
  type TransportOptions,
} from "../../mod.ts";
import { ScriptedConn } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type RawHandler, type RawServer, withRawServer } from "../support/raw_server.ts";
import { NO_CONTENT } from "../support/sent_bytes.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { isPending, pause, until } from "../support/waiting.ts";
import { assertQuiet, heldDialer, WatchedSignal } from "../support/watched_signal.ts";

interface Abortion {
  readonly init?: HttpRequestInit;
  readonly options?: TransportOptions;
  /** Whether the connection outlives the abort. @default {false} */
  readonly survives?: boolean;
  /** Begins, waits for the right moment, and returns what must reject then. */
  readonly run: (
    send: () => ReturnType<Transport["roundTrip"]>,
    context: { server: RawServer; transport: Transport },
  ) => Promise<() => Promise<unknown>>;
}

/** Aborts at the moment that `run` has waited for, and looks for what is left. */
async function assertAborted(handler: RawHandler, abortion: Abortion): Promise<void> {
  await withRawServer(handler, async (server) => {
    const watched = new WatchedSignal();
    const transport = steadyTransport(abortion.options);
    const request = new HttpRequest(server.origin, { ...abortion.init, signal: watched.signal });
    const outcome = await abortion.run(() => transport.roundTrip(request), { server, transport });
    watched.abort();
    await assert.rejects(outcome(), (error) => error === watched.reason);
    assertQuiet(transport);
    assert.equal(watched.listenerCount, 0);
    if (!abortion.survives) {
      await server.allClosed();
      assert.equal(transport.stats().total, 0);
    }
    transport.destroy();
    await server.allClosed();
  });
}

const silent: RawHandler = async (connection) => void await connection.readHead();
const half: RawHandler = async (connection) => {
  await connection.readHead();
  await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
};

test("abort: before the start nothing is dialled, and no listener is set", async () => {
  const watched = new WatchedSignal();
  watched.abort();
  const transport = steadyTransport({
    dialer: { dial: () => assert.fail("dialled"), startTls: () => assert.fail("dialled") },
  });
  const request = new HttpRequest("http://example.com/", { signal: watched.signal });
  await assert.rejects(transport.roundTrip(request), (error) => error === watched.reason);
  assert.equal(watched.listenerCount, 0);
  assertQuiet(transport);
  await transport.close();
});

test("abort: while dialling it is rejected at once, and the dial goes to the pool", async () => {
  const watched = new WatchedSignal();
  const { dialer, release, aborted } = heldDialer();
  const transport = steadyTransport({ dialer });
  const request = new HttpRequest("http://example.com/", { signal: watched.signal });
  const going = transport.roundTrip(request);
  going.catch(() => {});
  await until("it dials", () => transport.stats().dialing === 1);
  assert.equal(watched.listenerCount, 1);
  watched.abort();
  await assert.rejects(going, (error) => error === watched.reason);
  assert.equal(watched.listenerCount, 0);
  assert.deepEqual([transport.stats().dialing, transport.stats().waiting], [1, 0]);
  assert.equal(aborted(), false);
  const conn = new ScriptedConn().expect("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").send(
    NO_CONTENT,
  );
  release(conn);
  await until("the connection is idle", () => transport.stats().idle === 1);
  assert.equal(conn.isRefed, false);
  assertQuiet(transport);
  const plain = new HttpRequest("http://example.com/", {
    headers: { "User-Agent": "" },
    decompress: false,
  });
  const response = await transport.roundTrip(plain);
  assert.deepEqual([response.status, response.connection.reused], [204, false]);
  conn.assertConsumed();
  transport.destroy();
  assert.equal(conn.closeCount > 0, true);
});

test("abort: in the TLS handshake; ending the transport ends the handshake", async () => {
  await withRawServer(async (connection) => {
    await connection.readToEnd();
  }, async (server) => {
    const watched = new WatchedSignal();
    const transport = steadyTransport();
    const url = server.origin.replace("http:", "https:");
    const going = transport.roundTrip(new HttpRequest(url, { signal: watched.signal }));
    going.catch(() => {});
    await until("the hello came", () => (server.connections[0]?.receivedBytes ?? 0) > 0);
    watched.abort();
    await assert.rejects(going, (error) => error === watched.reason);
    assert.equal(watched.listenerCount, 0);
    assert.deepEqual([transport.stats().dialing, transport.stats().waiting], [1, 0]);
    transport.destroy();
    await until("nothing dials", () => transport.stats().dialing === 0);
    assertQuiet(transport);
    // Deno keeps the socket of a handshake until its peer says something: see tests/support/conn_gaps.ts.
    server.connections[0].close();
  });
});

test("abort: while a taken connection is being proven, which goes back", async () => {
  const clock = new ManualClock();
  await assertAborted(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send(NO_CONTENT);
    }
  }, {
    survives: true,
    options: { clock },
    run: async (send, { server, transport }) => {
      await transport.roundTrip(new HttpRequest(server.origin));
      clock.advance(5);
      const going = send();
      assert.equal(transport.stats().idle, 0);
      return async () => {
        await going.catch(() => {});
        assert.equal(transport.stats().idle, 1);
        const next = await transport.roundTrip(new HttpRequest(server.origin));
        assert.equal(next.connection.reused, true);
        await going;
      };
    },
  });
});

test("abort: while the body is being sent", async () => {
  let cancelled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    cancel: () => void cancelled++,
  }, { highWaterMark: 0 });
  await assertAborted(async (connection) => {
    for (;;) await connection.readBytes(65_536);
  }, {
    init: { method: "POST", body },
    run: async (send, { server }) => {
      const going = send();
      going.catch(() => {});
      await until("some of it came", () => (server.connections[0]?.receivedBytes ?? 0) > 1_000_000);
      return () => going;
    },
  });
  await until("the source was let go", () => cancelled === 1);
});

test("abort: while a source has nothing to give", async () => {
  let cancelled = 0;
  const body = new ReadableStream<Uint8Array>({ cancel: () => void cancelled++ });
  await assertAborted(silent, {
    init: { method: "POST", body },
    run: async (send, { server }) => {
      const going = send();
      going.catch(() => {});
      await until("the head came", () => (server.connections[0]?.receivedBytes ?? 0) > 0);
      return () => going;
    },
  });
  await until("the source was let go", () => cancelled === 1);
});

test("abort: while waiting for 100", async () => {
  await assertAborted(silent, {
    init: { method: "POST", body: "body", headers: { "Expect": "100-continue" } },
    run: async (send, { server }) => {
      const going = send();
      going.catch(() => {});
      await until("the head came", () => (server.connections[0]?.receivedBytes ?? 0) > 0);
      return () => going;
    },
  });
});

test("abort: while waiting for the response, also behind informational ones", async () => {
  for (const sends of ["", "HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\nX: "]) {
    await assertAborted(async (connection) => {
      await connection.readHead();
      await connection.send(sends);
    }, {
      run: async (send, { server }) => {
        const going = send();
        going.catch(() => {});
        await until("the head came", () => (server.connections[0]?.receivedBytes ?? 0) > 0);
        await pause(5);
        return () => going;
      },
    });
  }
});

test("abort: in the body, with a read under way, between reads, and in all ways to read it", async () => {
  const gzip = gzipSync("x".repeat(1_000));
  const coded: RawHandler = async (connection) => {
    await connection.readHead();
    await connection.send(
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n",
    );
    await connection.send(gzip);
  };
  for (const handler of [half, coded]) {
    const p = new Uint8Array(2_000);
    const ways: Abortion["run"][] = [
      async (send) => {
        const { body } = await send();
        return () => body.read(p);
      },
      async (send) => {
        const { body } = await send();
        for (;;) {
          const reading = body.read(p);
          reading.catch(() => {});
          if (await isPending(reading)) return () => reading;
        }
      },
      ...["bytes", "text", "json", "arrayBuffer", "blob", "formData"].map(
        (way) => async (send: Parameters<Abortion["run"]>[0]) => {
          const going = (await send())[way as "bytes"]();
          going.catch(() => {});
          assert.equal(await isPending(going), true);
          return () => going;
        },
      ),
      async (send) => {
        const going = new Response((await send()).body.stream).arrayBuffer();
        going.catch(() => {});
        assert.equal(await isPending(going), true);
        return () => going;
      },
      async (send) => {
        const response = await send();
        return () => response.trailers;
      },
    ];
    for (const run of ways) await assertAborted(handler, { run });
  }
});

test("abort: in the drain it is too late, and the drain ends", async () => {
  await withRawServer(half, async (server) => {
    const watched = new WatchedSignal();
    const transport = steadyTransport();
    const response = await transport.roundTrip(
      new HttpRequest(server.origin, { signal: watched.signal }),
    );
    const closing = response.body.close();
    assert.equal(transport.stats().active, 1);
    assert.equal(watched.listenerCount, 0);
    watched.abort();
    await closing;
    assertQuiet(transport);
    await server.allClosed();
    transport.destroy();
  });
});

test("abort: after the end it does nothing", async () => {
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  }, async (server) => {
    const watched = new WatchedSignal();
    const transport = steadyTransport();
    for (const reused of [false, true]) {
      const response = await transport.roundTrip(
        new HttpRequest(server.origin, { signal: watched.signal }),
      );
      assert.equal(await response.text(), "ok");
      assert.equal(watched.listenerCount, 0);
      assert.equal(response.connection.reused, reused);
    }
    watched.abort();
    assert.equal(transport.stats().idle, 1);
    transport.destroy();
  });
});

test("abort: reasons are passed through as they are", async () => {
  const reasons: unknown[] = [
    "text",
    { code: 1 },
    0,
    null,
    new HttpError("ERR_DIAL", "x", { phase: "dial" }),
  ];
  await withRawServer(silent, async (server) => {
    const transport = steadyTransport();
    for (const reason of reasons) {
      const controller = new AbortController();
      const going = transport.roundTrip(
        new HttpRequest(server.origin, { signal: controller.signal }),
      );
      going.catch(() => {});
      controller.abort(reason);
      const seen = await going.then(() => assert.fail("resolved"), (error: unknown) => error);
      assert.equal(seen, reason);
    }
    const timed = transport.roundTrip(
      new HttpRequest(server.origin, { signal: AbortSignal.timeout(5) }),
    );
    await assert.rejects(timed, { name: "TimeoutError" });
    transport.destroy();
    await server.allClosed();
  });
});

test("abort: one signal for many requests ends them all", async () => {
  await withRawServer(silent, async (server) => {
    const watched = new WatchedSignal();
    const transport = steadyTransport();
    const all = Array.from(
      { length: 20 },
      () => transport.roundTrip(new HttpRequest(server.origin, { signal: watched.signal })),
    );
    for (const going of all) going.catch(() => {});
    await until(
      "all were sent",
      () => server.connections.filter((c) => c.receivedBytes > 0).length === 20,
    );
    watched.abort();
    for (const going of all) await assert.rejects(going, (error) => error === watched.reason);
    assert.equal(watched.listenerCount, 0);
    assertQuiet(transport);
    await server.allClosed();
    transport.destroy();
  });
});
