/**
 * The pool as a transport's callers see it, over sockets: limits, order, races, keys, the end.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Dialer, HttpError, HttpRequest, systemDialer, type Transport } from "../../../mod.ts";
import { HALF, OK, withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { testAuthority, withRawServer } from "../../support/raw_server.ts";
import { steadyTransport } from "../../support/steady_transport.ts";
import { isPending, until } from "../../support/waiting.ts";
import { heldDialer, WatchedSignal } from "../../support/watched_signal.ts";

/** The counts that matter, short. */
function counts(transport: Transport): [idle: number, active: number, dial: number, wait: number] {
  const { idle, active, dialing, waiting } = transport.stats();
  return [idle, active, dialing, waiting];
}

/** The real dialer, whose dials wait until they are let go, and fail where the test says so. */
function gatedDialer(): { dialer: Dialer; dials: { go(): void; fail(error: Error): void }[] } {
  const dials: { go(): void; fail(error: Error): void }[] = [];
  const real = systemDialer();
  return {
    dials,
    dialer: {
      ...real,
      dial: async (address, options) => {
        const gate = Promise.withResolvers<void>();
        dials.push({ go: gate.resolve, fail: gate.reject });
        options?.signal?.addEventListener("abort", () => gate.reject(options.signal!.reason));
        await gate.promise;
        return await real.dial(address, options);
      },
      startTls: (...args) => real.startTls(...args),
    },
  };
}

test("maxConnsPerHost: requests wait in their order, on one connection", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport({ maxConnsPerHost: 2 });
    const going = Array.from({ length: 12 }, (_, n) => gate.get(transport, `/${n}`));
    await until("two are under way", () => gate.requests.length === 2);
    assert.deepEqual(counts(transport), [0, 2, 0, 10]);
    for (let n = 0; n < 12; n++) {
      await (await gate.next()).answer();
      await until("the next is there", () => gate.requests.length === Math.min(n + 3, 12));
    }
    assert.deepEqual(await Promise.all(going), going.map(() => "ok"));
    assert.deepEqual(gate.paths.slice(2), Array.from({ length: 10 }, (_, n) => `/${n + 2}`));
    assert.equal(gate.server.connections.length, 2);
    assert.deepEqual(counts(transport), [2, 0, 0, 0]);
    await transport.close();
  });
});

test("maxConnsPerHost: a slot is free again after a reset, an abort, bad bytes and close", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport({ maxConnsPerHost: 1 });
    const endings: ((n: number, abort: () => void) => Promise<void>)[] = [
      (n) => Promise.resolve(gate.requests[n].connection.reset()),
      (n) => Promise.resolve(gate.requests[n].connection.end()),
      (_n, abort) => Promise.resolve(abort()),
      (n) => gate.requests[n].connection.send("HTTP/3 nonsense\r\n\r\n"),
      (n) =>
        gate.requests[n].connection.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")),
    ];
    const going: Promise<unknown>[] = [];
    const signals = endings.map(() => new WatchedSignal());
    for (const [n, { signal }] of signals.entries()) {
      going.push(gate.get(transport, `/${n}`, { signal, method: "PUT" }).catch(() => {}));
    }
    const last = gate.get(transport, "/last");
    for (const [n, end] of endings.entries()) {
      await gate.next();
      assert.deepEqual(counts(transport), [0, 1, 0, endings.length - n]);
      await end(n, () => signals[n].abort());
      await going[n];
    }
    await (await gate.next()).answer();
    assert.equal(await last, "ok");
    // One connection each: none of them could be used again.
    assert.deepEqual(gate.served, [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(gate.paths, ["/0", "/1", "/2", "/3", "/4", "/last"]);
    assert.deepEqual(counts(transport), [1, 0, 0, 0]);
    await transport.close();
  });
});

