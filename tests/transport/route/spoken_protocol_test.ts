/**
 * ALPN: a transport offers what it speaks, and takes no connection on which something else was chosen.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import * as tls from "node:tls";
import {
  type Conn,
  createFetch,
  type Dialer,
  HttpRequest,
  proxyDialer,
  systemDialer,
  Transport,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { memoryServer } from "../../support/memory_server.ts";
import { connWith } from "../../support/conn_with.ts";
import { testAuthority, testFile } from "../../support/raw_server.ts";
import { assertQuiet } from "../../support/watched_signal.ts";

const REFUSED = { code: "ERR_INVALID_REQUEST", phase: "tls" } as const;

test("M35 protocols that a transport does not speak cannot be offered", () => {
  for (const name of ["h2", "h2c", "spdy/3", "http/1.0", "h3", "HTTP/1.1"]) {
    for (const option of ["tls", "proxyTls"] as const) {
      const options = { http2: false, [option]: { alpnProtocols: ["http/1.1", name] } };
      const message = new RegExp(`"${name}" by ${option}.alpnProtocols`);
      assert.throws(() => new Transport(options), { ...REFUSED, message });
      assert.throws(() => createFetch(options), { ...REFUSED, message });
    }
    const proxyTls = { alpnProtocols: [name] };
    assert.throws(() => proxyDialer("https://p.test", { proxyTls }), REFUSED);
  }
});

test("M35 HTTP/2 can be offered unless it is switched off, which it is not by itself", async () => {
  for (const http2 of [undefined, true, {}]) {
    await new Transport({ http2, tls: { alpnProtocols: ["h2"] } }).close();
  }
  const offered: unknown[] = [];
  const { dialer } = memoryServer();
  const startTls: Dialer["startTls"] = (conn, { alpnProtocols }) => {
    offered.push(alpnProtocols);
    conn.close();
    return Promise.reject(new Error("not today"));
  };
  for (const http2 of [undefined, false]) {
    const dial: Dialer["dial"] = () => dialer.dial({ transport: "unix", path: "x" });
    const transport = new Transport({ dialer: { ...dialer, dial, startTls }, http2 });
    await assert.rejects(transport.roundTrip(new HttpRequest("https://a.test/")));
    await transport.close();
  }
  assert.deepEqual(offered, [["h2", "http/1.1"], undefined]);
});

test("M35 what is no list of protocols is refused as such", () => {
  for (const alpnProtocols of ["h2", [5], [""]] as unknown[] as string[][]) {
    assert.throws(() => new Transport({ tls: { alpnProtocols } }), {
      code: "ERR_INVALID_REQUEST",
      message: /alpnProtocols: value is not valid/,
    });
  }
});

/** A TLS server that answers, and prefers certain protocols. */
async function withAlpn(
  protocols: string[],
  run: (origin: string, port: number) => Promise<void>,
): Promise<void> {
  const server = tls.createServer({
    ALPNProtocols: protocols,
    cert: testFile("../certs/localhost.pem"),
    key: testFile("../certs/localhost.key"),
  }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    await run(`https://localhost:${port}`, port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

test("M35 http/1.1 can be offered, and nothing", async () => {
  await withAlpn(["h2", "http/1.1"], async (origin) => {
    for (const alpnProtocols of [["http/1.1"], [], undefined]) {
      const transport = new Transport({
        http2: false,
        tls: { caCerts: [testAuthority], alpnProtocols },
      });
      const response = await transport.roundTrip(new HttpRequest(origin));
      assert.equal(await response.text(), "ok");
      const chosen = alpnProtocols?.length ? "http/1.1" : null;
      assert.equal(response.connection.tls!.alpnProtocol, chosen);
      await transport.close();
    }
  });
});

test("M35 a dialer that offers protocols of its own, and gets another, is told", async () => {
  await withAlpn(["h2"], async (origin) => {
    const system = systemDialer();
    const h2 = { alpnProtocols: ["h2"] };
    for (const securesDials of [true, false]) {
      const dialer: Dialer = {
        securesDials,
        dial: (address, options = {}) =>
          system.dial(address, {
            ...options,
            tls: options.tls && { ...options.tls, ...h2 },
          }),
        startTls: (conn, options, signal) => system.startTls(conn, { ...options, ...h2 }, signal),
      };
      const tls = { caCerts: [testAuthority] };
      const transport = new Transport({ dialer, http2: false, tls });
      await assert.rejects(transport.roundTrip(new HttpRequest(origin)), {
        code: "ERR_TLS",
        phase: "tls",
        message: /chosen "h2" by ALPN/,
      });
      assertQuiet(transport);
      await transport.close();
    }
  });
});

test("M35 so is one that brings a connection secured elsewhere", async () => {
  for (const proxy of [null, "http://p.test"]) {
    const { dialer } = memoryServer();
    const info: Conn["tls"] = {
      alpnProtocol: "h2",
      protocol: null,
      engine: "node",
      sessionReused: false,
      peerCertificate: null,
    };
    const dial = async (): Promise<Conn> => {
      const conn = await dialer.dial({ transport: "unix", path: "x" });
      return connWith(conn, { tls: { value: info } });
    };
    const transport = new Transport({ dialer: { ...dialer, dial }, proxy });
    await assert.rejects(transport.roundTrip(new HttpRequest("http://a.test/")), {
      code: "ERR_TLS",
    });
    assertQuiet(transport);
    await transport.close();
  }
});

test("M35 a caller's own use of a dialer may offer what it likes", async () => {
  await withAlpn(["h2"], async (_origin, port) => {
    const system = systemDialer();
    const conn = await system.dial({ transport: "tcp", hostname: "localhost", port }, {
      tls: { caCerts: [testAuthority], alpnProtocols: ["h2", "http/1.1"] },
    });
    assert.equal(conn.tls!.alpnProtocol, "h2");
    conn.close();
    await conn.whenClosed?.();
  });
});
