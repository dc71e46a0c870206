/**
 * Dialling: what fails and how it is told, every TLS option, and aborting in every phase.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type * as net from "node:net";
import process from "node:process";
import {
  type Address,
  type Conn,
  type DialOptions,
  HttpError,
  type HttpErrorCode,
  systemDialer,
  type TcpAddress,
  type TlsInfo,
  type TlsOptions,
  unixDialer,
} from "../../conn/mod.ts";
import { badCertificates } from "../support/bad_certificates.ts";
import * as certs from "../support/certs.ts";
import { withFullBacklog } from "../support/full_backlog.ts";
import { type ClientHello, parseClientHello } from "../support/client_hello.ts";
import { testUnlessGap } from "../support/conn_gaps.ts";
import { type CountedSignal, countedSignal } from "../support/counted_signal.ts";
import { foreign, socketPeer } from "../support/conn_links.ts";
import { listen, type ListenOptions, relay, type TestServer } from "../support/conn_servers.ts";
import { runtime, test } from "../support/harness.ts";
import { until } from "../support/waiting.ts";

const dialer = systemDialer();
const text = new TextEncoder();

/** Asserts that a dial fails with this code, and closes it if it does not. */
async function fails(
  dialing: Promise<Conn>,
  code: HttpErrorCode,
  message: RegExp = /./,
): Promise<HttpError> {
  const result = await dialing.catch((error: unknown) => error);
  if (!(result instanceof HttpError)) {
    if (typeof result === "object" && result !== null && "close" in result) {
      (result as Conn).close();
    }
    assert.fail(`No HttpError: ${result}`);
  }
  assert.equal(result.code, code, result.message);
  assert.match(result.message, message);
  return result;
}

async function withServer(
  options: ListenOptions,
  use: (server: TestServer, address: Address) => Promise<void>,
): Promise<void> {
  const server = await listen(options);
  try {
    await use(server, server.address);
  } finally {
    await server.close();
  }
}

/** An address of a port where nobody listens. */
async function freeAddress(): Promise<Address> {
  const server = await listen();
  await server.close();
  return server.address;
}

async function echo(conn: Conn, server: TestServer): Promise<void> {
  const peer = socketPeer(await server.accept());
  await conn.write(text.encode("hello"));
  assert.deepEqual(await peer.receive(5), text.encode("hello"));
}

test("dial: a port where nobody listens is refused", async () => {
  const address = await freeAddress();
  const { port } = address as { port: number };
  const error = await fails(dialer.dial(address), "ERR_DIAL");
  assert.equal(error.message, `Cannot connect to 127.0.0.1:${port}: refused`);
  assert.equal(error.phase, "dial");
  assert.equal(error.attempt, null);
  assert.ok(error.cause instanceof Error);
});

test("dial: TLS to a port where nobody listens is refused", async () => {
  const tls = { caCerts: [certs.ca] };
  await fails(dialer.dial(await freeAddress(), { tls }), "ERR_DIAL", /: refused$/);
});

test("dial: IPv6 addresses stand in brackets in messages", async () => {
  const { port } = await freeAddress() as { port: number };
  const dialing = dialer.dial({ transport: "tcp", hostname: "::1", port });
  await fails(dialing, "ERR_DIAL", /^Cannot connect to \[::1\]:[0-9]+: /);
});

test("dial: an unknown host", async () => {
  const address = { transport: "tcp", hostname: "no-such-host.invalid", port: 80 } as const;
  const error = await fails(dialer.dial(address), "ERR_DIAL");
  assert.equal(error.message, "Cannot connect to no-such-host.invalid:80: unknown host");
});

test("dial: a Unix socket that is not there", async () => {
  const dialing = dialer.dial({ transport: "unix", path: "/no/such/socket" });
  await fails(dialing, "ERR_DIAL", /^Cannot connect to \/no\/such\/socket: no such socket$/);
});

test("dial: addresses that cannot be one are refused", async () => {
  const bad: Address[] = [
    { transport: "tcp", hostname: "", port: 80 },
    { transport: "tcp", hostname: "a\0b", port: 80 },
    { transport: "tcp", hostname: "localhost", port: 0 },
    { transport: "tcp", hostname: "localhost", port: 65536 },
    { transport: "tcp", hostname: "localhost", port: 1.5 },
    { transport: "unix", path: "" },
    { transport: "unix", path: "/tmp/a\0b" },
    { transport: "udp" } as unknown as Address,
  ];
  for (const address of bad) {
    await fails(dialer.dial(address), "ERR_INVALID_REQUEST", /^Cannot dial: /);
  }
});