test("maxConnsPerHost: an upgrade leaves the pool, and the next one dials", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport({ maxConnsPerHost: 1 });
    const upgrading = transport.roundTrip(gate.request("/up", {
      headers: { "Connection": "Upgrade", "Upgrade": "echo" },
    }));
    const next = gate.get(transport, "/next");
    const switching = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    await (await gate.next()).answer(switching);
    const conn = (await upgrading).upgrade();
    await (await gate.next()).answer();
    assert.equal(await next, "ok");
    assert.deepEqual(gate.served, [0, 1]);
    assert.deepEqual(counts(transport), [1, 0, 0, 0]);
    await transport.close();
    assert.equal(gate.server.connections[0].ended, false);
    conn.close();
  });
});

test("maxConnsPerHost: hosts do not count for each other", async () => {
  await withGate(async (one) => {
    await withGate(async (two) => {
      const transport = steadyTransport({ maxConnsPerHost: 1 });
      const going = [one.get(transport, "/1"), two.get(transport, "/2")];
      await Promise.all([(await one.next()).answer(), (await two.next()).answer()]);
      await Promise.all(going);
      assert.equal(Object.keys(transport.stats().perHost).length, 2);
      await transport.close();
    });
  });
});

test("own dial or a freed connection: what comes first serves, the loser is kept", async () => {
  await withGate(async (gate) => {
    const { dialer, dials } = gatedDialer();
    const transport = steadyTransport({ dialer });
    const first = gate.get(transport, "/1");
    dials[0].go();
    const one = await gate.next();
    const second = gate.get(transport, "/2");
    assert.deepEqual(counts(transport), [0, 1, 1, 1]);
    await one.answer();
    await first;
    const two = await gate.next();
    assert.equal(two.connection.index, 0);
    assert.deepEqual(counts(transport), [0, 1, 1, 0]);
    dials[1].go();
    await until("the loser is idle", () => transport.stats().idle === 1);
    await two.answer();
    await second;
    assert.deepEqual(counts(transport), [2, 0, 0, 0]);

    // The dial comes first.
    transport.closeIdleConnections();
    const third = gate.get(transport, "/3");
    dials[2].go();
    const three = await gate.next();
    const fourth = gate.get(transport, "/4");
    dials[3].go();
    const four = await gate.next();
    assert.notEqual(three.connection, four.connection);
    await Promise.all([three.answer(), four.answer()]);
    await Promise.all([third, fourth]);
    assert.deepEqual(counts(transport), [2, 0, 0, 0]);
    await transport.close();
  });
});

test("a cancelled request's dial serves the next request, or stays idle", async () => {
  await withGate(async (gate) => {
    const { dialer, dials } = gatedDialer();
    const transport = steadyTransport({ dialer, maxConnsPerHost: 1 });
    const watched = new WatchedSignal();
    const cancelled = gate.get(transport, "/1", { signal: watched.signal });
    const next = gate.get(transport, "/2");
    watched.abort();
    await assert.rejects(cancelled, watched.reason);
    assert.deepEqual(counts(transport), [0, 0, 1, 1]);
    dials[0].go();
    await (await gate.next()).answer();
    assert.equal(await next, "ok");
    assert.deepEqual([gate.paths, dials.length], [["/2"], 1]);

    transport.closeIdleConnections();
    const again = new WatchedSignal();
    const alone = gate.get(transport, "/3", { signal: again.signal });
    again.abort();
    await assert.rejects(alone, again.reason);
    assertDialsOnly(transport);
    dials[1].go();
    await until("it is idle", () => transport.stats().idle === 1);
    assert.equal(await gate.exchange(transport, "/4"), "ok");
    assert.equal(dials.length, 2);
    await transport.close();
  });
});

function assertDialsOnly(transport: Transport): void {
  assert.deepEqual(counts(transport), [0, 0, 1, 0]);
}

