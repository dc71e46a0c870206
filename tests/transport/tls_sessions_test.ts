/**
 * A transport takes TLS sessions up again: of which servers, by which ways, until when.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as net from "node:net";
import { type Dialer, systemDialer } from "../../conn/mod.ts";
import { HttpRequest, type TlsInfo, Transport, type TransportOptions } from "../../mod.ts";
import * as certs from "../support/certs.ts";
import { runtime, test } from "../support/harness.ts";
import { type TlsVersion, withSessionServer } from "../support/session_server.ts";

/** Deno has no way to take a session up: the gap. */
const RESUMED = runtime === "deno" ? "new" : "resumed";

const versions: readonly TlsVersion[] = ["TLSv1.2", "TLSv1.3"];
const tls = { caCerts: [certs.ca] };

async function get(
  transport: Transport,
  url: string,
): Promise<{ text: string; tls: TlsInfo }> {
  const response = await transport.roundTrip(new HttpRequest(url));
  return { text: await response.text(), tls: response.connection.tls! };
}

async function texts(transport: Transport, ...urls: string[]): Promise<string[]> {
  const all: string[] = [];
  for (const url of urls) all.push((await get(transport, url)).text);
  return all;
}

async function withTransport(
  options: TransportOptions,
  use: (transport: Transport) => Promise<void>,
): Promise<void> {
  const transport = new Transport(options);
  try {
    await use(transport);
  } finally {
    transport.destroy();
  }
}

for (const version of versions) {
  test(`T31 ${version}: a transport takes a session up, and tells of it`, async () => {
    await withSessionServer(version, async (port) => {
      await withTransport({ tls }, async (transport) => {
        const url = `https://localhost:${port}/`;
        const first = await get(transport, url);
        const second = await get(transport, url);
        assert.deepEqual([first.text, second.text], ["new", RESUMED]);
        const isTold = first.tls.engine !== "deno";
        assert.equal(first.tls.sessionReused, isTold ? false : null);
        assert.equal(second.tls.sessionReused, isTold ? true : null);
        assert.deepEqual(second.tls, { ...first.tls, sessionReused: second.tls.sessionReused });
        assert.equal(isTold, first.tls.peerCertificate !== null);
        // Another host is another place, though it is the same server.
        assert.equal((await get(transport, `https://127.0.0.1:${port}/`)).text, "new");
      });
    });
  });

  test(`T31 ${version}: sessions are forgotten with the idle connections, and never shared`, async () => {
    await withSessionServer(version, async (port) => {
      const url = `https://localhost:${port}/`;
      await withTransport({ tls }, async (transport) => {
        assert.deepEqual(await texts(transport, url, url), ["new", RESUMED]);
        await withTransport({ tls }, async (other) => {
          assert.deepEqual(await texts(other, url), ["new"]);
        });
        transport.closeIdleConnections();
        assert.deepEqual(await texts(transport, url, url), ["new", RESUMED]);
      });
      await withTransport({ tls, tlsSessions: false }, async (transport) => {
        assert.deepEqual(await texts(transport, url, url, url), ["new", "new", "new"]);
      });
    });
  });
}

test("T31 many dials at once each take up a session of their own", async () => {
  await withSessionServer("TLSv1.3", async (port) => {
    await withTransport({ tls }, async (transport) => {
      const url = `https://localhost:${port}/`;
      const all: string[] = [];
      for (let round = 0; round < 4; round++) {
        const texted = Array.from({ length: 10 }, () => texts(transport, url));
        all.push(...(await Promise.all(texted)).flat());
      }
      // Each full handshake gave two tickets, and no other gave one.
      const fresh = all.filter((text) => text === "new").length;
      const resumed = all.length - fresh;
      assert.ok(resumed <= 2 * fresh, `${resumed} by ${2 * fresh} tickets`);
      // A dial may be made, and its ticket with it, for a request that another one served.
      if (RESUMED === "resumed") assert.ok(resumed >= 10, `${resumed} of 40`);
      else assert.equal(resumed, 0);
    });
  });
});

