/**
 * A bad certificate is refused on every route, of the server as of the proxy, and not a byte is sent
 * to who presents it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError, HttpRequest, Transport, type TransportOptions } from "../../../mod.ts";
import { badCertificates, goodTrust } from "../../support/bad_certificates.ts";
import * as certs from "../../support/certs.ts";
import { runtime, test } from "../../support/harness.ts";
import { peerRoutes, startPeerProxies } from "../../support/peer_proxies.ts";
import { withRawServer } from "../../support/raw_server.ts";

const ports = await startPeerProxies();

async function failure(url: string, options: TransportOptions): Promise<HttpError> {
  const transport = new Transport(options);
  try {
    const response = await transport.roundTrip(new HttpRequest(url));
    await response.bytes();
  } catch (error) {
    assert.ok(error instanceof HttpError, String(error));
    assert.equal(error.attempt?.verdict, "never-sent");
    return error;
  } finally {
    assert.deepEqual([transport.stats().total, transport.stats().dialing], [0, 0]);
    transport.destroy();
  }
  return assert.fail("The certificate was accepted");
}

const names = [
  "direct",
  "http",
  "https",
  "socks5h with a password",
  "http, socks5",
  "https, https",
];
const routes = peerRoutes.filter(({ name }) => names.includes(name));

for (const { what, leaf, message } of badCertificates) {
  test(`T32 a server's certificate ${what} is refused on every route`, async () => {
    await withRawServer(() => {}, async (server) => {
      for (const { name, proxy } of routes) {
        for (const more of [{}, { minVersion: "TLSv1.3" as const }]) {
          const error = await failure(server.origin, {
            proxy: proxy(ports),
            tls: { ...goodTrust, ...more },
            proxyTls: { caCerts: [certs.ca] },
          });
          assert.deepEqual([error.code, error.phase], ["ERR_TLS", "tls"], name);
          assert.match(error.message, message, name);
          assert.doesNotMatch(error.message, /Proxy/, name);
        }
      }
      for (const { received } of server.connections) assert.equal(received, "");
    }, { leaf });
  });

  test(`T32 a proxy's certificate ${what} is refused, wherever it stands`, async () => {
    await withRawServer(() => {}, async (proxy) => {
      const bad = proxy.origin.replace("https://", "https://user:canary@");
      const chains: (string | string[])[] = [
        bad,
        [`http://127.0.0.1:${ports.http}`, bad],
        [`https://localhost:${ports.https}`, bad],
        [`socks5h://127.0.0.1:${ports.socks5}`, bad],
      ];
      for (const chain of chains) {
        for (const url of ["https://localhost:1/", "http://localhost:1/"]) {
          const error = await failure(url, {
            proxy: chain,
            tls: { insecureSkipVerify: true },
            proxyTls: goodTrust,
          });
          assert.deepEqual([error.code, error.phase], ["ERR_TLS", "proxy"]);
          assert.match(error.message, message);
          assert.ok(error.message.startsWith(`Proxy ${proxy.origin}: `), error.message);
        }
      }
      for (const { received } of proxy.connections) assert.equal(received, "");
    }, { leaf });
  });
}

/** What is trusted of the one is not trusted of the other. */
const swapped: readonly (readonly [what: string, options: TransportOptions, phase: string])[] = [
  ["tls trusts the server alone", { tls: { caCerts: [certs.ca] } }, "proxy"],
  ["proxyTls trusts the proxy alone", { proxyTls: { caCerts: [certs.ca] } }, "tls"],
];

for (const [what, options, phase] of swapped) {
  test(`T32 ${what}`, async () => {
    await withRawServer(() => {}, async (server) => {
      const error = await failure(server.origin, {
        ...options,
        proxy: `https://localhost:${ports.https}`,
      });
      assert.deepEqual([error.code, error.phase], ["ERR_TLS", phase]);
    }, { tls: true });
  });
}

test("M26 a proxy's plain self-signed certificate in proxyTls is served by the second engine on Deno", async () => {
  const leaf = certs.ownAuthority;
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 204 No Content\r\n\r\n");
  }, async (proxy) => {
    const engines: (string | undefined)[] = [];
    const transport = new Transport({
      proxy: proxy.origin,
      proxyTls: { caCerts: [leaf.cert] },
      trace: { tlsHandshakeDone: ({ tls }) => void engines.push(tls?.engine) },
    });
    const response = await transport.roundTrip(new HttpRequest("http://a.test/"));
    assert.equal(response.status, 204);
    assert.deepEqual(engines, [runtime === "deno" ? "node" : runtime]);
    transport.destroy();
  }, { leaf });
});

test("T60 an https: proxy that speaks plain HTTP is told so", async () => {
  const answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
  await withRawServer(async (connection) => {
    await connection.readBytes(1);
    await connection.send(answer);
    connection.end();
  }, async (server) => {
    const proxy = `https://user:canary@127.0.0.1:${server.port}`;
    const error = await failure("https://localhost:1/", { proxy });
    assert.deepEqual([error.code, error.phase], ["ERR_TLS", "proxy"]);
    assert.match(error.message, /the peer does not speak TLS$/);
    assert.doesNotMatch(server.connections[0].received, /canary|CONNECT/);
  });
});
