/**
 * The contract of `Conn`, once for every way to a connection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Conn, HttpError, type HttpErrorCode } from "../../conn/mod.ts";
import { KnownConn } from "../../conn/known_conn.ts";
import { testUnlessGap } from "../support/conn_gaps.ts";
import { foreign, type Link, type Linked, links } from "../support/conn_links.ts";
import { runtime, test } from "../support/harness.ts";

const text = new TextEncoder();

/** Asserts that a promise rejects with an `HttpError` of this code. */
async function rejects(promise: Promise<unknown>, code: HttpErrorCode): Promise<HttpError> {
  const error = await promise.then(() => "no rejection", (error: unknown) => error);
  assert.ok(error instanceof HttpError, String(error));
  assert.equal(error.code, code, error.message);
  return error;
}

/** Reads up to `count` bytes, or to the end of the stream. */
async function readBytes(conn: Conn, count: number, step = count): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  let length = 0;
  while (length < count) {
    const got = await conn.read(bytes.subarray(length, length + step));
    if (got === null) break;
    assert.ok(got >= 1 && got <= Math.min(step, count - length));
    length += got;
  }
  return bytes.subarray(0, length);
}

/** Patterns, by their length. To make the large ones takes longer than the tests that send them. */
const patterns: Map<number, Uint8Array> = new Map();

/** Bytes that tell where they belong. */
function pattern(length: number): Uint8Array {
  const known = patterns.get(length);
  if (known) return known;
  const bytes = new Uint8Array(length);
  patterns.set(length, bytes);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + (i >> 16)) & 0xff;
  return bytes;
}

