/**
 * Proxies that are slow, silent or dying, in every step of getting through them: the deadline of the
 * step, the caller's signal and the end of the transport each leave nothing behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  HttpError,
  type HttpErrorPhase,
  HttpRequest,
  proxyDialer,
  ProxyError,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { runtime, test } from "../../support/harness.ts";
import { type RawConnection, withRawServer } from "../../support/raw_server.ts";
import { until } from "../../support/waiting.ts";
import { assertQuiet, WatchedSignal } from "../../support/watched_signal.ts";

const ESTABLISHED = "HTTP/1.1 200 OK\r\n\r\n";

/** A proxy that goes on to a certain step. */
interface Step {
  readonly what: string;
  /** With `PORT` for its port. */
  readonly proxy: string | string[];
  readonly phase: HttpErrorPhase;
  /** Ends when nothing more is said. */
  readonly serve: (connection: RawConnection) => Promise<void>;
}

const socks5 = async (connection: RawConnection): Promise<void> => {
  await connection.readBytes(4);
  await connection.send("\x05\x02");
};

const steps: readonly Step[] = [
  {
    what: "an http: proxy that does not answer",
    proxy: "http://u:p@127.0.0.1:PORT",
    phase: "proxy",
    serve: async (connection) => void await connection.readHead(),
  },
  {
    what: "an http: proxy in the middle of its answer",
    proxy: "http://127.0.0.1:PORT",
    phase: "proxy",
    serve: async (connection) => {
      await connection.readHead();
      await connection.send("HTTP/1.1 200 OK\r\nVia: 1");
    },
  },
  {
    what: "an http: proxy that answers with hints alone",
    proxy: "http://127.0.0.1:PORT",
    phase: "proxy",
    serve: async (connection) => {
      await connection.readHead();
      await connection.send("HTTP/1.1 103 Early\r\n\r\n");
    },
  },
  {
    what: "an https: proxy that does not answer the hello",
    proxy: "https://127.0.0.1:PORT",
    phase: "proxy",
    serve: async (connection) => void await connection.readBytes(1),
  },
  {
    what: "a socks5: server that does not answer",
    proxy: "socks5h://u:p@127.0.0.1:PORT",
    phase: "proxy",
    serve: async (connection) => void await connection.readBytes(4),
  },
  {
    what: "a socks5: server that has been told the password",
    proxy: "socks5h://u:p@127.0.0.1:PORT",
    phase: "proxy",
    serve: async (connection) => {
      await socks5(connection);
      await connection.readBytes(5);
    },
  },
  {
    what: "a socks5: server that has been told the target",
    proxy: "socks5h://u:p@127.0.0.1:PORT",
    phase: "proxy",
    serve: async (connection) => {
      await socks5(connection);
      await connection.readBytes(5);
      await connection.send("\x01\x00");
      await connection.readBytes(7);
      await connection.send("\x05\x00\x00\x01\x7f");
    },
  },
  {
    what: "a socks4a: server that does not answer",
    proxy: "socks4a://u@127.0.0.1:PORT",
    phase: "proxy",
    serve: async (connection) => void await connection.readBytes(9),
  },
  {
    what: "the second proxy of a chain",
    proxy: ["http://127.0.0.1:PORT", "socks5h://second.test"],
    phase: "proxy",
    serve: async (connection) => {
      await connection.readHead();
      await connection.send(ESTABLISHED);
      await connection.readBytes(3);
    },
  },
  {
    what: "the server behind the tunnel",
    proxy: "http://127.0.0.1:PORT",
    phase: "tls",
    serve: async (connection) => {
      await connection.readHead();
      await connection.send(ESTABLISHED);
      await connection.readBytes(1);
    },
  },
];

/** Whether the step is one of a TLS handshake. */
function isTls(what: string): boolean {
  return /hello|behind the tunnel/.test(what);
}

const URL_BEHIND = "https://server.test/";

/** Runs a test with a proxy that has come to its step, and then does what `then` says. */
async function atStep(
  { what, proxy, serve }: Step,
  run: (
    proxy: string | string[],
    reached: () => Promise<void>,
  ) => Promise<void>,
  then: (connection: RawConnection) => void = () => {},
): Promise<void> {
  let isReached = false;
  await withRawServer(async (connection) => {
    await serve(connection);
    isReached = true;
    then(connection);
  }, async (server) => {
    const fill = (url: string) => url.replace("PORT", String(server.port));
    const filled = typeof proxy === "string" ? fill(proxy) : proxy.map(fill);
    await run(filled, () => until("the step is reached", () => isReached));
    // In the middle of a handshake Deno lets go of a socket only when the peer does.
    if (runtime === "deno" && isTls(what)) server.connections[0].close();
    await server.allClosed();
    assert.equal(server.connections.length, 1);
  });
}

/** What a request fails with; looks for what the transport has kept. */
async function failure(going: Promise<unknown>, transport: Transport): Promise<HttpError> {
  let failed: unknown;
  await going.catch((error) => failed = error);
  assertQuiet(transport);
  assert.deepEqual(transport.inspect().dials, []);
  assert.equal(transport.stats().total, 0);
  assert.ok(failed instanceof HttpError, String(failed));
  assert.equal(failed.attempt?.verdict, "never-sent");
  return failed;
}

