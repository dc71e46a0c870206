/**
 * T1 over TLS: what is planted in a record of its own, in the packet of the answer or in one behind it, all of it in
 * the kernel before the client looks.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "../../support/harness.ts";
import { withPlantingServer } from "../../support/planting.ts";

/** See `fixtures/planting_server.ts`. */
const plans = ["a-p", "a_p", "h-b-p", "h_b_p", "h-b_p", "h_b-p", "a-p_e", "h_b_p-p_e"];

for (const maxConnsPerHost of [0, 1]) {
  const who = maxConnsPerHost === 0 ? "the next request" : "one that waits for the connection";

  test(`T1 tls: planted in the records and packets behind an answer, for ${who}`, async () => {
    await withPlantingServer(true, { maxConnsPerHost }, async ({ get, offers, take }) => {
      let count = 0;
      for (let n = 0; n < 6; n++) {
        for (const plan of plans) {
          const path = `/plan/${plan}/${n}`;
          const going = get(path);
          const waiting = maxConnsPerHost === 1 ? get(`/next/${n}`) : null;
          await offers(++count);
          take(1).block();
          assert.equal(await going, `good ${path}`);
          assert.equal(await (waiting ?? get(`/next/${n}`)), `good /next/${n}`);
        }
      }
    });
  });
}

test("T1 tls: planted while another answer of the same turn is worked on", async () => {
  let written = 0;
  const trace = { wroteHeaders: () => void written++ };
  await withPlantingServer(true, { maxConnsPerHost: 1, trace }, async (server) => {
    await withPlantingServer(false, {}, async (other) => {
      for (let n = 0; n < 20; n++) {
        const path = `/plan/a.p/${n}`;
        const going = server.get(path);
        const waiting = server.get(`/next/${n}`);
        // Whoever is answered second keeps the event loop busy until the first has more; unless the
        // next request is on its way already, which nothing could tell from an answer to it.
        const work = other.get("/plan/a").then(async () => {
          if (written > 2 * n + 1) await waiting;
          server.take(1).block();
        });
        await server.offers(2 * n + 1);
        await other.offers(n + 1);
        server.take(1).block();
        other.take(1).block();
        assert.equal(await going, `good ${path}`);
        await work;
        assert.equal(await waiting, `good /next/${n}`);
      }
    });
  });
});
