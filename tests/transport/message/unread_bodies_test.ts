/**
 * Bodies that nobody reads: small ones give their connection back, and nothing else is done to them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { type Clock, systemClock } from "../../../conn/clock.ts";
import { pipe, type PipeConn } from "../../../conn/pipe.ts";
import {
  Client,
  createFetch,
  type Dialer,
  HttpRequest,
  type HttpResponse,
  Transport,
} from "../../../mod.ts";
import { collect, collectUntil } from "../../support/collector.ts";
import { test } from "../../support/harness.ts";
import { bytesOf, latin1, type RawConnection, withRawServer } from "../../support/raw_server.ts";
import { steadyClock } from "../../support/steady_transport.ts";
import { isPending, pause, until } from "../../support/waiting.ts";

const KIB = 1024;

const contents: Map<number, Uint8Array> = new Map();

/** Content whose every byte tells where it is. */
function content(bytes: number): Uint8Array {
  let made = contents.get(bytes);
  if (made === undefined) {
    contents.set(bytes, made = Uint8Array.from({ length: bytes }, (_, i) => 33 + i % 89));
  }
  return made;
}

/** A response in two pieces, of which the first ends within the content. */
type Pieces = readonly [string, string];

function halves(head: string, text: string): Pieces {
  return [head + text.slice(0, text.length >> 1), text.slice(text.length >> 1)];
}

function withLength(bytes: Uint8Array, ...lines: string[]): Pieces {
  const head = ["HTTP/1.1 200 OK", ...lines, `Content-Length: ${bytes.length}`];
  return halves(head.join("\r\n") + "\r\n\r\n", latin1(bytes));
}

