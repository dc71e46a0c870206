/**
 * `wrapConn`: what takes the place of a connection's own methods sees every byte, also below TLS.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Conn,
  type ConnOverrides,
  type Dialer,
  type DialOptions,
  HttpRequest,
  systemDialer,
  Transport,
  wrapConn,
} from "../../mod.ts";
import { pipe } from "../../conn/pipe.ts";
import { test } from "../support/harness.ts";
import { latin1, type RawConnection, testAuthority, withRawServer } from "../support/raw_server.ts";

/** What went through the overrides of all connections. */
interface Seen {
  read: string;
  written: string;
  closed: number;
}

/** A dialer of the system's whose connections are wrapped. */
function watchingDialer(seen: Seen, names: readonly (keyof ConnOverrides)[]): Dialer {
  const system = systemDialer();
  const wrapped = (conn: Conn): Conn => {
    const all: Required<ConnOverrides> = {
      read: async (p) => {
        const count = await conn.read(p);
        seen.read += latin1(p.subarray(0, count ?? 0));
        return count;
      },
      write: async (p) => {
        seen.written += latin1(p);
        return await conn.write(p);
      },
      close: () => {
        seen.closed++;
        conn.close();
      },
    };
    return wrapConn(conn, Object.fromEntries(names.map((name) => [name, all[name]])));
  };
  return {
    dial: async (address, options?: DialOptions) => wrapped(await system.dial(address, options)),
    startTls: (conn, options, signal) => system.startTls(conn, options, signal),
    pollBarrier: () => system.pollBarrier!(),
  };
}

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + "x".repeat(100_000);
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async function serve(connection: RawConnection): Promise<void> {
  for (;;) {
    const head = await connection.readHead();
    await connection.send(head.startsWith("GET /large") ? ANSWER : OK);
  }
}

test("M32 wrapConn: a read in its place sees every byte, whatever is read and how", async () => {
  await withRawServer(serve, async (server) => {
    for (const names of [["read"], ["write"], ["read", "write", "close"]] as const) {
      const seen: Seen = { read: "", written: "", closed: 0 };
      const transport = new Transport({ dialer: watchingDialer(seen, names) });
      const get = (path: string) => transport.roundTrip(new HttpRequest(`${server.origin}${path}`));
      assert.equal(await (await get("/")).text(), "ok");
      // Large bodies by arrays of the connection's, where it has any; and into the caller's.
      assert.equal((await (await get("/large")).bytes()).length, 100_000);
      let bytes = 0;
      for await (const piece of (await get("/large")).body.stream) bytes += piece.length;
      const { body } = await get("/large");
      const p = new Uint8Array(64 * 1024);
      for (let n = await body.read(p); n !== null; n = await body.read(p)) bytes += n;
      assert.equal(bytes, 200_000);
      assert.deepEqual(transport.stats().idle, 1, "it is used again");
      await transport.close();
      const has = (name: string): boolean => (names as readonly string[]).includes(name);
      assert.equal(seen.read.length, has("read") ? OK.length + 3 * ANSWER.length : 0);
      assert.equal(seen.written.split("GET /").length - 1, has("write") ? 4 : 0);
      assert.equal(seen.closed, has("close") ? 1 : 0);
    }
  });
});

test("M32 wrapConn: TLS over it goes through it", async () => {
  await withRawServer(serve, async (server) => {
    const seen: Seen = { read: "", written: "", closed: 0 };
    const dialer = watchingDialer(seen, ["read", "write", "close"]);
    const tls = { caCerts: [testAuthority] };
    const transport = new Transport({ dialer, tls });
    const response = await transport.roundTrip(new HttpRequest(`${server.origin}/large`));
    assert.equal((await response.bytes()).length, 100_000);
    assert.notEqual(response.connection.tls, null);
    await transport.close();
    // A handshake record, and nothing in the clear.
    assert.equal(seen.written.charCodeAt(0), 0x16);
    assert.ok(seen.read.length > ANSWER.length);
    assert.doesNotMatch(seen.written, /GET/);
    assert.equal(seen.closed, 1);
  }, { tls: true });
});

