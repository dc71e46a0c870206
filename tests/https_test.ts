/**
 * `https:` through the transport: which engine serves, and that nothing is sent to a server that
 * cannot prove who it is.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { HttpError, HttpRequest, type TlsOptions, Transport } from "../mod.ts";
import * as certs from "./conn/certs.ts";
import { runtime, test } from "./harness.ts";

/** Runs `use` against a TLS server that answers every request and counts what it can read. */
async function withHttps(
  leaf: certs.Leaf,
  use: (origin: string, plainBytes: () => number) => Promise<void>,
): Promise<void> {
  const sockets = new Set<TLSSocket>();
  let bytes = 0;
  const server = createServer({ ...leaf }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      bytes += chunk.length;
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  });
  // A client that refuses the certificate ends the handshake with an alert.
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await use(`https://localhost:${port}`, () => bytes);
  } finally {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  }
}

async function get(origin: string, tls: TlsOptions): Promise<{ text: string; engine: string }> {
  const transport = new Transport({ tls });
  try {
    const response = await transport.roundTrip(new HttpRequest(`${origin}/`));
    return { text: await response.text(), engine: response.connection.tls!.engine };
  } finally {
    transport.destroy();
    assert.equal(transport.stats().total, 0);
  }
}

test("https: a plain request is served by the runtime's own engine", async () => {
  await withHttps(certs.localhost, async (origin) => {
    assert.deepEqual(await get(origin, { caCerts: [certs.ca] }), { text: "ok", engine: runtime });
  });
});

test("https: what the own engine cannot do is served by the second one", async () => {
  await withHttps(certs.localhost, async (origin) => {
    let seen = "";
    const tls: TlsOptions = {
      caCerts: [certs.ca],
      verifyPeer: (info) => seen = info.peerCertificate!.subject,
    };
    const engine = runtime === "deno" ? "node" : runtime;
    assert.deepEqual(await get(origin, tls), { text: "ok", engine });
    assert.match(seen, /CN=localhost/);
  });
});

const refused: readonly (readonly [why: string, leaf: certs.Leaf, options: TlsOptions])[] = [
  ["of an unknown authority", certs.untrusted, {}],
  ["for another host", certs.otherHost, {}],
  ["that has expired", certs.expired, {}],
  ["that names the host only as its common name", certs.cnOnly, {}],
  ["that is for another name than the one asked for", certs.localhost, {
    serverName: "other.test",
  }],
];

for (const [why, leaf, options] of refused) {
  test(`T60 a certificate ${why} is refused before a byte of the request is sent`, async () => {
    await withHttps(leaf, async (origin, plainBytes) => {
      for (const more of [{}, { minVersion: "TLSv1.3" as const }]) {
        const tls: TlsOptions = { caCerts: [certs.ca], ...options, ...more };
        await assert.rejects(get(origin, tls), (error) => {
          assert.ok(error instanceof HttpError, String(error));
          assert.deepEqual([error.code, error.phase], ["ERR_TLS", "tls"]);
          assert.equal(error.attempt?.verdict, "never-sent");
          return true;
        });
      }
      assert.equal(plainBytes(), 0);
    });
  });
}

test("https: insecureSkipVerify accepts what would be refused", async () => {
  await withHttps(certs.untrusted, async (origin) => {
    assert.equal((await get(origin, { insecureSkipVerify: true })).text, "ok");
  });
});
