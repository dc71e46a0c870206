/**
 * T1: a response that nobody asked for never answers the next request, wherever it waits: behind the first answer,
 * in the idle connection, or in the kernel while the client's event loop is blocked.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "../../support/harness.ts";
import { type PlantingServer, withPlantingServer } from "../../support/planting.ts";
import { until } from "../../support/waiting.ts";

for (const kind of ["plain", "tls", "from an address"] as const) {
  // From an address, Deno and Bun use other sockets than otherwise.
  const options = { localAddress: kind === "from an address" ? "127.0.0.1" : undefined };
  const withServer = (run: (server: PlantingServer) => Promise<void>): Promise<void> =>
    withPlantingServer(kind === "tls", options, run);
  const withSteps = (run: (server: PlantingServer) => Promise<void>): Promise<void> =>
    withServer(async (server) => {
      await run(server);
      assert.ok(server.planted > 0, "nothing was planted");
    });

  test(`T1 ${kind}: planted in the packet of the first answer, 100 of 100`, async () => {
    await withServer(async ({ get, transport }) => {
      for (let n = 0; n < 100; n++) {
        const first = n % 2 === 0 ? await get("/same") : (await get("/same-large")).slice(0, 1);
        assert.equal(first, n % 2 === 0 ? "good /same" : "x");
        assert.equal(await get(`/next/${n}`), `good /next/${n}`);
      }
      assert.equal(transport.stats().active, 0);
    });
  });

  test(`T1 ${kind}: planted while the connection is idle, 100 of 100`, async () => {
    await withSteps(async ({ get, transport, take }) => {
      for (let n = 0; n < 10; n++) {
        const paths = Array.from({ length: 10 }, () => "/told");
        assert.deepEqual(await Promise.all(paths.map(get)), paths.map(() => "good /told"));
        take(10);
        // A connection that was made for nobody in the end has nothing planted on it.
        const served = () => transport.inspect().connections.filter(({ requests }) => requests > 0);
        await until("no connection that served is left", () => served().length === 0);
        assert.equal(await get(`/next/${n}`), `good /next/${n}`);
        transport.closeIdleConnections();
      }
    });
  });

  test(`T1 ${kind}: planted while the event loop is blocked, 100 of 100`, async () => {
    await withSteps(async ({ get, take }) => {
      for (let n = 0; n < 40; n++) {
        assert.equal(await get("/told"), "good /told");
        take(1).block();
        assert.equal(await get(`/next/${n}`), `good /next/${n}`);
      }
      for (let n = 0; n < 6; n++) {
        const all = Array.from({ length: 10 }, (_, i) => `/next/${n}/${i}`);
        assert.deepEqual(
          await Promise.all(all.map(() => get("/told"))),
          all.map(() => "good /told"),
        );
        take(10).block();
        assert.deepEqual(await Promise.all(all.map(get)), all.map((path) => `good ${path}`));
      }
    });
  });

  test(`T1 ${kind}: planted while requests wait for the end of their turn, 40 of 40`, async () => {
    await withSteps(async ({ get, transport, take }) => {
      // So many under way that requests go together.
      const unanswered = Array.from(
        { length: 30 },
        () => get("/never").then(() => "answered", () => "ended"),
      );
      for (let n = 0; n < 40; n++) {
        assert.equal(await get("/told"), "good /told");
        const answer = get(`/next/${n}`);
        take(1).block();
        assert.equal(await answer, `good /next/${n}`);
      }
      transport.destroy();
      assert.deepEqual(await Promise.all(unanswered), unanswered.map(() => "ended"));
    });
  });
}