test("a failed dial frees its slot: the next request dials; the failure is its own request's", async () => {
  await withGate(async (gate) => {
    const { dialer, dials } = gatedDialer();
    const transport = steadyTransport({ dialer, maxConnsPerHost: 1 });
    const going = ["/1", "/2", "/3"].map((path) => gate.get(transport, path));
    for (const [n, failing] of going.slice(0, 2).entries()) {
      assert.deepEqual(counts(transport), [0, 0, 1, 3 - n]);
      dials[n].fail(new HttpError("ERR_DIAL", `dial ${n}`, { phase: "dial" }));
      await assert.rejects(failing, { code: "ERR_DIAL", message: `dial ${n}` });
      assert.equal(dials.length, n + 2);
    }
    dials[2].go();
    await (await gate.next()).answer();
    assert.equal(await going[2], "ok");
    assert.deepEqual(counts(transport), [1, 0, 0, 0]);
    await transport.close();
  });
});

test("maxWaitersPerHost: one more is refused at once, and none once there is room", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport({ maxConnsPerHost: 1, maxWaitersPerHost: 2 });
    const watched = new WatchedSignal();
    const going = [gate.get(transport, "/1"), gate.get(transport, "/2")];
    const given = gate.get(transport, "/3", { signal: watched.signal });
    await assert.rejects(gate.get(transport, "/4"), {
      code: "ERR_QUEUE_FULL",
      phase: "queue",
      attempt: { reused: false, bytesWritten: 0, responseBytes: 0, verdict: "never-sent" },
    });
    watched.abort();
    await assert.rejects(given, watched.reason);
    going.push(gate.get(transport, "/5"));
    for (const path of ["/1", "/2", "/5"]) {
      const request = await gate.next();
      assert.equal(request.path, path);
      await request.answer();
    }
    await Promise.all(going);
    assert.deepEqual(counts(transport), [1, 0, 0, 0]);
    await transport.close();
  });
});

test("maxDialsPerHost: so many at once, and all of them in the end", async () => {
  await withGate(async (gate) => {
    const { dialer, dials } = gatedDialer();
    const transport = steadyTransport({ dialer, maxDialsPerHost: 2 });
    const going = Array.from({ length: 5 }, (_, n) => gate.get(transport, `/${n}`));
    for (let n = 0; n < 5; n++) {
      assert.equal(transport.stats().dialing, Math.min(2, 5 - n));
      assert.equal(dials.length, Math.min(5, n + 2));
      dials[n].go();
      await gate.next();
    }
    assert.deepEqual(counts(transport), [0, 5, 0, 0]);
    for (const request of gate.requests) await request.answer();
    await Promise.all(going);
    await transport.close();
  });
});

test("closeIdleConnections: exchanges under way go on, their connections are kept", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport();
    const going = [gate.get(transport, "/1"), gate.get(transport, "/2")];
    const [one, two] = [await gate.next(), await gate.next()];
    await one.answer();
    await until("one is idle", () => transport.stats().idle === 1);
    transport.closeIdleConnections();
    assert.deepEqual(counts(transport), [0, 1, 0, 0]);
    await one.connection.closed;
    await two.answer();
    await Promise.all(going);
    assert.deepEqual(counts(transport), [1, 0, 0, 0]);
    await transport.close();
  });
});

test("close(): dials and handshakes for nobody are ended too, and waited for", async () => {
  const { dialer, aborted } = heldDialer();
  const transport = steadyTransport({ dialer });
  const watched = new WatchedSignal();
  const going = transport.roundTrip(
    new HttpRequest("http://example.com/", { signal: watched.signal }),
  );
  watched.abort();
  await assert.rejects(going, watched.reason);
  assertDialsOnly(transport);
  await transport.close();
  assert.equal(aborted(), true);
  assert.deepEqual(counts(transport), [0, 0, 0, 0]);
  assert.deepEqual(transport.inspect().dials, []);
});

