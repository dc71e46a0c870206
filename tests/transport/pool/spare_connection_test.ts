/**
 * Connections that were dialled for a request that went another way: kept, and treated as what they
 * are, open for a while.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ClientTrace, HttpError, type Transport } from "../../../mod.ts";
import { type Gate, withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { steadyTransport } from "../../support/steady_transport.ts";
import { until } from "../../support/waiting.ts";
import { WatchedSignal } from "../../support/watched_signal.ts";

/** Gives `transport` one idle connection that has not served. */
async function leaveSpare(gate: Gate, transport: Transport): Promise<void> {
  const watched = new WatchedSignal();
  const going = gate.get(transport, "/aborted", { signal: watched.signal });
  watched.abort();
  await assert.rejects(going, watched.reason);
  await until("its dial is kept", () => transport.stats().idle === 1);
}

test("a spare connection that the server resets: GET is sent elsewhere, POST is not", async () => {
  for (const method of ["GET", "POST"]) {
    await withGate(async (gate) => {
      const got: unknown[] = [];
      const trace: ClientTrace = {
        gotConn: ({ id, reused, wasIdle }) => void got.push([id, reused, wasIdle]),
      };
      const transport = steadyTransport();
      await leaveSpare(gate, transport);
      const going = transport.roundTrip(gate.request("/", { method, trace })).then(
        (response) => response.text(),
        (error: unknown) => error,
      );
      (await gate.next()).connection.reset();
      if (method === "GET") {
        await (await gate.next()).answer();
        assert.equal(await going, "ok");
        assert.deepEqual(got, [[1, false, true], [2, false, false]]);
      } else {
        const error = await going;
        assert.ok(error instanceof HttpError);
        assert.equal(error.code, "ERR_CONNECTION_LOST");
        assert.equal(error.attempt?.reused, true);
        assert.deepEqual(gate.paths, ["/"]);
        assert.deepEqual(got, [[1, false, true]]);
      }
      await transport.close();
    });
  }
});

test("a connection that goes to the next request at once was not idle", async () => {
  await withGate(async (gate) => {
    const got: unknown[] = [];
    const transport = steadyTransport({
      maxConnsPerHost: 1,
      trace: { gotConn: ({ reused, wasIdle, idleMs }) => void got.push([reused, wasIdle, idleMs]) },
    });
    const going = [gate.get(transport, "/1"), gate.get(transport, "/2")];
    for (const _ of going) await (await gate.next()).answer();
    await Promise.all(going);
    assert.deepEqual(got, [[false, false, 0], [true, false, 0]]);
    await transport.close();
  });
});