test("dial: by name", async () => {
  await withServer({}, async (server) => {
    const { port } = server.address as { port: number };
    const conn = await dialer.dial({ transport: "tcp", hostname: "localhost", port });
    await echo(conn, server);
    conn.close();
  });
});

test("T33: dial: unknown options are refused by name", async () => {
  await withServer({}, async (_server, address) => {
    const options = { timeout: 5 } as unknown as DialOptions;
    await fails(dialer.dial(address, options), "ERR_INVALID_REQUEST", /dial option timeout:/);
    for (const key of ["rejectUnauthorized", "checkServerIdentity", "constructor"]) {
      const tls = { [key]: false } as unknown as TlsOptions;
      const message = new RegExp(`TLS option ${key}: unknown`);
      await fails(dialer.dial(address, { tls }), "ERR_INVALID_REQUEST", message);
      const conn = await dialer.dial(address);
      await fails(dialer.startTls(conn, tls), "ERR_INVALID_REQUEST", message);
    }
  });
});

test("dial: options of the wrong kind are refused by name", async () => {
  await withServer({}, async (_server, address) => {
    const bad: [string, Record<string, unknown>][] = [
      ["caCerts", { caCerts: certs.ca }],
      ["caCerts", { caCerts: ["not PEM"] }],
      ["caMode", { caCerts: [certs.ca], caMode: "none" }],
      ["caMode", { caMode: "only" }],
      ["cert", { cert: certs.client.cert }],
      ["key", { key: certs.client.key }],
      ["cert", { cert: "not PEM", key: certs.client.key }],
      ["serverName", { serverName: "" }],
      ["alpnProtocols", { alpnProtocols: [""] }],
      ["alpnProtocols", { alpnProtocols: "http/1.1" }],
      ["minVersion", { minVersion: "TLSv1.1" }],
      ["insecureSkipVerify", { insecureSkipVerify: "yes" }],
      ["verifyPeer", { verifyPeer: true }],
    ];
    for (const [key, tls] of bad) {
      const dialing = dialer.dial(address, { tls: tls as TlsOptions });
      await fails(dialing, "ERR_INVALID_REQUEST", new RegExp(`option ${key}: `));
    }
  });
});

test("dial: a key that is not the certificate's is refused", async () => {
  await withServer({ tls: { ...certs.localhost } }, async (_server, address) => {
    const tls = { caCerts: [certs.ca], cert: certs.client.cert, key: certs.otherHost.key };
    const error = await dialer.dial(address, { tls }).catch((error: unknown) => error);
    assert.ok(error instanceof HttpError, String(error));
    assert.match(error.code, /^ERR_(INVALID_REQUEST|TLS)$/);
  });
});

test("dial: localAddress is where the connection comes from", async () => {
  const localAddress = "127.0.0.3";
  for (const tls of [undefined, { caCerts: [certs.ca] }]) {
    await withServer({ tls: tls && { ...certs.localhost } }, async (server, address) => {
      const conn = await dialer.dial(address, { localAddress, tls });
      const socket = await server.accept();
      assert.equal(socket.remoteAddress, localAddress);
      assert.equal((conn.localAddr as { hostname: string }).hostname, localAddress);
      conn.close();
      // Node ends the process when a TLS socket is destroyed on both sides at once.
      assert.equal((await socketPeer(socket).receive(1)).length, 0);
      // Not one of this machine.
      const dialing = dialer.dial(address, { localAddress: "192.0.2.1", tls });
      await fails(dialing, "ERR_DIAL", /: local address not available$|: bind EINVAL /);
    });
  }
});

const PROBE_TIMER = 2;
const NO_TIMER = 0;

/**
 * Waits until Linux says that the timer of a socket is of this kind, which it is not as long as
 * something is not acknowledged.
 *
 * @returns Milliseconds that it still has.
 */
async function timerOf(conn: Conn, kind: number): Promise<number> {
  const ends = [conn.localAddr, conn.remoteAddr].map((address) =>
    `:${(address as TcpAddress).port.toString(16).toUpperCase().padStart(4, "0")}`
  );
  for (;;) {
    const lines = (await readFile("/proc/net/tcp", "utf8")).split("\n");
    const row = lines.map((line) => line.trim().split(/\s+/)).find(([, local, remote]) =>
      local?.endsWith(ends[0]) && remote.endsWith(ends[1])
    );
    // While other sockets come and go one may be left out.
    const [found, jiffies] = row?.[5].split(":") ?? [];
    if (Number(found) === kind) return 10 * parseInt(jiffies, 16);
  }
}