test("destroy(reason): every request fails with it, in every phase", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport({ maxConnsPerHost: 3 });
    await gate.exchange(transport, "/idle");
    const reading = transport.roundTrip(gate.request("/body"));
    await (await gate.next()).answer(HALF);
    const response = await reading;
    const text = response.text();
    const headers = gate.get(transport, "/headers");
    await gate.next();
    const dialling = gate.get(transport, "/dial");
    const waiting = gate.get(transport, "/queue");
    const leasing = transport.connect(gate.server.origin);
    assert.deepEqual(counts(transport), [0, 2, 1, 3]);
    const reason = new Error("mine");
    transport.destroy(reason);
    const failing = [text, headers, dialling, waiting, leasing];
    for (const outcome of await Promise.allSettled(failing)) {
      assert.deepEqual(outcome, { status: "rejected", reason });
    }
    await transport.close();
    assert.deepEqual(counts(transport), [0, 0, 0, 0]);
    assert.deepEqual(transport.inspect().waiters, []);
    await gate.server.allClosed();
    await assert.rejects(gate.get(transport, "/late"), reason);
    await assert.rejects(transport.connect(gate.server.origin), reason);
  });
});

test("close() waits for a lease's exchange, and ends the lease", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport();
    const lease = await transport.connect(gate.server.origin);
    const going = lease.roundTrip(gate.request("/"));
    const request = await gate.next();
    const closing = transport.close();
    assert.equal(await isPending(closing), true);
    await request.answer();
    assert.equal(await (await going).text(), "ok");
    await closing;
    assert.equal(lease.isUsable, false);
    await gate.server.allClosed();
  });
});

test("T35 scheme, host and port of a connection are not shared; nor are transports", async () => {
  await withGate(async (gate) => {
    const { port } = gate.server;
    // All of these lead to the same server.
    const dial = systemDialer();
    const dialer: Dialer = {
      ...dial,
      dial: (_address, options) =>
        dial.dial({ transport: "tcp", hostname: "127.0.0.1", port }, options),
      startTls: (conn) => Promise.resolve(conn),
    };
    const transport = steadyTransport({ dialer });
    const urls = [
      `http://127.0.0.1:${port}/`,
      `https://127.0.0.1:${port}/`,
      `http://localhost:${port}/`,
      `http://localhost./`,
      `http://127.0.0.1:${port === 65535 ? 1 : port + 1}/`,
      `http://127.0.0.1/`,
      `https://127.0.0.1/`,
    ];
    async function ask(by: Transport, url: string): Promise<void> {
      const going = by.roundTrip(new HttpRequest(url));
      await (await gate.next()).answer();
      await (await going).bytes();
    }
    for (const url of urls) await ask(transport, url);
    assert.deepEqual(gate.served, urls.map((_, n) => n));
    // The same in other words.
    await ask(transport, urls[0].replace("127.0.0.1", "127.1"));
    await ask(transport, "HTTP://LOCALHOST.:80/x?y");
    assert.deepEqual(gate.served.slice(-2), [0, 3]);
    const other = steadyTransport({ dialer });
    await ask(other, urls[0]);
    assert.equal(gate.served.at(-1), urls.length);
    await Promise.all([transport.close(), other.close()]);
  });
});

test("over TLS a connection is used again, and limits hold", async () => {
  await withGate(async (gate) => {
    const tls = { caCerts: [testAuthority] };
    const transport = steadyTransport({ tls, maxConnsPerHost: 1 });
    const going = [gate.get(transport, "/1"), gate.get(transport, "/2")];
    await (await gate.next()).answer();
    await (await gate.next()).answer();
    assert.deepEqual(await Promise.all(going), ["ok", "ok"]);
    assert.deepEqual(gate.served, [0, 0]);
    await transport.close();
  }, { tls: true });
});

test("a refused dial leaves nothing, and says what it was", async () => {
  const port = await withRawServer(() => {}, (server) => Promise.resolve(server.port));
  const transport = steadyTransport({ maxConnsPerHost: 1 });
  const going = Array.from(
    { length: 3 },
    () => transport.roundTrip(new HttpRequest(`http://127.0.0.1:${port}/`)),
  );
  for (const outcome of await Promise.allSettled(going)) {
    assert.equal(outcome.status, "rejected");
    assert.equal((outcome.reason as HttpError).code, "ERR_DIAL");
  }
  assert.deepEqual(transport.stats().perHost, {});
  await transport.close();
});
