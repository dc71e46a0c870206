/**
 * `maxConns` as callers see it: over all hosts, with a turn for each, on HTTP/1.1 over sockets and on
 * HTTP/2; and what is left of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type HttpError, HttpRequest, Transport } from "../../../mod.ts";
import { withFrameNetwork } from "../../support/frame_network.ts";
import { type Gate, withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { steadyTransport } from "../../support/steady_transport.ts";
import { until } from "../../support/waiting.ts";
import { heldDialer } from "../../support/watched_signal.ts";

const hosts = { "a.test": "127.0.0.1", "b.test": "127.0.0.1", "c.test": "127.0.0.1" };

function counts(transport: Transport): [idle: number, active: number, dial: number, wait: number] {
  const { idle, active, dialing, waiting } = transport.stats();
  return [idle, active, dialing, waiting];
}

/** Sends a request to `name`.test at the server of `gate`; its path is `/name` and a number. */
async function get(
  transport: Transport,
  gate: Gate,
  path: string,
  signal?: AbortSignal,
): Promise<string> {
  const { port } = new URL(gate.server.origin);
  const url = `http://${path[0]}.test:${port}/${path}`;
  return await (await transport.roundTrip(new HttpRequest(url, { signal }))).text();
}

test("maxConns: a host with many requests takes turns with the others, each on one connection", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport({ hosts, maxConns: 1 });
    const going = ["a1"].map((path) => get(transport, gate, path));
    const first = await gate.next();
    for (const path of ["a2", "a3", "a4", "b1", "b2", "c1"]) going.push(get(transport, gate, path));
    await until("they wait", () => transport.stats().waiting === 6);
    assert.deepEqual(counts(transport), [0, 1, 0, 6]);
    assert.match(
      transport.explain(new HttpRequest("http://d.test/")),
      /^would wait: 1 of 1 to all hosts busy, 0 ahead$/,
    );
    await first.answer();
    for (let n = 1; n < 7; n++) await (await gate.next()).answer();
    assert.deepEqual(await Promise.all(going), going.map(() => "ok"));
    assert.deepEqual(gate.paths, ["/a1", "/a2", "/b1", "/c1", "/a3", "/b2", "/a4"]);
    assert.deepEqual(gate.served, [0, 0, 1, 2, 3, 4, 5]);
    await until("the others are closed", () => gate.server.openCount === 1);
    assert.deepEqual(counts(transport), [1, 0, 0, 0]);
    await transport.close();
    await gate.server.allClosed();
  });
});

test("maxConns: an idle connection to another host is closed for one that is needed", async () => {
  await withGate(async (gate) => {
    const told: string[] = [];
    const transport = steadyTransport({
      hosts,
      maxConns: 2,
      trace: { putIdleConn: ({ id, error }) => void told.push(`${id} ${error?.code ?? "kept"}`) },
    });
    for (const path of ["a1", "b1", "a2", "c1"]) {
      const going = get(transport, gate, path);
      await (await gate.next()).answer();
      assert.equal(await going, "ok");
    }
    // That to b.test was idle longest.
    assert.deepEqual(gate.served, [0, 1, 0, 2]);
    assert.deepEqual(told, ["1 kept", "2 kept", "1 kept", "3 kept"]);
    const { perHost } = transport.stats();
    assert.deepEqual(Object.values(perHost).map(({ idle }) => idle), [1, 1]);
    assert.equal(Object.keys(perHost).some((key) => key.includes("b.test")), false);
    await until("it is closed", () => gate.server.openCount === 2);
    await transport.close();
  });
});

test("maxConns: a place is free again after an abort, a failure and a connection that breaks", async () => {
  await withGate(async (gate) => {
    const transport = steadyTransport({ hosts, maxConns: 1 });
    const aborting = new AbortController();
    const going = [
      get(transport, gate, "a1", aborting.signal),
      get(transport, gate, "b1"),
      get(transport, gate, "c1"),
    ];
    going.forEach((each) => each.catch(() => {}));
    await gate.next();
    await until("they wait", () => transport.stats().waiting === 2);
    aborting.abort("mine");
    await assert.rejects(going[0], (reason) => reason === "mine");
    (await gate.next()).connection.reset();
    await assert.rejects(going[1], { code: "ERR_CONNECTION_LOST" });
    await (await gate.next()).answer();
    assert.equal(await going[2], "ok");
    await assert.rejects(
      transport.roundTrip(new HttpRequest("http://127.0.0.1:1/")),
      { code: "ERR_DIAL" },
    );
    assert.deepEqual(counts(transport), [0, 0, 0, 0]);
    await transport.close();
    await gate.server.allClosed();
  });
});

test("maxConns: the end of the transport ends those that wait for their turn", async () => {
  for (const end of ["destroy", "close"] as const) {
    const { dialer } = heldDialer();
    const transport = new Transport({ dialer, maxConns: 1 });
    const going = ["a", "a", "b"].map((name) =>
      transport.roundTrip(new HttpRequest(`http://${name}.test/`, { timeoutMs: 20 }))
        .then(() => assert.fail("answered"), (error: HttpError) => error.code)
    );
    assert.deepEqual(counts(transport), [0, 0, 1, 3]);
    if (end === "destroy") transport.destroy();
    const closed = end === "close" ? transport.close() : Promise.resolve();
    const code = end === "destroy" ? "ERR_CLOSED" : "ERR_TIMEOUT";
    assert.deepEqual(await Promise.all(going), [code, code, code]);
    if (end === "close") transport.destroy();
    await closed;
    await until("nothing is left", () => counts(transport).join() === "0,0,0,0");
  }
});

test("maxConns: what is no count is refused", () => {
  for (const maxConns of [-1, 1.5, NaN, "2" as unknown as number]) {
    assert.throws(() => new Transport({ maxConns }), { code: "ERR_INVALID_REQUEST" });
  }
});

test("maxConns: over HTTP/2 a connection counts once, and goes when another host has its turn", async () => {
  await withFrameNetwork({ maxConns: 1 }, async (network) => {
    const first = [network.get("/1"), network.get("/2"), network.get("/3")];
    const a = await network.server(1);
    for (const id of [1, 3, 5]) await a.sent("HEADERS", id);
    assert.deepEqual(network.counts, [0, 1, 0, 0]);
    const other = network.transport.roundTrip(new HttpRequest("http://b.test/"));
    await until("it waits", () => network.counts.join() === "0,1,0,1");
    a.answer(1, "one");
    assert.equal(await (await first[0]).text(), "one");
    // The connection is given no others: it would never be free.
    const late = network.get("/4");
    await until("it waits", () => network.counts.join() === "0,1,0,2");
    a.answer(3, "two");
    a.answer(5, "three");
    const b = await network.server(2);
    assert.deepEqual(await Promise.all([(await first[1]).text(), (await first[2]).text()]), [
      "two",
      "three",
    ]);
    await network.answered(other, b, 1);
    const again = await network.server(3);
    await network.answered(late, again, 1);
    assert.equal(network.dialCount, 3);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});