function chunked(bytes: Uint8Array, end = "0\r\nX-After: yes\r\n\r\n"): Pieces {
  const text = latin1(bytes);
  const at = text.length >> 1;
  const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`;
  return [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(text.slice(0, at)),
    chunk(text.slice(at)) + end,
  ];
}

function closeDelimited(bytes: Uint8Array): Pieces {
  return halves("HTTP/1.1 200 OK\r\n\r\n", latin1(bytes));
}

/** Answers each request with what stands for its path; the second piece comes a little later. */
async function serve(
  connection: RawConnection,
  pieces: (path: string) => Pieces,
  ends: (path: string) => boolean = () => false,
  between: () => Promise<void> = () => pause(1),
): Promise<void> {
  for (;;) {
    const path = (await connection.readHead()).split(" ")[1];
    const [first, second] = pieces(path);
    await connection.send(first);
    await between();
    await connection.send(second);
    if (ends(path)) return connection.end();
  }
}

/** The two ends of a connection in memory. */
interface Ends {
  readonly here: PipeConn;
  readonly there: PipeConn;
}

/** Dials in memory, and tells of the arrays that are read into. */
function pipes(reads: (p: Uint8Array) => void = () => {}): { dialer: Dialer; ends: Ends[] } {
  const ends: Ends[] = [];
  const dialer: Dialer = {
    dial: () => {
      const [here, there] = pipe();
      ends.push({ here, there });
      const read = here.read.bind(here);
      here.read = (p) => {
        reads(p);
        return read(p);
      };
      return Promise.resolve(here);
    },
    startTls: (conn) => Promise.resolve(conn),
  };
  return { dialer, ends };
}

/** Sends requests one behind the other, reads nothing, and keeps the responses. */
async function inARow<R>(count: number, get: (n: number) => Promise<R>): Promise<R[]> {
  const responses: R[] = [];
  for (let n = 0; n < count; n++) responses.push(await get(n));
  return responses;
}

const sizes = [4 * KIB, 16 * KIB, 40 * KIB, 64 * KIB];

test("M16 forty responses of which only the status is read need no more than two connections", async () => {
  for (const form of [withLength, chunked]) {
    const sent = (n: number): Uint8Array => content(sizes[n % sizes.length]);
    await withRawServer(
      (connection) => serve(connection, (path) => form(sent(Number(path.slice(1))))),
      async (server) => {
        for (const at of ["fetch", "Client", "Transport"]) {
          const transport = new Transport({ maxConnsPerHost: 2, clock: steadyClock() });
          const client = new Client({ transport });
          const fetch = createFetch({ transport });
          const get = (n: number): Promise<Response | HttpResponse> => {
            const url = `${server.origin}/${n}`;
            if (at === "fetch") return fetch(url);
            return at === "Client" ? client.get(url) : transport.roundTrip(new HttpRequest(url));
          };
          const before = server.connections.length;
          const responses = await inARow<Response | HttpResponse>(40, get);
          assert.ok(responses.every(({ status }) => status === 200));
          assert.ok(server.connections.length - before <= 2);
          await until("all are idle", () => transport.stats().active === 0);
          // Nothing of them was lost, nor mixed up.
          for (const [n, response] of responses.entries()) {
            const bytes = new Uint8Array(await response.arrayBuffer());
            assert.deepEqual(bytes, sent(n), `${at} ${n}`);
          }
          await transport.close();
        }
      },
    );
  }
});

test("M16 one connection serves them all where each is let come", async () => {
  await withRawServer(
    (connection) => serve(connection, () => withLength(content(20 * KIB))),
    async (server) => {
      const transport = new Transport({ clock: steadyClock() });
      await inARow(20, async (n) => {
        const response = await transport.roundTrip(new HttpRequest(`${server.origin}/${n}`));
        await until("it has come", () => transport.stats().idle === 1);
        return response.status;
      });
      assert.equal(server.connections.length, 1);
      // The exchanges are over.
      await transport.close();
    },
  );
});

test("M16 a leased connection is usable again", async () => {
  await withRawServer(
    (connection) => serve(connection, () => chunked(content(20 * KIB))),
    async (server) => {
      const transport = new Transport({ clock: steadyClock() });
      const lease = await transport.connect(server.origin);
      const responses = await inARow(5, async () => {
        const response = await lease.roundTrip(new HttpRequest(server.origin));
        await until("it is usable", () => lease.isUsable);
        return response;
      });
      for (const response of responses) {
        assert.deepEqual(await response.bytes(), content(20 * KIB));
      }
      lease.release();
      await transport.close();
      assert.equal(server.connections.length, 1);
    },
  );
});

test("M16 what ends with the connection is taken too", async () => {
  await withRawServer(
    (connection) => serve(connection, () => closeDelimited(content(30 * KIB)), () => true),
    async (server) => {
      const transport = new Transport({ maxConnsPerHost: 1 });
      const responses = await inARow(5, () => transport.roundTrip(new HttpRequest(server.origin)));
      await until("none is open", () => transport.stats().total === 0);
      for (const response of responses) {
        assert.equal((await response.text()).length, 30 * KIB);
      }
      await transport.close();
    },
  );
});

test("M16 the end of a body that nobody reads is told: trailers, trace, timings", async () => {
  const done: unknown[] = [];
  await withRawServer(
    (connection) => serve(connection, () => chunked(content(10 * KIB))),
    async (server) => {
      const transport = new Transport({ trace: { bodyDone: (event) => void done.push(event) } });
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      assert.equal((await response.trailers).get("x-after"), "yes");
      assert.deepEqual(done, [{ bytes: 10 * KIB, error: undefined }]);
      assert.ok(response.timings.bodyMs !== null);
      assert.deepEqual(await response.bytes(), content(10 * KIB));
      assert.equal(done.length, 1);
      await transport.close();
    },
  );
});

test("M16 nothing is decoded, hashed or failed before it is read", async () => {
  const coded = gzipSync(content(300 * KIB));
  const wrong = `Content-Digest: sha-256=:${"A".repeat(43)}=:`;
  const done: unknown[] = [];
  await withRawServer(
    (connection) =>
      serve(
        connection,
        (path) =>
          path === "/gzip"
            ? withLength(coded, "Content-Encoding: gzip")
            : path === "/no-gzip"
            ? withLength(content(9 * KIB), "Content-Encoding: gzip")
            : withLength(content(9 * KIB), wrong),
      ),
    async (server) => {
      const transport = new Transport({
        maxConnsPerHost: 1,
        trace: {
          bodyDone: ({ error }) => void done.push(error),
        },
      });
      const get = (path: string): Promise<HttpResponse> =>
        transport.roundTrip(
          new HttpRequest(server.origin + path, { decompress: "known", digest: "verify" }),
        );
      const [good, bad, mismatched] = await inARow(
        3,
        (n) => get(["/gzip", "/no-gzip", "/mismatched"][n]),
      );
      await until("all have come", () => transport.stats().idle === 1);
      let closed = false;
      const closing = transport.close().then(() => closed = true);
      assert.equal(await isPending(closing), true);
      // Whoever reads decides whether they are good.
      assert.deepEqual(done, []);
      assert.equal((await good.bytes()).length, 300 * KIB);
      await assert.rejects(bad.bytes(), { code: "ERR_DECODE" });
      assert.equal(closed, false);
      await assert.rejects(mismatched.bytes(), { code: "ERR_DECODE" });
      await closing;
      assert.deepEqual(done.map((error) => (error as { code?: string })?.code), [
        undefined,
        "ERR_DECODE",
        "ERR_DECODE",
      ]);
      assert.equal(server.connections.length, 1);
    },
  );
});

test("M16 what breaks off is told to the reader, behind what came before it", async () => {
  const whole = content(12 * KIB);
  const rows: [Pieces, string][] = [
    [[withLength(whole)[0], ""], "ERR_INCOMPLETE_BODY"],
    [[chunked(whole)[0], ""], "ERR_INCOMPLETE_BODY"],
    [chunked(whole, "no chunk\r\n"), "ERR_MALFORMED_RESPONSE"],
  ];
  for (const [pieces, code] of rows) {
    await withRawServer(
      (connection) => serve(connection, () => pieces, () => true),
      async (server) => {
        const transport = new Transport();
        const response = await transport.roundTrip(new HttpRequest(server.origin));
        await until("the connection is gone", () => transport.stats().total === 0);
        const p = new Uint8Array(whole.length + 1);
        let length = 0;
        const reading = async (): Promise<void> => {
          for (let n: number | null = 0; n !== null; length += n) {
            n = await response.body.read(p.subarray(length));
            if (n === null) return;
          }
        };
        await assert.rejects(reading(), { code });
        assert.equal(length, pieces[1] === "" ? whole.length / 2 : whole.length);
        assert.deepEqual(p.subarray(0, length), whole.subarray(0, length));
        await transport.close();
      },
    );
  }
});

test("M16 of a large body no more than 64 KiB are taken, and it is read as before", async () => {
  const whole = content(1024 * KIB);
  for (const form of [withLength, chunked, closeDelimited]) {
    const { dialer, ends } = pipes();
    const transport = new Transport({ dialer });
    const going = transport.roundTrip(new HttpRequest("http://127.0.0.1/"));
    await until("it is dialled", () => ends.length === 1);
    const [{ here, there }] = ends;
    const wrote = there.write(bytesOf(form(whole).join(""))).then(() => there.closeWrite());
    const response = await going;
    await until("enough is taken", () => here.bytesRead >= 64 * KIB);
    await pause(20);
    // The head, and what its buffer took beside it, are in it.
    assert.ok(here.bytesRead < 84 * KIB, `${here.bytesRead}`);
    assert.equal(transport.stats().active, 1);
    assert.deepEqual(await response.bytes(), whole);
    await wrote;
    transport.destroy();
    there.close();
  }
});

test("M16 whoever begins to read while it comes, by whatever way, gets all of it in order", async () => {
  const whole = content(48 * KIB);
  const ways: ((response: HttpResponse) => Promise<Uint8Array>)[] = [
    (response) => response.bytes(),
    async (response) => new Uint8Array(await new Response(response.body.stream).arrayBuffer()),
    async (response) => {
      const pieces: number[] = [];
      for await (const piece of response.body) pieces.push(...piece);
      return Uint8Array.from(pieces);
    },
    async (response) => {
      const pieces: number[] = [];
      const p = new Uint8Array(1000);
      for (let n = await response.body.read(p); n !== null; n = await response.body.read(p)) {
        pieces.push(...p.subarray(0, n));
      }
      return Uint8Array.from(pieces);
    },
  ];
  for (const form of [withLength, chunked]) {
    const text = form(whole).join("");
    for (const read of ways) {
      for (const turns of [0, 1, 3]) {
        const begun = Promise.withResolvers<void>();
        await withRawServer(async (connection) => {
          await connection.readHead();
          // Eleven pieces, which are not those of the chunks.
          for (let at = 0; at < text.length; at += 4_999) {
            await connection.send(text.slice(at, at + 4_999));
            if (at > 10_000) await begun.promise;
            await pause(1);
          }
          await connection.clientEnded;
        }, async (server) => {
          const transport = new Transport();
          const response = await transport.roundTrip(new HttpRequest(server.origin));
          for (let n = 0; n < turns; n++) await pause(1);
          const reading = read(response);
          begun.resolve();
          assert.deepEqual(await reading, whole);
          await transport.close();
        });
      }
    }
  }
});

test("M16 whoever reads at once reads from the connection into an array of their own", async () => {
  const [first, second] = withLength(content(40 * KIB));
  const into: unknown[] = [];
  const { dialer, ends } = pipes((p) => void into.push(p.buffer));
  const transport = new Transport({ dialer });
  for (const isAtOnce of [true, false]) {
    const going = transport.roundTrip(new HttpRequest("http://127.0.0.1/"));
    await until("it is dialled", () => ends.length === (isAtOnce ? 1 : 2));
    const { there } = ends.at(-1)!;
    await there.read(new Uint8Array(1000));
    await there.write(bytesOf(first));
    const response = await going;
    if (!isAtOnce) await pause(2);
    const p = new Uint8Array(80 * KIB);
    // What came with the head, then what the connection brings.
    let length = await response.body.read(p) ?? 0;
    while (length < 20 * KIB) length += await response.body.read(p.subarray(length)) ?? 0;
    const reading = response.body.read(p.subarray(20 * KIB));
    await assert.rejects(response.body.read(p), { code: "ERR_INVALID_REQUEST" });
    await there.write(bytesOf(second));
    assert.equal(await reading, 20 * KIB);
    assert.deepEqual(p.subarray(0, 40 * KIB), content(40 * KIB));
    assert.equal(into.includes(p.buffer), isAtOnce);
    assert.equal(await response.body.read(p), null);
    there.close();
  }
  transport.destroy();
});

test("M16 whoever reads at once does not make the loop turn once more", async () => {
  let asked = 0;
  let cancelled = 0;
  const clock: Clock = {
    ...systemClock,
    atEndOfTurn: (callback) => {
      asked++;
      return systemClock.atEndOfTurn!(callback);
    },
    cancelEndOfTurn: (handle) => {
      cancelled++;
      systemClock.cancelEndOfTurn!(handle);
    },
  };
  await withRawServer(
    (connection) => serve(connection, () => withLength(content(20 * KIB))),
    async ({ origin }) => {
      const transport = new Transport({ clock });
      const fetch = createFetch({ transport });
      for (let n = 0; n < 3; n++) {
        assert.equal((await (await fetch(origin)).arrayBuffer()).byteLength, 20 * KIB);
        const response = await transport.roundTrip(new HttpRequest(origin));
        assert.deepEqual(await response.bytes(), content(20 * KIB));
      }
      assert.ok(asked > 0);
      assert.equal(cancelled, asked);
      // One for all that nobody reads in a turn.
      const several = await Promise.all(
        [1, 2, 3].map(() => transport.roundTrip(new HttpRequest(origin))),
      );
      await until("all have come", () => transport.stats().active === 0);
      for (const response of several) assert.deepEqual(await response.bytes(), content(20 * KIB));
      await transport.close();
    },
  );
});

test("M16 what was taken is given at once, not when more has come", async () => {
  const [first, second] = withLength(content(20 * KIB));
  const ways: ((response: HttpResponse) => () => Promise<Uint8Array>)[] = [
    ({ body }) => async () => {
      const p = new Uint8Array(KIB);
      return p.subarray(0, await body.read(p) ?? 0);
    },
    ({ body }) => {
      const reader = body.stream.getReader();
      return async () => (await reader.read()).value ?? new Uint8Array(0);
    },
    ({ body }) => {
      const pieces = body[Symbol.asyncIterator]();
      return async () => (await pieces.next()).value ?? new Uint8Array(0);
    },
  ];
  for (const way of ways) {
    const got = Promise.withResolvers<void>();
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(first);
      await got.promise;
      await connection.send(second);
      await connection.clientEnded;
    }, async ({ origin }) => {
      const transport = new Transport();
      const response = await transport.roundTrip(new HttpRequest(origin));
      await pause(5);
      const read = way(response);
      const pieces: number[] = [];
      for (let piece = await read(); piece.length > 0; piece = await read()) {
        pieces.push(...piece);
        if (pieces.length === 10 * KIB) got.resolve();
      }
      assert.deepEqual(Uint8Array.from(pieces), content(20 * KIB));
      await transport.close();
    });
  }
});

test("M16 an array that is given away while it waits for what is being taken fails the read", async () => {
  const [first, second] = withLength(content(20 * KIB));
  const { dialer, ends } = pipes();
  const transport = new Transport({ dialer });
  const going = transport.roundTrip(new HttpRequest("http://127.0.0.1/"));
  await until("it is dialled", () => ends.length === 1);
  const [{ there }] = ends;
  await there.write(bytesOf(first));
  const response = await going;
  await pause(5);
  const p = new Uint8Array(64 * KIB);
  for (let length = 0; length < 10 * KIB;) length += await response.body.read(p) ?? 0;
  // A read of the background's is under way.
  const reading = response.body.read(p);
  structuredClone(p.buffer, { transfer: [p.buffer] });
  await there.write(bytesOf(second));
  await assert.rejects(reading, { code: "ERR_INVALID_REQUEST" });
  transport.destroy();
  there.close();
});

test("M16 closing, aborting, a deadline and destroy() end what is being taken", async () => {
  const [first, second] = withLength(content(20 * KIB));
  const endings: [string, (response: HttpResponse, end: AbortController) => unknown][] = [
    ["ERR_BODY_CLOSED", (response) => response.body.close()],
    ["stop", (_, end) => end.abort(Object.assign(new Error("stop"), { code: "stop" }))],
    ["ERR_TIMEOUT", () => {}],
  ];
  for (const [code, end] of endings) {
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(first);
      await connection.clientEnded;
    }, async (server) => {
      const transport = new Transport();
      const controller = new AbortController();
      const response = await transport.roundTrip(
        new HttpRequest(server.origin, {
          signal: controller.signal,
          timeoutMs: code === "ERR_TIMEOUT" ? 50 : 0,
        }),
      );
      await pause(5);
      await end(response, controller);
      await until("the connection is gone", () => transport.stats().total === 0);
      await assert.rejects(response.bytes(), { code });
      await assert.rejects(response.trailers, { code });
      await transport.close();
    });
  }
  // A rest that comes soon is drained instead, and the connection serves on.
  const closing = Promise.withResolvers<void>();
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send(first);
      await closing.promise;
      await connection.send(second);
    }
  }, async (server) => {
    const transport = new Transport();
    const response = await transport.roundTrip(new HttpRequest(server.origin));
    await pause(5);
    const closed = response.body.close();
    closing.resolve();
    await closed;
    assert.equal(transport.stats().idle, 1);
    await assert.rejects(response.bytes(), { code: "ERR_BODY_CLOSED" });
    const next = await transport.roundTrip(new HttpRequest(server.origin));
    assert.equal((await next.bytes()).length, 20 * KIB);
    assert.equal(server.connections.length, 1);
    const last = await transport.roundTrip(new HttpRequest(server.origin));
    transport.destroy();
    // Whole or not: it is over.
    await last.body.close();
    await transport.close();
  });
});

test("M16 a transport keeps 16 MiB of them, counted until read, closed or collected", async () => {
  const whole = content(64 * KIB);
  let sent = 0;
  let seen = 0;
  // In one piece it would not be counted.
  const between = async (): Promise<void> => {
    const mine = ++sent;
    await until("the head was seen", () => seen >= mine);
  };
  await withRawServer(
    (connection) => serve(connection, () => withLength(whole), undefined, between),
    async (server) => {
      const leaked: number[] = [];
      const transport = new Transport({ trace: { bodyLeaked: ({ id }) => void leaked.push(id) } });
      const get = async (): Promise<HttpResponse> => {
        const response = await transport.roundTrip(new HttpRequest(server.origin));
        seen++;
        return response;
      };
      const isTaken = async (response: HttpResponse, looks: number): Promise<boolean> => {
        for (let n = 0; n < looks && response.timings.bodyMs === null; n++) await pause(2);
        return response.timings.bodyMs !== null;
      };
      /** Whether one more is taken; nothing is left of it then. */
      const isRoom = async (looks = 20): Promise<boolean> => {
        const response = await get();
        const taken = await isTaken(response, looks);
        assert.deepEqual(await response.bytes(), whole);
        return taken;
      };
      const kept = await inARow(256, get);
      for (const response of kept) {
        await until("it has come", () => response.timings.bodyMs !== null);
      }
      assert.equal(await isRoom(), false);
      // Read, even piece by piece.
      const p = new Uint8Array(40 * KIB);
      while (await kept[0].body.read(p) !== null);
      assert.equal(await isRoom(5_000), true);
      kept[0] = await get();
      assert.equal(await isTaken(kept[0], 5_000), true);
      assert.equal(await isRoom(), false);
      // Closed.
      await kept[1].body.close();
      assert.equal(await isRoom(5_000), true);
      kept[1] = await get();
      assert.equal(await isTaken(kept[1], 5_000), true);
      assert.equal(await isRoom(), false);
      // Collected: they hold no connection, so nobody need be told.
      kept.length = 0;
      for (let n = 0; n < 200 && !await isRoom(); n++) collect();
      assert.equal(await isRoom(5_000), true);
      assert.deepEqual(leaked, []);
      assert.equal(transport.inspect().leakedCount, 0);
      await transport.close();
    },
  );
});

test("M16 dropped while it is being taken, it is a leak as before; taken, it is none", async () => {
  const [first, second] = withLength(content(20 * KIB));
  const { warn } = console;
  const warned: string[] = [];
  console.warn = (text: string): void => void warned.push(text);
  try {
    await withRawServer(async (connection) => {
      const path = (await connection.readHead()).split(" ")[1];
      await connection.send(first);
      if (path === "/whole") await connection.send(second);
      await connection.clientEnded;
    }, async (server) => {
      const transport = new Transport();
      const drop = async (path: string): Promise<void> => {
        const response = await transport.roundTrip(new HttpRequest(server.origin + path));
        assert.equal(response.status, 200);
      };
      await drop("/whole");
      await until("it has come", () => transport.stats().idle === 1);
      transport.closeIdleConnections();
      await drop("/half");
      await collectUntil("it is found", () => transport.inspect().leakedCount === 1);
      assert.equal(transport.stats().total, 0);
      await transport.close();
    });
  } finally {
    console.warn = warn;
  }
  assert.equal(warned.length, 1);
  assert.match(warned[0], /dropped with its body unread/);
});

test("M16 fetch: an aborted signal fails a body that was taken, and leaves its connection alone", async () => {
  await withRawServer(
    (connection) => serve(connection, () => withLength(content(20 * KIB))),
    async (server) => {
      const transport = new Transport();
      const fetch = createFetch({ transport });
      const controller = new AbortController();
      const response = await fetch(server.origin, { signal: controller.signal });
      await until("it has come", () => transport.stats().idle === 1);
      controller.abort(new Error("no more"));
      await assert.rejects(response.text(), /no more/);
      assert.equal(transport.stats().idle, 1);
      await transport.close();
    },
  );
});
