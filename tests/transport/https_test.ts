/**
 * `https:` through the transport: which engine serves, and that nothing is sent to a server that
 * cannot prove who it is.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { type Address, systemDialer, unixDialer } from "../../conn/mod.ts";
import { HttpError, HttpRequest, type TlsOptions, Transport } from "../../mod.ts";
import { runtimePath } from "../../scripts/run_program.ts";
import { badCertificates } from "../support/bad_certificates.ts";
import * as certs from "../support/certs.ts";
import { listen } from "../support/conn_servers.ts";
import { runtime, test } from "../support/harness.ts";

const sessionServer = fileURLToPath(new URL("../fixtures/session_server.ts", import.meta.url));

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

test("T31: no session is taken up again, whatever host and trust came before", async () => {
  const server = spawn(runtimePath("node"), [sessionServer], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(server, "exit");
  try {
    const [line] = await once(server.stdout, "data") as [Uint8Array];
    const [first, second, port] = new TextDecoder().decode(line).trim().split(" ");
    assert.deepEqual([first, second], ["new", "resumed"]);
    const identities: TlsOptions[] = [
      { caCerts: [certs.ca] },
      { caCerts: [certs.ca], caMode: "only" },
      { caCerts: [certs.ca, certs.otherCa] },
      { caCerts: [certs.ca], verifyPeer: () => {} },
      { caCerts: [certs.ca], ...certs.client },
      { insecureSkipVerify: true },
      { caCerts: [certs.ca] },
    ];
    for (const tls of identities) {
      const transport = new Transport({ tls });
      for (const host of ["localhost", "127.0.0.1", "localhost"]) {
        const response = await transport.roundTrip(new HttpRequest(`https://${host}:${port}/`));
        assert.equal(await response.text(), "new");
      }
      transport.destroy();
    }
  } finally {
    server.stdin.end();
    await exited;
  }
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