/** A proxy that opens tunnels. */
async function withTunnels(use: (origin: string) => Promise<void>): Promise<void> {
  const sockets = new Set<net.Socket>();
  const hold = (socket: net.Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const server = net.createServer((near) => {
    hold(near);
    near.once("data", (head) => {
      const [, host, port] = /^CONNECT (\S+):(\d+)/.exec(head.toString("latin1"))!;
      const far = net.connect(Number(port), host, () => {
        near.write("HTTP/1.1 200 OK\r\n\r\n");
        near.pipe(far);
        far.pipe(near);
      });
      hold(far);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`);
  } finally {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  }
}

test("T31 T35 a session goes no other way to the same server", async () => {
  await withSessionServer("TLSv1.2", async (port) => {
    await withTunnels(async (one) => {
      await withTunnels(async (other) => {
        const url = `https://127.0.0.1:${port}/`;
        const withUser = one.replace("//", "//user:password@");
        const ways = [null, one, other, withUser, [one, other], [other, one]];
        let way: TransportOptions["proxy"] = null;
        const proxy = () => way as string | string[] | null;
        await withTransport({ tls, proxy }, async (transport) => {
          for (way of ways) {
            assert.deepEqual(await texts(transport, url), ["new"], `first by ${way}`);
          }
          for (way of ways) {
            assert.deepEqual(await texts(transport, url), [RESUMED], `again by ${way}`);
          }
        });
      });
    });
  });
});

test("T31 never with verifyPeer or a client certificate, nor where it would not be verified", async () => {
  await withSessionServer("TLSv1.2", async (port) => {
    const url = `https://localhost:${port}/`;
    let calls = 0;
    const verifyPeer = (info: TlsInfo): void => {
      assert.ok(info.peerCertificate !== null);
      calls++;
    };
    await withTransport({ tls: { ...tls, verifyPeer } }, async (transport) => {
      assert.deepEqual(await texts(transport, url, url, url), ["new", "new", "new"]);
    });
    assert.equal(calls, 3);
    await withTransport({ tls: { ...tls, ...certs.client } }, async (transport) => {
      assert.deepEqual(await texts(transport, url, url), ["new", "new"]);
    });
  });
});

test("T31 T33 dialers of callers: one that passes the options on takes sessions up, any other works", async () => {
  await withSessionServer("TLSv1.2", async (port) => {
    const url = `https://localhost:${port}/`;
    const system = systemDialer();
    const dialers: [string, Dialer, string][] = [
      ["wraps", {
        dial: (address, options) => system.dial(address, options),
        startTls: (conn, options, signal) => system.startTls(conn, options, signal),
      }, RESUMED],
      ["copies", {
        dial: (address, options) => system.dial(address, { ...options }),
        startTls: (conn, options, signal) => system.startTls(conn, { ...options }, signal),
      }, RESUMED],
      ["sends through JSON", {
        dial: (address, options) => system.dial(address, options),
        startTls: (conn, options, signal) =>
          system.startTls(conn, JSON.parse(JSON.stringify(options)), signal),
      }, "new"],
      ["clones", {
        dial: (address, options) => system.dial(address, options),
        startTls: (conn, options, signal) =>
          system.startTls(conn, structuredClone(options), signal),
      }, "new"],
    ];
    for (const [name, dialer, again] of dialers) {
      await withTransport({ tls, dialer }, async (transport) => {
        assert.deepEqual(await texts(transport, url, url), ["new", again], name);
      });
    }
    // It has looked at all that it was given.
    const keys: string[] = [];
    const strict: Dialer = {
      dial: (address, options) => system.dial(address, options),
      startTls: (conn, options, signal) => {
        keys.push(...Object.keys(options));
        return system.startTls(conn, options, signal);
      },
    };
    await withTransport({ tls, dialer: strict }, async (transport) => {
      await texts(transport, url);
    });
    assert.deepEqual(keys.sort(), ["alpnProtocols", "caCerts", "serverName"]);
  });
});
