/**
 * `https:` through the transport: which engine serves, and that nothing is sent to a server that
 * cannot prove who it is.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { type Address, systemDialer, unixDialer } from "../../conn/mod.ts";
import { HttpError, HttpRequest, type TlsOptions, Transport } from "../../mod.ts";
import { badCertificates } from "../support/bad_certificates.ts";
import * as certs from "../support/certs.ts";
import { listen } from "../support/conn_servers.ts";
import { runtime, test } from "../support/harness.ts";

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

const ownAuthorities: readonly (readonly [name: string, caCerts: string[]])[] = [
  ["alone", [certs.ownAuthority.cert]],
  ["behind another", [certs.otherCa, certs.ownAuthority.cert]],
  ["in one text with another", [certs.otherCa + certs.ownAuthority.cert]],
  ["with other line ends", [certs.ownAuthority.cert.replaceAll("\n", "\r\n")]],
];

for (const [how, caCerts] of ownAuthorities) {
  test(`M26 a plain self-signed certificate that is trusted, ${how}, is served by the second engine on Deno`, async () => {
    await withHttps(certs.ownAuthority, async (origin) => {
      const engine = runtime === "deno" ? "node" : runtime;
      assert.deepEqual(await get(origin, { caCerts }), { text: "ok", engine });
    });
  });
}

test("M26 a self-signed certificate that is of no authority needs no second engine", async () => {
  await withHttps(certs.selfSigned, async (origin) => {
    const tls: TlsOptions = { caCerts: [certs.otherCa, certs.selfSigned.cert] };
    assert.deepEqual(await get(origin, tls), { text: "ok", engine: runtime });
  });
});

test("M26 trusting a plain self-signed certificate trusts no other, and for no other name", async () => {
  const trust: TlsOptions = { caCerts: [certs.ownAuthority.cert] };
  const refused: readonly (readonly [leaf: certs.Leaf, options: TlsOptions])[] = [
    [certs.selfSigned, trust],
    [certs.localhost, trust],
    [certs.ownAuthority, { ...trust, serverName: "other.test" }],
    [certs.ownAuthority, { caCerts: [certs.selfSigned.cert] }],
  ];
  for (const [leaf, tls] of refused) {
    await withHttps(leaf, async (origin, plainBytes) => {
      await assert.rejects(get(origin, tls), { code: "ERR_TLS", phase: "tls" });
      assert.equal(plainBytes(), 0);
    });
  }
});

/** Engines by the option that has them serve. */
const engines: readonly TlsOptions[] = [{}, { minVersion: "TLSv1.3" }];

const refused: readonly (readonly [what: string, leaf: certs.Leaf, options: TlsOptions])[] = [
  ...badCertificates.map(({ what, leaf }) => [what, leaf, {}] as const),
  ["that is for another name than the one asked for", certs.localhost, {
    serverName: "other.test",
  }],
];

for (const [what, leaf, options] of refused) {
  test(`T32 T60: direct: a certificate ${what} is refused before a byte is sent`, async () => {
    await withHttps(leaf, async (origin, plainBytes) => {
      for (const engine of engines) {
        const tls: TlsOptions = { caCerts: [certs.ca], ...options, ...engine };
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

test("T33: verifyPeer survives every wrapper", async () => {
  for (const unix of [false, true]) {
    const server = await listen({ tls: { ...certs.localhost }, unix });
    const { address } = server;
    const host: Address = { transport: "tcp", hostname: "localhost", port: 443 };
    const reason = new Error("pin");
    const tls: TlsOptions = {
      caCerts: [certs.ca],
      serverName: "localhost",
      verifyPeer: () => {
        throw reason;
      },
    };
    const dialer = address.transport === "unix" ? unixDialer(address.path) : systemDialer();
    const target = address.transport === "unix" ? host : address;
    const transport = new Transport({ dialer, tls });
    const { port } = target;
    const ways: Record<string, () => Promise<unknown>> = {
      dial: () => dialer.dial(target, { tls }),
      startTls: async () => dialer.startTls(await dialer.dial(target), tls),
      roundTrip: () => transport.roundTrip(new HttpRequest(`https://127.0.0.1:${port}/`)),
    };
    try {
      for (const [way, run] of Object.entries(ways)) {
        const error = await run().then(() => null, (error: unknown) => error);
        assert.ok(error instanceof HttpError, way);
        assert.equal(error.code, "ERR_TLS", way);
        assert.equal(error.cause, reason, way);
      }
    } finally {
      transport.destroy();
      await server.close();
    }
  }
});

test("T33: an unknown TLS option of a transport is refused by name", async () => {
  await withHttps(certs.localhost, async (origin, plainBytes) => {
    for (const key of ["checkServerIdentity", "rejectUnauthorized", "ca"]) {
      const tls = { [key]: () => {} } as TlsOptions;
      await assert.rejects(get(origin, tls), (error) => {
        assert.ok(error instanceof HttpError);
        assert.equal(error.code, "ERR_INVALID_REQUEST");
        assert.match(error.message, new RegExp(`TLS option ${key}: unknown`));
        return true;
      });
    }
    assert.equal(plainBytes(), 0);
  });
});