test("M32 wrapConn: what it does not replace is the connection's own", async () => {
  const [here, there] = pipe();
  const calls: string[] = [];
  const info = {
    alpnProtocol: null,
    protocol: "TLSv1.3",
    engine: "node",
    sessionReused: null,
    peerCertificate: null,
  };
  const conn: Conn = {
    ...here,
    read: (p) => here.read(p),
    write: (p) => here.write(p),
    closeWrite: () => here.closeWrite(),
    close: () => here.close(),
    localAddr: here.localAddr,
    remoteAddr: here.remoteAddr,
    bytesRead: 7,
    bytesWritten: 8,
    tls: info as Conn["tls"],
    ref: () => void calls.push("ref"),
    unref: () => void calls.push("unref"),
    whenClosed: () => {
      calls.push("whenClosed");
      return Promise.resolve();
    },
    startRead: () => calls.push("startRead"),
    startWrite: () => calls.push("startWrite"),
    readChunk: () => {
      calls.push("readChunk");
      return Promise.resolve(null);
    },
    tellsLate: false,
    kernelIsEmpty: () => true,
  };
  const plain = wrapConn(conn, {});
  plain.ref();
  plain.unref();
  plain.startRead!(new Uint8Array(1), () => {}, () => {});
  plain.startWrite!(new Uint8Array(1), () => {}, () => {});
  await plain.readChunk!(1);
  await plain.whenClosed!();
  assert.deepEqual(
    calls,
    ["ref", "unref", "startRead", "startWrite", "readChunk", "whenClosed"],
  );
  assert.deepEqual([plain.bytesRead, plain.bytesWritten], [7, 8]);
  assert.deepEqual([plain.localAddr, plain.remoteAddr], [here.localAddr, here.remoteAddr]);
  assert.equal(plain.tls, info);
  assert.deepEqual([plain.readsInParts, plain.tellsLate], [false, false]);
  assert.equal(plain.kernelIsEmpty!(), true);

  const reading = wrapConn(conn, { read: () => Promise.resolve(null) });
  assert.deepEqual([reading.startRead, reading.readChunk], [undefined, undefined]);
  assert.notEqual(reading.startWrite, undefined);
  // What comes in parts here came together there: nothing is known of what waits behind a read.
  assert.deepEqual([reading.readsInParts, reading.tellsLate], [true, true]);
  assert.equal(reading.kernelIsEmpty, undefined);
  assert.equal(await reading.read(new Uint8Array(1)), null);

  const writing = wrapConn(conn, { write: (p) => Promise.resolve(p.length) });
  assert.equal(writing.startWrite, undefined);
  assert.notEqual(writing.startRead, undefined);
  assert.equal(await writing.write(new Uint8Array(3)), 3);

  let closed = 0;
  const closing = wrapConn(conn, { close: () => void closed++ });
  closing.close();
  closing.close();
  assert.equal(closed, 1);
  await there.write(new Uint8Array(1));
  plain.close();
  assert.equal(await there.read(new Uint8Array(1)), null);
  there.close();
});

test("M32 wrapConn: overrides are methods of the object that holds them", async () => {
  const [here, there] = pipe();
  const overrides = {
    async read(p: Uint8Array): Promise<number | null> {
      assert.equal(this, overrides);
      return await here.read(p);
    },
  };
  await there.write(new Uint8Array(3));
  assert.equal(await wrapConn(here, overrides).read(new Uint8Array(8)), 3);
  here.close();
  there.close();
});

test("M32 wrapConn: what cannot be replaced is refused", () => {
  const [here, there] = pipe();
  for (
    const overrides of [{ raed: () => {} }, { read: 5 }, { tls: null }, { startRead: () => {} }]
  ) {
    assert.throws(
      () => wrapConn(here, overrides as unknown as ConnOverrides),
      { code: "ERR_INVALID_REQUEST" },
    );
  }
  here.close();
  there.close();
});

test("M32 a connection of the system's whose read was replaced in place is read by it", async () => {
  await withRawServer(serve, async (server) => {
    const system = systemDialer();
    let count = 0;
    const transport = new Transport({
      dialer: {
        dial: async (address, options) => {
          const conn = await system.dial(address, options);
          const { read } = conn;
          conn.read = async (p) => {
            const n = await read.call(conn, p);
            count += n ?? 0;
            return n;
          };
          return conn;
        },
        startTls: (conn, options, signal) => system.startTls(conn, options, signal),
      },
    });
    const response = await transport.roundTrip(new HttpRequest(`${server.origin}/large`));
    assert.equal((await response.bytes()).length, 100_000);
    await transport.close();
    assert.equal(count, ANSWER.length);
  });
});
