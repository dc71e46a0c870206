/**
 * close() settles when nothing is left, not before.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Conn, type Dialer, systemDialer, Transport } from "../../mod.ts";
import { withGate } from "../support/gated_server.ts";
import { test } from "../support/harness.ts";
import { isPending, until } from "../support/waiting.ts";

/** A real dialer whose connections are gone when the test says so. */
function lingeringDialer(gone: Promise<void>): { dialer: Dialer; asked: Conn[] } {
  const asked: Conn[] = [];
  const real = systemDialer();
  const dialer: Dialer = {
    dial: async (address, options) => {
      const conn = await real.dial(address, options);
      const whenClosed = conn.whenClosed!.bind(conn);
      conn.whenClosed = async () => {
        asked.push(conn);
        await whenClosed();
        await gone;
      };
      return conn;
    },
    startTls: (...args) => real.startTls(...args),
  };
  return { dialer, asked };
}

test("close() waits until the runtime has let go of idle, active and lost connections", async () => {
  await withGate(async (gate) => {
    const { promise: gone, resolve: letGo } = Promise.withResolvers<void>();
    const { dialer, asked } = lingeringDialer(gone);
    const transport = new Transport({ dialer });
    const going = ["/1", "/2"].map((path) => gate.get(transport, path));
    const [one, two] = [await gate.next(), await gate.next()];
    one.connection.reset();
    await assert.rejects(going[gate.paths.indexOf(one.path)]);
    await two.answer();
    await going[gate.paths.indexOf(two.path)];
    const closing = transport.close();
    assert.equal(await isPending(closing), true);
    await gate.server.allClosed();
    assert.equal(asked.length, 2);
    assert.equal(await isPending(closing), true);
    letGo();
    await closing;
  });
});

test("close() does not wait for a connection that was handed over", async () => {
  await withGate(async (gate) => {
    const { dialer, asked } = lingeringDialer(new Promise(() => {}));
    const transport = new Transport({ dialer });
    const going = transport.roundTrip(gate.request("/", {
      headers: { "Connection": "upgrade", "Upgrade": "echo" },
    }));
    await (await gate.next()).answer(
      "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
    );
    const conn = (await going).upgrade();
    await transport.close();
    assert.equal(asked.length, 0);
    conn.close();
  });
});

for (const limit of ["maxConnsPerHost", "maxDialsPerHost", "maxConns"] as const) {
  for (const reason of [undefined, new Error("mine")]) {
    test(`destroy() begins no dial for those that wait at ${limit}, ${reason}`, async () => {
      await withGate(async (gate) => {
        let dials = 0;
        const real = systemDialer();
        const hung = Promise.withResolvers<Conn>();
        hung.promise.catch(() => {});
        const dialer: Dialer = {
          dial: (address, options) => {
            dials++;
            return limit === "maxDialsPerHost" ? hung.promise : real.dial(address, options);
          },
          startTls: (...args) => real.startTls(...args),
        };
        const transport = new Transport({ dialer, [limit]: 1 });
        const going = [1, 2, 3].map((i) => gate.get(transport, `/${i}`));
        const waiting = transport.connect(`${gate.server.origin}/`);
        if (limit !== "maxDialsPerHost") await gate.next();
        assert.equal(dials, 1);
        transport.destroy(reason);
        for (const one of [...going, waiting]) {
          await assert.rejects(one, reason ?? { code: "ERR_CLOSED" });
        }
        assert.equal(dials, 1);
        hung.reject(new Error("given up"));
        await until("nothing is left", () => transport.stats().total === 0);
        assert.equal(transport.stats().waiting, 0);
      });
    });
  }
}