const securities: [string, TlsOptions | undefined][] = [
  ["TCP", undefined],
  ["TLS", { caCerts: [certs.ca] }],
];
for (const [name, tls] of securities) {
  test(`dial: tcpKeepAliveMs makes the kernel probe, over ${name}`, async () => {
    await withServer({ tls: tls && { ...certs.localhost } }, async (_server, address) => {
      for (const tcpKeepAliveMs of [45_000, 1_500, 0, undefined]) {
        const conn = await dialer.dial(address, { tcpKeepAliveMs, tls });
        // Other systems do not tell.
        const leftMs = process.platform === "linux"
          ? await timerOf(conn, tcpKeepAliveMs ? PROBE_TIMER : NO_TIMER)
          : tcpKeepAliveMs ?? 0;
        if (tcpKeepAliveMs === 45_000) {
          assert.ok(leftMs > 5_000 && leftMs <= 45_000, `${leftMs} ms`);
        }
        if (tcpKeepAliveMs === 1_500) assert.ok(leftMs <= 2_000, `${leftMs} ms`);
        conn.close();
        await conn.whenClosed?.();
      }
    });
  });
}

test("dial: what cannot be asked of TCP is refused", async () => {
  await withServer({}, async (_server, address) => {
    for (
      const options of [
        { tcpNoDelay: 1 },
        { tcpKeepAliveMs: -1 },
        { tcpKeepAliveMs: 1.5 },
        { tcpKeepAliveMs: 32_767_001 },
        { tcpKeepAliveMs: "1000" },
      ] as unknown as DialOptions[]
    ) {
      const name = Object.keys(options)[0];
      await fails(
        dialer.dial(address, options),
        "ERR_INVALID_REQUEST",
        new RegExp(`dial option ${name}: `),
      );
    }
    const conn = await dialer.dial(address, { tcpNoDelay: false, tcpKeepAliveMs: 32_767_000 });
    conn.close();
    await conn.whenClosed?.();
  });
});

for (const way of ["dial()", "startTls()"] as const) {
  test(`tls: ${way}: keyLog is told the secrets, or refused; what it throws ends the connection`, async () => {
    await withServer({ tls: { ...certs.localhost } }, async (server, address) => {
      const connect = async (keyLog: (line: string) => void): Promise<Conn> => {
        const tls: TlsOptions = { caCerts: [certs.ca], keyLog };
        return way === "dial()"
          ? await dialer.dial(address, { tls })
          : await dialer.startTls(await dialer.dial(address), tls);
      };
      if (runtime === "deno") {
        const refused = /keyLog: Deno writes .* SSLKEYLOGFILE/;
        await fails(connect(() => {}), "ERR_INVALID_REQUEST", refused);
        return;
      }
      const lines: string[] = [];
      const conn = await connect((line) => lines.push(line));
      await server.accept();
      assert.equal(conn.tls?.protocol, "TLSv1.3");
      // Bun tells it when the handshake is over.
      await until("all secrets are told", () => lines.length >= 4);
      const format = /^([A-Z0-9_]+) ([0-9a-f]{64}) ([0-9a-f]{64,})$/;
      const parsed = lines.map((line) => format.exec(line) ?? assert.fail(line));
      for (const side of ["CLIENT", "SERVER"]) {
        for (const label of [`${side}_HANDSHAKE_TRAFFIC_SECRET`, `${side}_TRAFFIC_SECRET_0`]) {
          assert.equal(parsed.filter((line) => line[1] === label).length, 1, label);
        }
      }
      assert.equal(new Set(parsed.map((line) => line[2])).size, 1, "one connection");
      conn.close();
      await conn.whenClosed?.();
      const noRoom = new Error("no room");
      const refusals: (() => unknown)[] = [() => {
        throw noRoom;
      }, () => Promise.reject(noRoom)];
      for (const keyLog of refusals) {
        const ended = connect(keyLog as () => void).then((conn) => conn.read(new Uint8Array(1)));
        const error = await ended.catch((error: unknown) => error);
        assert.ok(error instanceof HttpError, `${error}`);
        assert.match(error.code, /^ERR_(TLS|CONNECTION_LOST)$/);
        assert.equal(error.cause, noRoom);
      }
    });
  });
}

test("dial: localAddress is refused for a Unix socket", async () => {
  await withServer({ unix: true }, async (_server, address) => {
    const dialing = dialer.dial(address, { localAddress: "127.0.0.3" });
    await fails(dialing, "ERR_INVALID_REQUEST", /dial option localAddress: a Unix socket/);
  });
});

test("dial: localAddress has to be an IP address", async () => {
  await withServer({}, async (_server, address) => {
    const dialing = dialer.dial(address, { localAddress: "localhost" });
    await fails(dialing, "ERR_INVALID_REQUEST", /dial option localAddress: /);
  });
});

