/**
 * HTTP/2 through the transport with servers that are not ours: ALPN, bursts, large bodies, what asks
 * for HTTP/1.1, and every way to a server.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  HttpRequest,
  type HttpRequestInit,
  type TlsInfo,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import { client } from "../support/certs.ts";
import { failure } from "../support/frame_network.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type Http2Servers, withHttp2Servers } from "../support/http2_servers.ts";
import { pipe } from "../../conn/pipe.ts";
import { testAuthority } from "../support/raw_server.ts";
import { withRouteServers } from "../support/route_servers.ts";
import { until } from "../support/waiting.ts";

const tls = { caCerts: [testAuthority] };

/** Sends a request and reads the answer. */
async function get(
  transport: Transport,
  url: string,
  init: HttpRequestInit = {},
): Promise<{ text: string; version: string; streamId: number | null; id: number }> {
  const response = await transport.roundTrip(new HttpRequest(url, init));
  const { httpVersion: version, connection: { streamId, id } } = response;
  return { text: await response.text(), version, streamId, id };
}

/** Runs a test with a transport that is closed behind it, with nothing left. */
async function withTransport(
  options: TransportOptions,
  run: (transport: Transport, servers: Http2Servers) => Promise<void>,
): Promise<void> {
  await withHttp2Servers(async (servers) => {
    // On a busy machine a handshake may be slow, and another be begun beside it: not on this clock.
    const clock = new ManualClock();
    const transport = new Transport({ http2: true, tls, clock, ...options });
    try {
      await run(transport, servers);
      await transport.close();
    } finally {
      transport.destroy();
    }
    const { total, dialing, waiting } = transport.stats();
    assert.deepEqual([total, dialing, waiting], [0, 0, 0]);
  });
}

test("H3 H103 100 at once over TLS: one connection where HTTP/2 is chosen, as many where HTTP/1.1 is", async () => {
  // A dial that is slow on a busy machine is not waited for.
  await withTransport({ clock: new ManualClock() }, async (transport, { secure, http1 }) => {
    const all = await Promise.all(Array.from({ length: 100 }, () => get(transport, secure)));
    assert.deepEqual([...new Set(all.map(({ text, version }) => `${version}: ${text}`))], [
      "2: h2 false 1",
    ]);
    assert.equal(new Set(all.map(({ streamId }) => streamId)).size, 100);
    assert.equal(transport.stats().total, 1);
    const old = await Promise.all(Array.from({ length: 20 }, () => get(transport, http1)));
    assert.ok(old.every(({ version }) => version === "1.1"));
    assert.ok(new Set(old.map(({ id }) => id)).size > 1);
    const shown = transport.inspect().connections.map(({ protocol }) => protocol);
    assert.equal(shown.filter((protocol) => protocol === "h2").length, 1);
  });
});

test("bodies of 8 MiB both ways, many beside each other", async () => {
  await withTransport({ clock: new ManualClock() }, async (transport, { secure }) => {
    const bytes = 8 << 20;
    const body = new Uint8Array(bytes).fill(7);
    const sizes = await Promise.all([
      ...[1, 2, 3].map(async () => (await get(transport, `${secure}/bytes/${bytes}`)).text.length),
      ...[1, 2].map(async () => {
        const request = new HttpRequest(`${secure}/echo`, { method: "POST", body });
        const got = await (await transport.roundTrip(request)).bytes();
        return got.every((byte) => byte === 7) ? got.length : -1;
      }),
      ...[1, 2, 3].map(async () => (await get(transport, secure)).text.length > 0 ? bytes : 0),
    ]);
    assert.deepEqual(sizes, Array(8).fill(bytes));
    assert.equal(transport.stats().total, 1);
  });
});

test("H75 a server that leaves after every 40 requests: none fails", async () => {
  await withTransport({}, async (transport, { secure }) => {
    const init = { method: "POST", body: "paid" };
    for (let round = 0; round < 5; round++) {
      const all = await Promise.all(
        Array.from({ length: 50 }, () => get(transport, `${secure}/leaves`, init)),
      );
      assert.ok(all.every(({ text }) => text === "ok"));
    }
    await until("one is left", () => transport.stats().total === 1);
  });
});

test("H82 HTTP_1_1_REQUIRED: sent again on a connection that offers HTTP/1.1 alone", async () => {
  await withTransport({}, async (transport, { secure }) => {
    assert.equal((await get(transport, secure)).version, "2");
    const init = { method: "POST", body: "paid" };
    const { text, version } = await get(transport, `${secure}/http1`, init);
    assert.deepEqual([text, version], ["http/1.1 false 2", "1.1"]);
    assert.equal((await get(transport, secure)).version, "1.1");
  });
});