for (const step of steps) {
  const { what, phase } = step;

  test(`proxy life: ${what} has its time`, async () => {
    await atStep(step, async (proxy, reached) => {
      const clock = new ManualClock();
      const limits: TransportOptions = { dialTimeoutMs: 100, tlsHandshakeTimeoutMs: 100 };
      const transport = new Transport({ clock, proxy, ...limits });
      const going = transport.roundTrip(new HttpRequest(URL_BEHIND));
      going.catch(() => {});
      await reached();
      // The client may have to hear of what was sent last, before its time.
      await until("it is in its phase", () => transport.inspect().dials[0]?.phase === phase);
      clock.advance(99);
      assert.equal(transport.stats().dialing, 1);
      clock.advance(10);
      const error = await failure(going, transport);
      assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", phase]);
      assert.match(error.message, /took more than 100 ms/);
      assert.equal(/[Pp]roxy (http|socks)/.test(error.message), phase === "proxy");
      assert.equal(clock.runningCount, 0);
      await transport.close();
    });
  });

  test(`proxy life: ${what}: the caller gives up, the transport ends`, async () => {
    await atStep(step, async (proxy, reached) => {
      const watched = new WatchedSignal();
      const transport = new Transport({ proxy });
      const going = transport.roundTrip(new HttpRequest(URL_BEHIND, { signal: watched.signal }));
      going.catch(() => {});
      await reached();
      watched.abort();
      await assert.rejects(going, (error) => error === watched.reason);
      assert.equal(watched.listenerCount, 0);
      // It goes on for others.
      assert.equal(transport.stats().dialing, 1);
      transport.destroy();
      await transport.close();
      assert.deepEqual(transport.inspect().dials, []);
    });
  });

  test(`proxy life: ${what}: a dial that is given up closes its connection`, async () => {
    await atStep(step, async (proxy, reached) => {
      const watched = new WatchedSignal();
      const address = { transport: "tcp", hostname: "server.test", port: 443 } as const;
      const dialing = proxyDialer(proxy).dial(address, { signal: watched.signal, tls: {} });
      dialing.catch(() => {});
      await reached();
      watched.abort();
      await assert.rejects(dialing, (error) => error === watched.reason);
      assert.equal(watched.listenerCount, 0);
    });
  });

  for (const way of ["end", "reset"] as const) {
    test(`proxy life: ${what}: its ${way} is an error of its phase`, async () => {
      await atStep(step, async (proxy) => {
        const transport = new Transport({ proxy });
        const error = await failure(transport.roundTrip(new HttpRequest(URL_BEHIND)), transport);
        assert.equal(error.phase, phase);
        assert.equal(error.code, isTls(what) ? "ERR_TLS" : "ERR_PROXY");
        assert.equal(error instanceof ProxyError, !isTls(what));
        await transport.close();
      }, (connection) => connection[way]());
    });
  }
}

test("proxy life: the body of a refusal is waited for a second, not for ever", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 407 No\r\nContent-Length: 9\r\n\r\nhalf");
  }, async (server) => {
    const clock = new ManualClock();
    const transport = new Transport({
      clock,
      proxy: `http://127.0.0.1:${server.port}`,
      dialTimeoutMs: 0,
      // Its timer alone runs: none for the dial that may be everybody's.
      http2: false,
    });
    const going = transport.roundTrip(new HttpRequest(URL_BEHIND));
    going.catch(() => {});
    await until("it waits for the body", () => clock.runningCount === 1);
    clock.advance(1_100);
    const error = await failure(going, transport);
    assert.ok(error instanceof ProxyError);
    assert.equal(error.response?.status, 407);
    assert.match(new TextDecoder().decode(error.response?.bodyStart), /^(half)?$/);
    assert.equal(clock.runningCount, 0);
    await server.allClosed();
    await transport.close();
  });
});

test("proxy life: each hop has the whole of dialTimeoutMs, and proxyMs is their sum", async () => {
  const clock = new ManualClock();
  await withRawServer(async (connection) => {
    for (let hop = 0; hop < 3; hop++) {
      await connection.readHead();
      clock.advance(80);
      await connection.send(ESTABLISHED);
    }
    await connection.readHead();
    await connection.send("HTTP/1.1 204 No Content\r\n\r\n");
  }, async (server) => {
    const transport = new Transport({
      clock,
      dialTimeoutMs: 100,
      proxy: [
        `http://127.0.0.1:${server.port}`,
        "http://second.test",
        "http://third.test",
        "http://fourth.test",
      ],
    });
    const response = await transport.roundTrip(new HttpRequest("http://server.test/"));
    assert.deepEqual([response.timings.proxyMs, response.timings.tlsMs], [240, null]);
    transport.destroy();
  });
});

test("proxy life: a lookup for socks5: that does not end has the time of its hop", async () => {
  await withRawServer(async (connection) => void await connection.readToEnd(), async (server) => {
    const clock = new ManualClock();
    let asked = 0;
    const transport = new Transport({
      clock,
      proxy: `socks5://127.0.0.1:${server.port}`,
      dialTimeoutMs: 100,
      resolve: () => {
        asked++;
        return new Promise(() => {});
      },
    });
    const going = transport.roundTrip(new HttpRequest(URL_BEHIND));
    going.catch(() => {});
    await until("it is asked", () => asked === 1);
    clock.advance(110);
    const error = await failure(going, transport);
    assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "proxy"]);
    await server.allClosed();
    await transport.close();
  });
});