test("dial: TLS over Unix needs a name", async () => {
  await withServer({ unix: true }, async (_server, address) => {
    const dialing = dialer.dial(address, { tls: { caCerts: [certs.ca] } });
    await fails(dialing, "ERR_INVALID_REQUEST", /TLS option serverName: needed/);
  });
});

test("dial: unixDialer() goes to its socket whatever it is asked for", async () => {
  await withServer({ unix: true }, async (server, address) => {
    const { path } = address as { path: string };
    const conn = await unixDialer(path).dial({
      transport: "tcp",
      hostname: "a.test",
      port: 80,
    });
    assert.deepEqual(conn.remoteAddr, { transport: "unix", path });
    await echo(conn, server);
    conn.close();
  });
});

test("dial: onConnect is called once, between connecting and securing", async () => {
  const options: TlsOptions[] = [{}, { minVersion: "TLSv1.3" }];
  for (const more of options) {
    await withServer({}, async (server, address) => {
      let calls = 0;
      const onConnect = () => void calls++;
      const tls = { caCerts: [certs.ca], ...more };
      const dialing = dialer.dial(address, { tls, onConnect });
      const socket = await server.accept();
      // The hello has come, nobody answers it.
      await new Promise((resolve) => socket.once("readable", resolve));
      assert.equal(calls, 1);
      socket.destroy();
      await fails(dialing, "ERR_TLS");
      assert.equal(calls, 1);
      (await dialer.dial(address, { onConnect })).close();
      assert.equal(calls, 2);
      await fails(dialer.dial(await freeAddress(), { tls, onConnect }), "ERR_DIAL");
      assert.equal(calls, 2);
    });
  }
});

test("dial: what onConnect throws rejects the dial and closes the connection", async () => {
  await withServer({}, async (server, address) => {
    for (const tls of [undefined, { caCerts: [certs.ca] }]) {
      const reason = new Error("enough");
      const onConnect = () => {
        throw reason;
      };
      const result = await dialer.dial(address, { tls, onConnect }).catch((error) => error);
      assert.equal(result, reason);
      const socket = await server.accept();
      socket.resume();
      await new Promise((resolve) => socket.once("end", resolve));
    }
    const options = { onConnect: true } as unknown as DialOptions;
    await fails(dialer.dial(address, options), "ERR_INVALID_REQUEST", /dial option onConnect: /);
  });
});

test("dial: a signal that aborts as soon as the connection is open", async () => {
  await withServer({}, async (server, address) => {
    const abort = countedSignal();
    const { signal } = abort;
    const reason = new Error("enough");
    const onConnect = () => abort.abort(reason);
    const tls = { caCerts: [certs.ca] };
    const result = await dialer.dial(address, { tls, signal, onConnect }).catch((error) => error);
    assert.equal(result, reason);
    assert.equal(abort.listenerCount(), 0);
    const socket = await server.accept();
    // Deno closes the socket of a handshake that was given up when the peer says something.
    socket.write("x");
    socket.resume();
    await new Promise((resolve) => {
      socket.once("end", resolve);
      socket.once("close", resolve);
    });
  });
});

/** The ways to a TLS connection that have an engine of their own. */
const ways: Readonly<
  Record<string, (address: Address, tls: TlsOptions, signal?: AbortSignal) => Promise<Conn>>
> = {
  "dial()": (address, tls, signal) => dialer.dial(address, { tls, signal }),
  "startTls()": async (address, tls, signal) =>
    dialer.startTls(await dialer.dial(address), tls, signal),
  "startTls() over any conn": async (address, tls, signal) =>
    dialer.startTls(foreign(await dialer.dial(address)), tls, signal),
};

/** What ends without saying so may have been cut off by anybody. */
function testEndWithoutNotice(way: string, secure: (typeof ways)[string]): void {
  testUnlessGap(`tls: ${way}: an end without close_notify is a lost connection`, async () => {
    const trust: TlsOptions = { caCerts: [certs.ca], serverName: "localhost" };
    await withServer({ tls: { ...certs.localhost } }, async (server, target) => {
      const clients: net.Socket[] = [];
      const front = await relay(target, {}, (socket) => clients.push(socket));
      try {
        const conn = await secure(front.address, trust);
        await socketPeer(await server.accept()).send(text.encode("x"));
        assert.equal(await conn.read(new Uint8Array(1)), 1);
        clients[0].end();
        const result = await conn.read(new Uint8Array(1)).catch((error: unknown) => error);
        conn.close();
        assert.ok(result instanceof HttpError, String(result));
        assert.equal(result.code, "ERR_CONNECTION_LOST");
      } finally {
        await front.close();
      }
    });
  });
}