test("H99 H107 what HTTP/1.1 alone can carry takes a connection of its own", async () => {
  await withTransport({}, async (transport, { secure }) => {
    assert.equal((await get(transport, secure)).version, "2");
    assert.equal((await get(transport, secure, { http2: false })).version, "1.1");
    const leased = await transport.connect(secure);
    const response = await leased.roundTrip(new HttpRequest(secure));
    assert.equal(response.httpVersion, "1.1");
    await response.bytes();
    leased.release();
    assert.equal((await get(transport, secure)).version, "2");
    assert.deepEqual(
      transport.inspect().connections.map(({ protocol }) => protocol).sort(),
      ["h2", "http/1.1"],
    );
  });
});

test("prior knowledge over TCP and at a Unix socket", async () => {
  await withTransport({ http2: { priorKnowledge: true } }, async (transport, servers) => {
    const { plain, socketPath } = servers;
    assert.equal((await get(transport, plain)).version, "2");
    const local = `http+unix://${encodeURIComponent(socketPath)}/`;
    const all = await Promise.all(Array.from({ length: 20 }, () => get(transport, local)));
    assert.ok(all.every(({ version }) => version === "2"));
    assert.equal(transport.stats().total, 2);
  });
});

test("H98 extended CONNECT through TLS: a connection over a stream", async () => {
  await withTransport({}, async (transport, { secure }) => {
    const init = { method: "CONNECT", protocol: "echo" };
    const response = await transport.roundTrip(new HttpRequest(`${secure}/chat`, init));
    assert.equal(response.status, 200);
    const conn = response.upgrade();
    await conn.write(new TextEncoder().encode("hello"));
    const p = new Uint8Array(10);
    assert.equal(await conn.read(p), 5);
    assert.equal((await get(transport, secure)).text, "h2 false 1");
    await conn.closeWrite();
    assert.equal(await conn.read(p), null);
    conn.close();
    await until("its place is free", () => transport.stats().idle === 1);
  });
});

test("H108 through tunnels of every kind as directly; what is forwarded is HTTP/1.1", async () => {
  const folder = mkdtempSync(join(tmpdir(), "roundtrip-"));
  try {
    await withRouteServers(join(folder, "socket"), async (routes) => {
      const proxies = {
        http: `http://user:pw@127.0.0.1:${routes.proxyPort}`,
        https: `https://user:pw@localhost:${routes.secureProxyPort}`,
        socks: `socks5h://user:pw@127.0.0.1:${routes.socksPort}`,
      };
      const both = [proxies.socks, proxies.http];
      for (const proxy of [proxies.http, proxies.https, proxies.socks, both]) {
        const options = { proxy, proxyTls: tls, http2: { priorKnowledge: true } };
        await withTransport(options, async (transport, { secure, plain }) => {
          const all = await Promise.all(Array.from({ length: 10 }, () => get(transport, secure)));
          assert.ok(all.every(({ version }) => version === "2"), `${proxy}`);
          assert.equal(transport.stats().total, 1);
          if (proxy !== proxies.socks) return;
          // In a tunnel nobody else speaks first.
          assert.equal((await get(transport, plain)).version, "2");
        });
      }
      const options = { proxy: proxies.http, http2: { priorKnowledge: true } };
      await withTransport(options, async (transport) => {
        assert.equal((await get(transport, "http://example.com/")).version, "1.1");
      });
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("H109 egress, verifyPeer and client certificates: for each connection, as with HTTP/1.1", async () => {
  const asked: string[] = [];
  const withCertificate = { ...tls, cert: client.cert, key: client.key };
  const verifyPeer = ({ alpnProtocol }: TlsInfo): void => void asked.push(`${alpnProtocol}`);
  const options = { tls: { ...withCertificate, verifyPeer } };
  await withTransport(options, async (transport, { secure }) => {
    const all = await Promise.all(Array.from({ length: 10 }, () => get(transport, secure)));
    assert.deepEqual([...new Set(all.map(({ text }) => text))], ["h2 true 1"]);
    assert.deepEqual(asked, ["h2"]);
  });
  await withTransport({ egress: { allow: ["192.0.2.0/24"] } }, async (transport, { secure }) => {
    assert.equal((await failure(get(transport, secure))).code, "ERR_BLOCKED");
  });
});

test("tlsHandshakeTimeoutMs ends the handshake that all wait for", async () => {
  const clock = new ManualClock();
  const [near, far] = pipe();
  let handshakes = 0;
  const transport = new Transport({
    clock,
    http2: true,
    tlsHandshakeTimeoutMs: 1_000,
    maxConnsPerHost: 1,
    dialer: {
      dial: () => Promise.resolve(near),
      startTls: () => {
        handshakes++;
        return new Promise(() => {});
      },
    },
  });
  const errors = failure(get(transport, "https://a.test/"));
  await until("it shakes hands", () => handshakes === 1);
  clock.advance(1_010);
  const error = await errors;
  assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "tls"]);
  assert.equal(error.attempt!.verdict, "never-sent");
  assert.equal(transport.stats().dialing, 0);
  transport.destroy();
  assert.equal(clock.runningCount, 0);
  far.close();
});
