/**
 * T1, the less trodden ways to a connection: one whose body was read out of the buffer long after it had come, and
 * one that waited without having served.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Dialer, type LeasedConnection, systemDialer, Transport } from "../../../mod.ts";
import { type Gate, OK, withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { testAuthority } from "../../support/raw_server.ts";
import { pause, until } from "../../support/waiting.ts";
import { assertQuiet, WatchedSignal } from "../../support/watched_signal.ts";

const PLANTED = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted";

for (const tls of [false, true]) {
  const kind = tls ? "tls" : "plain";

  test(`T1 ${kind}: planted while a body that had come waited to be read`, async () => {
    // Above 64 KiB, content is left where it is until it is asked for.
    const content = "ok".repeat(40_000);
    const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
      `${content.length.toString(16)}\r\n${content}\r\n0\r\nA: b\r\n\r\n`;
    for (const ending of ["read", "closed"]) {
      await withGate(async (gate) => {
        const transport = new Transport({ tls: { caCerts: [testAuthority] }, maxConnsPerHost: 1 });
        const going = transport.roundTrip(gate.request("/1"));
        const first = await gate.next();
        await first.connection.send(answer);
        const response = await going;
        const next = gate.get(transport, "/2");
        await first.connection.send(PLANTED);
        await pause(20);
        if (ending === "read") assert.equal(await response.text(), content);
        else await response.body.close();
        await first.answer("");
        await (await gate.next()).answer();
        assert.equal(await next, "ok");
        assert.equal(gate.served[1], 1);
        await transport.close();
      }, { tls });
    }
  });

  test(`T1 ${kind}: planted while the end of a body was read byte by byte`, async () => {
    await withGate(async (gate) => {
      const transport = new Transport({ tls: { caCerts: [testAuthority] }, maxConnsPerHost: 1 });
      const going = transport.roundTrip(gate.request("/1"));
      const first = await gate.next();
      await first.connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
      const { body } = await going;
      const next = gate.get(transport, "/2");
      await first.connection.send("good");
      const p = new Uint8Array(2);
      assert.equal(await body.read(p), 2);
      await first.connection.send(PLANTED);
      await pause(20);
      assert.equal(await body.read(p), 2);
      await first.answer("");
      await (await gate.next()).answer();
      assert.equal(await next, "ok");
      await transport.close();
    }, { tls });
  });
}

test("T1: planted behind a large body, for a request that waits for the connection", async () => {
  for (const tls of [false, true]) {
    await withGate(async (gate) => {
      const transport = new Transport({ tls: { caCerts: [testAuthority] }, maxConnsPerHost: 1 });
      const going = gate.get(transport, "/1");
      const next = gate.get(transport, "/2");
      const body = "x".repeat(100_000);
      const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
      await (await gate.next()).answer(head + body + PLANTED);
      assert.equal(await going, body);
      await (await gate.next()).answer();
      assert.equal(await next, "ok");
      assert.deepEqual(gate.served, [0, 1]);
      await transport.close();
    }, { tls });
  }
});

test("T1 tls: planted in a record of its own, in the packet of the answer", async () => {
  for (const maxConnsPerHost of [0, 1]) {
    await withGate(async (gate) => {
      const transport = new Transport({ tls: { caCerts: [testAuthority] }, maxConnsPerHost });
      const going = gate.get(transport, "/1");
      const first = await gate.next();
      const waiting = maxConnsPerHost === 1 ? gate.get(transport, "/2") : null;
      // Two records: both are there when the client looks.
      void first.connection.send(OK);
      void first.connection.send(PLANTED);
      await first.answer("");
      assert.equal(await going, "ok");
      const next = waiting ?? gate.get(transport, "/2");
      await (await gate.next()).answer();
      assert.equal(await next, "ok");
      assert.deepEqual(gate.served, [0, 1]);
      await transport.close();
    }, { tls: true });
  }
});

/** The system's dialer, whose proof waits until it is let go. */
function provingDialer(): { dialer: Dialer; proofs: PromiseWithResolvers<void>[] } {
  const proofs: PromiseWithResolvers<void>[] = [];
  const system = systemDialer();
  const dialer: Dialer = {
    dial: (address, options) => system.dial(address, options),
    startTls: (conn, options, signal) => system.startTls(conn, options, signal),
    pollBarrier: () => {
      proofs.push(Promise.withResolvers<void>());
      return proofs.at(-1)!.promise;
    },
  };
  return { dialer, proofs };
}

/** Lets time pass so that what was made or read before is not fresh any more. */
async function leaseUnused(gate: Gate, transport: Transport): Promise<LeasedConnection> {
  const leased = await transport.connect(gate.server.origin);
  await pause(10);
  return leased;
}

test("a connection that was held unused is proven before it goes to a waiting request", async () => {
  await withGate(async (gate) => {
    const { dialer, proofs } = provingDialer();
    const transport = new Transport({ dialer, maxConnsPerHost: 1 });
    const leased = await leaseUnused(gate, transport);
    const next = gate.get(transport, "/next");
    leased.release();
    await until("the kernel is asked", () => proofs.length === 1);
    // It does not stand the test.
    gate.server.connections[0].close();
    await until("it is gone", () => transport.stats().active === 0);
    proofs[0].resolve();
    await (await gate.next()).answer();
    assert.equal(await next, "ok");
    assert.deepEqual(gate.served, [1]);
    await transport.close();
  });
});

test("a connection that was held unused and is lost counts as reused", async () => {
  await withGate(async (gate) => {
    const transport = new Transport({ maxConnsPerHost: 1 });
    const leased = await leaseUnused(gate, transport);
    const next = gate.get(transport, "/next");
    leased.release();
    (await gate.next()).connection.reset();
    await (await gate.next()).answer();
    assert.equal(await next, "ok");
    await transport.close();
  });
});

test("a spare connection whose proof was given up is proven for the request that waits", async () => {
  await withGate(async (gate) => {
    const { dialer, proofs } = provingDialer();
    const transport = new Transport({ dialer, maxConnsPerHost: 1 });
    const leased = await leaseUnused(gate, transport);
    leased.release();
    await pause(10);
    const watched = new WatchedSignal();
    const given = gate.get(transport, "/given-up", { signal: watched.signal });
    const next = gate.get(transport, "/next");
    await until("the kernel is asked", () => proofs.length === 1);
    watched.abort();
    await assert.rejects(given, watched.reason);
    await pause(10);
    assert.deepEqual(gate.paths, []);
    // One that has become old when it comes, on a busy machine, is asked for again.
    await until("it is sent", () => {
      for (const proof of proofs) proof.resolve();
      return gate.paths.length > 0;
    });
    await (await gate.next()).answer();
    assert.equal(await next, "ok");
    assert.deepEqual(gate.paths, ["/next"]);
    assertQuiet(transport);
    await transport.close();
  });
});