/** Registers the tests of one way. */
function testWay(way: string, secure: (typeof ways)[string]): void {
  const trust: TlsOptions = { caCerts: [certs.ca], serverName: "localhost" };

  /** A connection to a server with this leaf; checks that it works. */
  async function succeeds(
    server: ListenOptions["tls"],
    options: TlsOptions,
    check: (conn: Conn) => void = () => {},
  ): Promise<void> {
    await withServer({ tls: { ...certs.localhost, ...server } }, async (server, address) => {
      const conn = await secure(address, options);
      check(conn);
      await echo(conn, server);
      conn.close();
    });
  }

  /** A handshake that has to fail. */
  async function refuses(
    server: ListenOptions["tls"],
    options: TlsOptions,
    message: RegExp,
  ): Promise<HttpError> {
    let error: HttpError;
    await withServer({ tls: { ...certs.localhost, ...server } }, async (_server, address) => {
      error = await fails(secure(address, options), "ERR_TLS", message);
      assert.equal(error.phase, "tls");
    });
    return error!;
  }

  test(`tls: ${way}: the host's own name is checked when none is given`, () =>
    succeeds({}, { caCerts: [certs.ca] }));

  test(`T36: ${way}: a name may end with a dot`, () =>
    succeeds({}, { caCerts: [certs.ca], serverName: "localhost." }));

  test(`T36: ${way}: the case of a name does not matter`, () =>
    succeeds({}, { caCerts: [certs.ca], serverName: "LocalHost" }));

  test(`T36: ${way}: an IP address is checked against the addresses of the certificate`, async () => {
    await succeeds({}, { ...trust, serverName: "127.0.0.1" });
    await succeeds({}, { ...trust, serverName: "::1" });
    await refuses({}, { ...trust, serverName: "127.0.0.2" }, /: .* for another host$/);
    await refuses(certs.otherHost, { ...trust, serverName: "127.0.0.1" }, /for another host$/);
  });

  test(`tls: ${way}: what the engine says is the cause`, async () => {
    const error = await refuses(certs.otherHost, trust, /localhost: .* for another host$/);
    assert.ok(error.cause instanceof Error);
  });

  test(`tls: ${way}: without extra authorities those of the tests are unknown`, async () => {
    await refuses({}, { serverName: "localhost" }, /the certificate is of an unknown authority$/);
  });

  for (const { what, leaf, message } of badCertificates) {
    test(`T32 T37: ${way}: a certificate ${what} is refused, and verifyPeer is not asked`, async () => {
      await refuses(leaf, trust, message);
      await refuses(leaf, { ...trust, verifyPeer: () => assert.fail("Called") }, message);
    });
  }

  // The engines by the option that has them serve.
  const asked: TlsOptions[] = [{ caCerts: [certs.ca] }, { caCerts: [certs.ca], verifyPeer() {} }];

  test(`T36: ${way}: a wildcard stands for one label`, async () => {
    for (const options of asked) {
      for (const serverName of ["b.wild.test", "B.Wild.TEST", "b.wild.test.", "b.a.wild.test"]) {
        await succeeds(certs.wildcard, { ...options, serverName });
      }
      for (const serverName of ["wild.test", "c.b.wild.test", "b.wild.test.test", "wild"]) {
        await refuses(certs.wildcard, { ...options, serverName }, /for another host$/);
      }
    }
  });

  test(`T36: ${way}: an address is not a name, nor a name an address`, async () => {
    for (const options of asked) {
      await succeeds(certs.onlyIp, { ...options, serverName: "127.0.0.1" });
      await refuses(certs.onlyIp, { ...options, serverName: "localhost" }, /another host$/);
      await refuses(certs.ipAsName, { ...options, serverName: "127.0.0.1" }, /another host$/);
    }
  });

  test(`T37: ${way}: verifyPeer sees the very certificate that was validated`, async () => {
    for (const leaf of [certs.localhost, certs.wildcard]) {
      const serverName = leaf === certs.wildcard ? "b.wild.test" : "localhost";
      const seen: (Uint8Array | undefined)[] = [];
      const verifyPeer = (info: TlsInfo) => void seen.push(info.peerCertificate?.raw);
      await succeeds(leaf, { caCerts: [certs.ca], serverName, verifyPeer });
      const body = leaf.cert.replace(/-----[A-Z ]+-----/g, "").replaceAll("\n", "");
      const der = Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
      assert.deepEqual(seen, [der]);
    }
  });

  test(`tls: ${way}: caMode "only" trusts the given authorities`, async () => {
    await succeeds({}, { ...trust, caMode: "only" });
    const message = /of an unknown authority$/;
    await refuses({}, { ...trust, caCerts: [certs.otherCa], caMode: "only" }, message);
  });

  test(`tls: ${way}: several authorities`, async () => {
    await succeeds({}, { ...trust, caCerts: [certs.otherCa, certs.ca] });
    await succeeds({}, { ...trust, caCerts: [certs.otherCa + certs.ca] });
    await succeeds(certs.untrusted, { ...trust, caCerts: [certs.otherCa, certs.ca] });
  });

  test(`tls: ${way}: the protocol that ALPN chose is told`, async () => {
    const server = { ALPNProtocols: ["http/1.1"] };
    await succeeds(server, { ...trust, alpnProtocols: ["h2", "http/1.1"] }, (conn) => {
      assert.equal(conn.tls?.alpnProtocol, "http/1.1");
    });
    await succeeds(server, trust, (conn) => assert.equal(conn.tls?.alpnProtocol, null));
  });

  test(`tls: ${way}: insecureSkipVerify accepts any certificate`, async () => {
    const options = { insecureSkipVerify: true, serverName: "localhost" };
    for (const leaf of [certs.otherHost, certs.untrusted, certs.expired, certs.cnOnly]) {
      await succeeds(leaf, options);
    }
  });

  test(`tls: ${way}: a client certificate is presented`, async () => {
    const server = { requestCert: true, rejectUnauthorized: true, ca: certs.ca };
    await succeeds(server, { ...trust, ...certs.client });
  });

  test(`tls: ${way}: a missing client certificate is an error of TLS`, async () => {
    const server = {
      ...certs.localhost,
      requestCert: true,
      rejectUnauthorized: true,
      ca: certs.ca,
    };
    await withServer({ tls: server }, async (_server, address) => {
      const result = await (async () => {
        const conn = await secure(address, trust);
        // TLS 1.3 tells after the handshake.
        try {
          return await conn.read(new Uint8Array(1));
        } finally {
          conn.close();
        }
      })().catch((error: unknown) => error);
      assert.ok(result instanceof HttpError, String(result));
      assert.equal(result.code, "ERR_TLS", result.message);
    });
  });

  test(`tls: ${way}: minVersion is kept`, async () => {
    await succeeds({}, { ...trust, minVersion: "TLSv1.3" });
    await succeeds({ maxVersion: "TLSv1.2" }, { ...trust, minVersion: "TLSv1.2" });
    await refuses({ maxVersion: "TLSv1.2" }, { ...trust, minVersion: "TLSv1.3" }, /./);
  });

  test(`tls: ${way}: verifyPeer sees the certificate`, async () => {
    let seen: TlsInfo | undefined;
    await succeeds({}, { ...trust, verifyPeer: (info) => void (seen = info) });
    const certificate = seen!.peerCertificate!;
    assert.equal(certificate.subject, "CN=localhost");
    assert.equal(certificate.issuer, "O=Roundtrip tests, CN=Test authority");
    assert.match(certificate.validTo, /2126/);
    const digest = new Uint8Array(
      await crypto.subtle.digest("SHA-256", new Uint8Array(certificate.raw)),
    );
    const fingerprint = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(":");
    assert.equal(certificate.fingerprint256, fingerprint.toUpperCase());
  });

  test(`tls: ${way}: verifyPeer refuses by throwing`, async () => {
    const reason = new Error("pin does not match");
    const verifyPeer = () => {
      throw reason;
    };
    const error = await refuses({}, { ...trust, verifyPeer }, /verifyPeer refused the peer: pin/);
    assert.equal(error.cause, reason);
  });

  test(`T37: ${way}: a verifyPeer that would refuse later refuses now`, async () => {
    const verifyPeer = (): Promise<void> => Promise.reject(new Error("pin does not match"));
    await refuses(
      {},
      { ...trust, verifyPeer },
      /verifyPeer refused the peer: it returned a promise/,
    );
  });

  test(`tls: ${way}: a server that answers in plain HTTP`, async () => {
    await withServer({}, async (server, address) => {
      const answer = server.accept().then((socket) => {
        socket.once("data", () => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
      });
      await fails(secure(address, trust), "ERR_TLS", /the peer does not speak TLS$/);
      await answer;
    });
  });

  test(`tls: ${way}: a server that closes in the handshake`, async () => {
    await withServer({}, async (server, address) => {
      const closing = server.accept().then((socket) => {
        socket.once("data", () => socket.destroy());
      });
      await fails(secure(address, trust), "ERR_TLS", /closed during the handshake$/);
      await closing;
    });
  });

  /** Aborts when the ClientHello is there and nothing answers. */
  async function abortInHandshake(server: TestServer, address: Address): Promise<net.Socket> {
    const abort = countedSignal();
    const dialing = secure(address, trust, abort.signal);
    const socket = await server.accept();
    await new Promise((resolve) => socket.once("data", resolve));
    await aborts(abort, dialing);
    return socket;
  }

  // Over any conn it is node:tls on each runtime, which tells of any end as of an orderly one.
  if (way !== "startTls() over any conn") testEndWithoutNotice(way, secure);

  test(`tls: ${way}: aborting in the handshake rejects at once`, async () => {
    await withServer({}, async (server, address) => {
      await abortInHandshake(server, address);
    });
  });

  testUnlessGap(`tls: ${way}: aborting in the handshake closes the connection`, async () => {
    await withServer({}, async (server, address) => {
      const socket = await abortInHandshake(server, address);
      if (!socket.readableEnded) {
        await new Promise((resolve) => {
          socket.once("end", resolve);
          socket.once("close", resolve);
        });
      }
    });
  });

  test(`tls: ${way}: what the ClientHello says`, async () => {
    const hello = await helloOf((address) => secure(address, trust));
    assert.equal(hello.serverName, "localhost");
    assert.deepEqual(hello.alpnProtocols, []);
    const alpnProtocols = ["http/1.1", "x"];
    const other = await helloOf((address) =>
      secure(address, { ...trust, serverName: "sni.test.", alpnProtocols })
    );
    assert.equal(other.serverName, "sni.test");
    assert.deepEqual(other.alpnProtocols, alpnProtocols);
    const address = await helloOf((address) =>
      secure(address, { ...trust, serverName: "127.0.0.1" })
    );
    assert.equal(address.serverName, null);
  });

  test(`T31: ${way}: no session is taken up again`, async () => {
    await withServer({ tls: { ...certs.localhost } }, async (server, target) => {
      const front = await recorder(target);
      try {
        for (let round = 0; round < 3; round++) {
          const conn = await secure(front.address, trust);
          const socket = await server.accept();
          // The tickets come before the data.
          await socketPeer(socket).send(text.encode("x"));
          assert.equal(await conn.read(new Uint8Array(1)), 1);
          conn.close();
        }
        assert.equal(front.hellos.length, 3);
        for (const hello of front.hellos) assert.equal(hello.resumes, false);
      } finally {
        await front.close();
      }
    });
  });
}

for (const [way, secure] of Object.entries(ways)) testWay(way, secure);

/** Aborts and asserts that the dial rejects with the reason, leaving nothing on the signal. */
async function aborts(abort: CountedSignal, dialing: Promise<Conn>): Promise<void> {
  const reason = new Error("enough");
  const result = dialing.catch((error: unknown) => error);
  abort.abort(reason);
  assert.equal(await result, reason);
  assert.equal(abort.listenerCount(), 0);
}

/** What a client says first; the handshake fails. */
async function helloOf(dial: (address: Address) => Promise<Conn>): Promise<ClientHello> {
  let hello: ClientHello | null = null;
  await withServer({}, async (server, address) => {
    const dialing = fails(dial(address), "ERR_TLS");
    const socket = await server.accept();
    hello = await readHello(socket);
    socket.destroy();
    await dialing;
  });
  return hello!;
}

async function readHello(socket: net.Socket): Promise<ClientHello> {
  return await new Promise((resolve, reject) => {
    let bytes = new Uint8Array(0);
    socket.on("data", (chunk: Uint8Array) => {
      bytes = Uint8Array.from([...bytes, ...chunk]);
      try {
        const hello = parseClientHello(bytes);
        if (hello !== null) resolve(hello);
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** A relay that keeps what its clients say first. */
async function recorder(
  target: Address,
): Promise<{ address: Address; hellos: ClientHello[]; close(): Promise<void> }> {
  const hellos: ClientHello[] = [];
  const front = await relay(target, {}, (socket) => {
    readHello(socket).then((hello) => hellos.push(hello)).catch(() => {});
  });
  return { address: front.address, hellos, close: () => front.close() };
}

test("abort: a signal that is aborted already", async () => {
  await withServer({ tls: { ...certs.localhost } }, async (_server, address) => {
    const reason = new Error("before");
    const signal = AbortSignal.abort(reason);
    for (const options of [{ signal }, { signal, tls: { caCerts: [certs.ca] } }]) {
      const result = await dialer.dial(address, options).catch((error: unknown) => error);
      assert.equal(result, reason);
    }
    const conn = await dialer.dial(address);
    const securing = dialer.startTls(conn, { caCerts: [certs.ca] }, signal);
    assert.equal(await securing.catch((error: unknown) => error), reason);
    await assert.rejects(conn.write(new Uint8Array(1)), { code: "ERR_CLOSED" });
  });
});

test("abort: while a name is being looked up", async () => {
  const abort = countedSignal();
  const address = { transport: "tcp", hostname: "no-such-host.invalid", port: 80 } as const;
  await aborts(abort, dialer.dial(address, { signal: abort.signal }));
});

test("abort: while connecting", async () => {
  await withFullBacklog(async (port) => {
    for (const tls of [undefined, { caCerts: [certs.ca] }]) {
      const abort = countedSignal();
      const { signal } = abort;
      const dialing = dialer.dial({ transport: "tcp", hostname: "127.0.0.1", port }, {
        signal,
        tls,
      });
      for (let turn = 0; turn < 100; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      await aborts(abort, dialing);
    }
  });
});

test("abort: after the dial the signal has no listener and no effect", async () => {
  await withServer({ tls: { ...certs.localhost } }, async (server, address) => {
    for (const [, secure] of Object.entries(ways)) {
      const abort = countedSignal();
      const conn = await secure(address, { caCerts: [certs.ca] }, abort.signal);
      assert.equal(abort.listenerCount(), 0);
      abort.abort(new Error("late"));
      await echo(conn, server);
      conn.close();
    }
    const refused = countedSignal();
    const { signal } = refused;
    await fails(dialer.dial(await freeAddress(), { signal }), "ERR_DIAL");
    assert.equal(refused.listenerCount(), 0);
  });
});

test("startTls(): takes the connection over, and closes it when it fails", async () => {
  await withServer({}, async (server, address) => {
    const conn = await dialer.dial(address);
    const peer = socketPeer(await server.accept());
    const options = { caMode: "some" } as unknown as TlsOptions;
    await fails(dialer.startTls(conn, options), "ERR_INVALID_REQUEST");
    assert.equal((await peer.receive(1)).length, 0);
    await fails(dialer.startTls(conn, { caCerts: [certs.ca] }), "ERR_CLOSED");
  });
});

test("startTls(): refuses a connection with a read under way", async () => {
  await withServer({}, async (_server, address) => {
    const conn = await dialer.dial(address);
    const reading = conn.read(new Uint8Array(1)).catch((error: HttpError) => error.code);
    await fails(dialer.startTls(conn, { caCerts: [certs.ca] }), "ERR_INVALID_REQUEST");
    assert.equal(await reading, "ERR_CLOSED");
  });
});

/** Which engine has to serve when an option is set; the rest of the options is the plain case. */
const engines: readonly (readonly [string, TlsOptions, { deno: string; bun: string }])[] = [
  ["nothing more", {}, { deno: "deno", bun: "bun" }],
  ["caMode extra", { caMode: "extra" }, { deno: "deno", bun: "bun" }],
  ["caMode only", { caMode: "only" }, { deno: "node", bun: "bun" }],
  ["serverName", { serverName: "localhost" }, { deno: "deno", bun: "bun" }],
  ["alpnProtocols", { alpnProtocols: ["http/1.1"] }, { deno: "deno", bun: "bun" }],
  ["minVersion TLSv1.2", { minVersion: "TLSv1.2" }, { deno: "deno", bun: "bun" }],
  ["minVersion TLSv1.3", { minVersion: "TLSv1.3" }, { deno: "node", bun: "bun" }],
  ["cert and key", { ...certs.client }, { deno: "node", bun: "bun" }],
  ["insecureSkipVerify", { insecureSkipVerify: true }, { deno: "node", bun: "bun" }],
  ["insecureSkipVerify false", { insecureSkipVerify: false }, { deno: "deno", bun: "bun" }],
  ["verifyPeer", { verifyPeer: () => {} }, { deno: "node", bun: "bun" }],
];

for (const [name, options, expected] of engines) {
  test(`tls: the engine for ${name}`, async () => {
    const engine = runtime === "node" ? "node" : expected[runtime];
    await withServer({ tls: { ...certs.localhost } }, async (_server, address) => {
      const tls = { caCerts: [certs.ca], ...options };
      const dialled = await dialer.dial(address, { tls });
      const started = await dialer.startTls(await dialer.dial(address), tls);
      assert.equal(dialled.tls?.engine, engine);
      assert.equal(started.tls?.engine, engine);
      dialled.close();
      started.close();
    });
  });
}