/** Lets the event loop turn until `isDone`, or for long enough that it will not become true. */
async function turnsUntil(isDone: () => boolean, maxTurns = 20_000): Promise<void> {
  for (let turn = 0; turn < maxTurns && !isDone(); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Is lent what comes next, if the connection lends. */
function loan(
  conn: Conn,
  take: (lent: Uint8Array) => void,
): Promise<"none" | "some" | "end"> {
  return new Promise((resolve, reject) => {
    const lends = KnownConn.is(conn) && (conn as Conn & KnownConn).startLoan((lent) => {
      if (lent !== null) take(lent);
      resolve(lent === null ? "end" : "some");
    }, reject);
    if (!lends) resolve("none");
  });
}

const cases: Readonly<Record<string, (linked: Linked, link: Link) => Promise<void>>> = {
  "bytes go both ways and are counted": async ({ conn, peer }) => {
    assert.equal(await conn.write(text.encode("hello")), 5);
    assert.deepEqual(await peer.receive(5), text.encode("hello"));
    await peer.send(text.encode("good day"));
    assert.deepEqual(await readBytes(conn, 8), text.encode("good day"));
    assert.equal(conn.bytesWritten, 5);
    assert.equal(conn.bytesRead, 8);
  },

  "a chunk longer than the array is read in parts": async ({ conn, peer }) => {
    const bytes = pattern(1000);
    await peer.send(bytes);
    assert.deepEqual(await readBytes(conn, 1000, 7), bytes);
  },

  "reading and writing run side by side": async ({ conn, peer }) => {
    const reading = readBytes(conn, 3);
    await conn.write(text.encode("ask"));
    assert.deepEqual(await peer.receive(3), text.encode("ask"));
    await peer.send(text.encode("yes"));
    assert.deepEqual(await reading, text.encode("yes"));
  },

  "the end of the stream is null, now and later": async ({ conn, peer }) => {
    await peer.send(text.encode("bye"));
    await peer.end();
    assert.deepEqual(await readBytes(conn, 10), text.encode("bye"));
    const p = new Uint8Array(10);
    assert.equal(await conn.read(p), null);
    assert.equal(await conn.read(p), null);
    assert.equal(conn.bytesRead, 3);
  },

  "a pending read sees the end of the stream": async ({ conn, peer }) => {
    const reading = conn.read(new Uint8Array(10));
    await peer.end();
    assert.equal(await reading, null);
  },

  "after the peer's end writing goes on": async ({ conn, peer }) => {
    await peer.end();
    assert.equal(await conn.read(new Uint8Array(10)), null);
    await conn.write(text.encode("late"));
    assert.deepEqual(await peer.receive(4), text.encode("late"));
  },

  "closeWrite() ends one direction only": async ({ conn, peer }) => {
    await conn.write(text.encode("request"));
    await conn.closeWrite();
    assert.deepEqual(await peer.receive(100), text.encode("request"));
    await peer.send(text.encode("response"));
    assert.deepEqual(await readBytes(conn, 8), text.encode("response"));
    await peer.end();
    assert.equal(await conn.read(new Uint8Array(1)), null);
    await rejects(conn.write(text.encode("more")), "ERR_INVALID_REQUEST");
    await conn.closeWrite();
  },

  "closeWrite() beside a pending read": async ({ conn, peer }) => {
    const reading = readBytes(conn, 2);
    await conn.closeWrite();
    assert.equal((await peer.receive(1)).length, 0);
    await peer.send(text.encode("ok"));
    assert.deepEqual(await reading, text.encode("ok"));
  },

  "close() settles a pending read": async ({ conn }) => {
    const reading = conn.read(new Uint8Array(10));
    conn.close();
    await rejects(reading, "ERR_CLOSED");
  },

  "close() settles a pending write": async ({ conn }) => {
    const bytes = new Uint8Array(32 * 1024 * 1024);
    let accepted = 0;
    const writing = (async () => {
      while (true) accepted += await conn.write(bytes);
    })();
    await turnsUntil(() => false, 100);
    conn.close();
    await rejects(writing, "ERR_CLOSED");
    assert.ok(accepted <= bytes.length, `${accepted} bytes were accepted`);
    assert.ok(conn.bytesWritten >= accepted && conn.bytesWritten < accepted + bytes.length);
  },

  "close() twice, and calls after it": async ({ conn }) => {
    conn.close();
    conn.close();
    await rejects(conn.read(new Uint8Array(1)), "ERR_CLOSED");
    await rejects(conn.write(new Uint8Array(1)), "ERR_CLOSED");
    await rejects(conn.closeWrite(), "ERR_CLOSED");
    conn.ref();
    conn.unref();
  },

  "whenClosed() settles after close(), behind pending calls": async ({ conn }) => {
    const bytes = new Uint8Array(32 * 1024 * 1024);
    const pending = new Set(["read", "write"]);
    const read = () => pending.delete("read");
    conn.read(new Uint8Array(1)).then(read, read);
    const write = () => pending.delete("write");
    conn.write(bytes).then(write, write);
    let isGone = false;
    const gone = conn.whenClosed!().then(() => isGone = true);
    await turnsUntil(() => isGone, 100);
    assert.equal(isGone, false);
    conn.close();
    await gone;
    assert.deepEqual([...pending], []);
    await conn.whenClosed!();
  },

  "whenClosed() settles too when the peer has closed first": async ({ conn, peer }) => {
    await conn.write(text.encode("x"));
    await peer.receive(1);
    peer.close();
    await conn.read(new Uint8Array(1)).catch(() => {});
    conn.close();
    await conn.whenClosed!();
  },

  "whenClosed() settles too after a reset": async ({ conn, peer }) => {
    await conn.write(text.encode("x"));
    await peer.receive(1);
    peer.reset();
    await conn.read(new Uint8Array(1)).catch(() => {});
    conn.close();
    await conn.whenClosed!();
  },

  "whenClosed() settles too after closeWrite()": async ({ conn }) => {
    const ending = conn.closeWrite().catch(() => {});
    conn.close();
    await Promise.all([ending, conn.whenClosed!()]);
  },

  "close() is seen by the peer": async ({ conn, peer }) => {
    await conn.write(text.encode("last"));
    assert.deepEqual(await peer.receive(4), text.encode("last"));
    conn.close();
    assert.equal((await peer.receive(1)).length, 0);
  },

  "after close() nothing of the peer is accepted, though it has not closed": async (
    { conn, peer },
  ) => {
    await conn.write(text.encode("x"));
    await peer.receive(1);
    conn.close();
    const chunk = new Uint8Array(64 * 1024);
    const sending = (async () => {
      // More than the buffers on the way could hold.
      for (let sent = 0; sent < 64 * 1024 * 1024; sent += chunk.length) {
        await peer.send(chunk);
        await turnsUntil(() => false, 1);
      }
    })();
    await assert.rejects(sending);
  },

  "a second read is refused and disturbs nothing": async ({ conn, peer }) => {
    const reading = readBytes(conn, 5);
    await rejects(conn.read(new Uint8Array(5)), "ERR_INVALID_REQUEST");
    await peer.send(text.encode("first"));
    assert.deepEqual(await reading, text.encode("first"));
  },

  "a second write is refused and disturbs nothing": async ({ conn, peer }) => {
    const bytes = pattern(16 * 1024 * 1024);
    const writing = conn.write(bytes);
    await rejects(conn.write(new Uint8Array(5)), "ERR_INVALID_REQUEST");
    await rejects(conn.closeWrite(), "ERR_INVALID_REQUEST");
    const received = await peer.receive(bytes.length);
    assert.equal(await writing, bytes.length);
    assert.ok(equal(received, bytes));
  },

  "an empty read gives 0, an empty write too": async ({ conn, peer }) => {
    assert.equal(await conn.read(new Uint8Array(0)), 0);
    assert.equal(await conn.write(new Uint8Array(0)), 0);
    await peer.send(text.encode("x"));
    assert.deepEqual(await readBytes(conn, 1), text.encode("x"));
  },

  "1 MiB to a slow reader arrives whole": async ({ conn, peer }) => {
    const bytes = pattern(1024 * 1024);
    const writing = conn.write(bytes);
    const received = new Uint8Array(bytes.length);
    for (let at = 0; at < bytes.length; at += 8192) {
      await turnsUntil(() => false, 2);
      received.set(await peer.receive(8192), at);
    }
    assert.equal(await writing, bytes.length);
    assert.ok(equal(received, bytes));
    assert.equal(conn.bytesWritten, bytes.length);
  },

  "8 MiB from a fast writer arrive whole": async ({ conn, peer }) => {
    const bytes = pattern(8 * 1024 * 1024);
    const sending = peer.send(bytes).then(() => peer.end());
    const received = await readBytes(conn, bytes.length + 1, 100_000);
    await sending;
    assert.ok(equal(received, bytes));
  },

  "arrays of the connection's own hold every byte, in turn with reads into the caller's": async (
    { conn, peer },
  ) => {
    const bytes = pattern(3 * 1024 * 1024);
    const sending = peer.send(bytes).then(() => peer.end());
    const received = new Uint8Array(bytes.length);
    const kept: [at: number, chunk: Uint8Array][] = [];
    let at = 0;
    for (let n = 0;; n++) {
      if (conn.readChunk === undefined || n % 3 === 2) {
        const got = await conn.read(received.subarray(at, at + 5_000));
        // An empty rest gives 0.
        if (got === null || got === 0) break;
        at += got;
        continue;
      }
      const maxBytes = n % 3 === 0 ? Infinity : 10_000;
      const chunk = await conn.readChunk(maxBytes);
      if (chunk === null) break;
      assert.ok(chunk.length >= 1 && chunk.length <= maxBytes);
      assert.equal(chunk.buffer.byteLength, chunk.length, "nothing else is in its buffer");
      received.set(chunk, at);
      kept.push([at, chunk]);
      at += chunk.length;
    }
    await sending;
    assert.ok(equal(received.subarray(0, at), bytes));
    assert.equal(conn.bytesRead, bytes.length);
    // They were given away: nothing is written into them afterwards.
    for (const [from, chunk] of kept) {
      assert.ok(equal(chunk, bytes.subarray(from, from + chunk.length)), `array at ${from}`);
    }
  },

  "what is lent holds every byte, in turn with reads into the caller's": async (
    { conn, peer },
  ) => {
    const bytes = pattern(3 * 1024 * 1024);
    const sending = peer.send(bytes).then(() => peer.end());
    const received = new Uint8Array(bytes.length);
    let at = 0;
    for (let n = 0;; n++) {
      const lent = n % 3 === 2 ? "none" : await loan(conn, (lent) => {
        received.set(lent, at);
        at += lent.length;
        // It is ours until the callback returns.
        lent.fill(0);
      });
      if (lent === "end") break;
      if (lent === "some") continue;
      const got = await conn.read(received.subarray(at, at + 5_000));
      // An empty rest gives 0.
      if (got === null || got === 0) break;
      at += got;
    }
    await sending;
    assert.ok(equal(received.subarray(0, at), bytes));
    assert.equal(conn.bytesRead, bytes.length);
  },

  "a loan waits, is the only read, and ends with the connection": async ({ conn, peer }) => {
    const reading = loan(conn, (lent) => assert.deepEqual(lent.slice(), text.encode("first")));
    if (await Promise.race([reading, Promise.resolve("waits")]) === "none") return;
    await rejects(conn.read(new Uint8Array(5)), "ERR_INVALID_REQUEST");
    await rejects(loan(conn, () => {}), "ERR_INVALID_REQUEST");
    await peer.send(text.encode("first"));
    assert.equal(await reading, "some");
    const pending = rejects(loan(conn, () => {}), "ERR_CLOSED");
    conn.close();
    await pending;
    await rejects(loan(conn, () => {}), "ERR_CLOSED");
  },

  "a read of an array waits, is the only one, and ends with the connection": async (
    { conn, peer },
  ) => {
    if (conn.readChunk === undefined) {
      assert.equal(conn.tls?.engine ?? "deno", "deno", "only sockets of Deno read into arrays");
      return;
    }
    const reading = conn.readChunk(100);
    await rejects(conn.read(new Uint8Array(5)), "ERR_INVALID_REQUEST");
    await rejects(conn.readChunk(5), "ERR_INVALID_REQUEST");
    await peer.send(text.encode("first"));
    assert.deepEqual(await reading, text.encode("first"));
    const pending = rejects(conn.readChunk(100), "ERR_CLOSED");
    conn.close();
    await pending;
    await rejects(conn.readChunk(100), "ERR_CLOSED");
  },

  "a stream that is read in arrays and then not is held back": async ({ conn, peer }) => {
    const total = 256 * 1024 * 1024;
    const chunk = new Uint8Array(64 * 1024);
    let sent = 0;
    const sending = (async () => {
      for (; sent < total; sent += chunk.length) await peer.send(chunk);
    })().catch(() => {});
    if (conn.readChunk === undefined) await conn.read(new Uint8Array(1));
    else await conn.readChunk(1);
    let before = -1;
    while (sent !== before && sent < total) {
      before = sent;
      await turnsUntil(() => sent !== before, 2_000);
    }
    assert.ok(sent < 48 * 1024 * 1024, `the peer could send ${sent} bytes`);
    conn.close();
    await sending;
  },

  "a stream that is not read is held back": async ({ conn, peer }) => {
    const chunk = new Uint8Array(64 * 1024);
    const total = 256 * 1024 * 1024;
    let sent = 0;
    let stop = false;
    const sending = (async () => {
      while (sent < total && !stop) {
        await peer.send(chunk);
        sent += chunk.length;
      }
    })().catch(() => {});
    // One read, so that the connection has begun to deliver.
    await conn.read(new Uint8Array(1));
    let before = -1;
    while (sent !== before && sent < total) {
      before = sent;
      await turnsUntil(() => sent !== before, 2_000);
    }
    assert.ok(sent < 48 * 1024 * 1024, `the peer could send ${sent} bytes`);
    // It goes on when it is read.
    await readBytes(conn, sent + 1024 * 1024, 64 * 1024);
    stop = true;
    conn.close();
    await sending;
  },

  "a reset under a pending read": async ({ conn, peer }) => {
    const reading = conn.read(new Uint8Array(10));
    // A server that has never read has nothing to reset on some kinds of sockets.
    await conn.write(text.encode("x"));
    peer.reset();
    const error = await rejects(reading, "ERR_CONNECTION_LOST");
    assert.equal(error.phase, "body");
    await rejects(conn.read(new Uint8Array(10)), "ERR_CONNECTION_LOST");
  },

  "a reset after some bytes": async ({ conn, peer }) => {
    await peer.send(text.encode("some"));
    assert.deepEqual(await readBytes(conn, 4), text.encode("some"));
    await conn.write(text.encode("x"));
    peer.reset();
    await rejects(conn.read(new Uint8Array(10)), "ERR_CONNECTION_LOST");
  },

  "writing to a peer that has closed": async ({ conn, peer }) => {
    await conn.write(text.encode("first"));
    await peer.receive(5);
    peer.close();
    const p = new Uint8Array(64 * 1024);
    let accepted = 5;
    const error = await (async () => {
      while (true) {
        accepted += await conn.write(p);
        await turnsUntil(() => false, 2);
      }
    })().catch((error: unknown) => error);
    assert.ok(error instanceof HttpError, String(error));
    assert.equal(error.code, "ERR_CONNECTION_LOST", error.message);
    assert.equal(error.phase, "request");
    assert.ok(conn.bytesWritten >= accepted, `${conn.bytesWritten} of ${accepted}`);
    assert.ok(conn.bytesWritten <= accepted + p.length, `${conn.bytesWritten} of ${accepted}`);
  },

  "the addresses and the TLS engine are told": ({ conn }, link) => {
    for (const address of [conn.localAddr, conn.remoteAddr]) {
      assert.equal(address.transport, link.transport);
      if (address.transport === "unix") assert.equal(typeof address.path, "string");
      else assert.ok(address.hostname === "127.0.0.1" && address.port > 0);
    }
    const engine = link.engine === "native" ? nativeEngine(link) : link.engine;
    assert.equal(conn.tls?.engine ?? null, engine);
    return Promise.resolve();
  },
};

/** Deno's own engine takes TCP only. */
function nativeEngine(link: Link): string {
  return runtime === "deno" && link.name.includes("unix") ? "node" : runtime;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** The same connection, read and written by callbacks. */
function byCallbacks(conn: Conn): Conn {
  const { startRead, startWrite } = conn;
  assert.ok(startRead !== undefined && startWrite !== undefined);
  return {
    ...foreign(conn),
    whenClosed: () => conn.whenClosed!(),
    readChunk: conn.readChunk && ((maxBytes) => conn.readChunk!(maxBytes)),
    get bytesRead() {
      return conn.bytesRead;
    },
    get bytesWritten() {
      return conn.bytesWritten;
    },
    read: (p) =>
      new Promise((resolve, reject) => {
        let hasReturned = false;
        startRead.call(conn, p, (count) => {
          if (hasReturned) resolve(count);
          else reject(new Error("called back too early"));
        }, reject);
        hasReturned = true;
      }),
    write: (p) => new Promise((resolve, reject) => startWrite.call(conn, p, resolve, reject)),
  };
}

for (const link of links.filter(({ name }) => name === "tcp" || name === "tls")) {
  for (const [name, run] of Object.entries(cases)) {
    test(`conn: ${link.name}, by callbacks: ${name}`, async () => {
      const linked = await link.open();
      try {
        await run({ ...linked, conn: byCallbacks(linked.conn) }, link);
      } finally {
        await linked.done();
      }
    });
  }
}

for (const link of links) {
  for (const [name, run] of Object.entries(cases)) {
    testUnlessGap(`conn: ${link.name}: ${name}`, async () => {
      const linked = await link.open();
      try {
        await run(linked, link);
      } finally {
        await linked.done();
      }
    });
  }
}
