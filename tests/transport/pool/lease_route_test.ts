/**
 * Leases whose proxy is still being chosen: cancelled, and ended with their transport.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Transport } from "../../../mod.ts";
import { withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { heldDialer, WatchedSignal } from "../../support/watched_signal.ts";

test("lease: the signal, destroy() and close() end the choice of a proxy", async () => {
  const endings: [string, (transport: Transport, watched: WatchedSignal) => unknown][] = [
    ["signal", (_, watched) => watched.abort()],
    ["destroy", (transport) => transport.destroy(new Error("mine"))],
    ["close", (transport) => transport.close()],
  ];
  for (const [name, end] of endings) {
    const { dialer, aborted } = heldDialer();
    const choice = Promise.withResolvers<null>();
    const transport = new Transport({ dialer, proxy: () => choice.promise });
    const watched = new WatchedSignal();
    const leasing = transport.connect("http://a.test/", { signal: watched.signal });
    const refused = assert.rejects(leasing, (error: Error) => {
      assert.equal(error.message.length > 0, true);
      return true;
    });
    end(transport, watched);
    await refused;
    choice.resolve(null);
    await choice.promise;
    await transport.close();
    assert.deepEqual([name, aborted(), transport.stats().dialing], [name, false, 0]);
  }
});

test("lease: a transport that closes while the proxy is chosen dials for nobody", async () => {
  await withGate(async (gate) => {
    const choice = Promise.withResolvers<null>();
    const transport = new Transport({
      proxy: ({ hostname }) => hostname === "a.test" ? choice.promise : null,
    });
    // A request under way, for which close() waits.
    const going = gate.get(transport, "/");
    const request = await gate.next();
    const leasing = transport.connect("http://a.test/");
    const refused = assert.rejects(leasing, { code: "ERR_CLOSED" });
    const closing = transport.close();
    choice.resolve(null);
    await refused;
    assert.equal(transport.stats().dialing, 0);
    await request.answer();
    assert.equal(await going, "ok");
    await closing;
  });
});
