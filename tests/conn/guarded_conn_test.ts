/**
 * Connections of callers that do not keep to what `Conn` promises: each is held to it, and what it
 * does ends its own request alone.
 *
 * @module
 */
import assert from "node:assert/strict";
import { guardedConn } from "../../conn/guarded_conn.ts";
import { pipe } from "../../conn/pipe.ts";
import {
  Client,
  type Clock,
  type Conn,
  createFetch,
  type Dialer,
  HttpError,
  HttpRequest,
  type HttpResponse,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import { connWith } from "../support/conn_with.ts";
import { watched } from "../support/console_errors.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { memoryServer } from "../support/memory_server.ts";
import { bytesOf } from "../support/raw_server.ts";
import { isPending, until } from "../support/waiting.ts";
import { assertQuiet, WatchedSignal } from "../support/watched_signal.ts";

const URL_OF_IT = "http://a.test/";

/** A dialer whose connections have members of their own. */
function dialerWith(members: (conn: Conn) => PropertyDescriptorMap): Dialer {
  const { dialer } = memoryServer();
  const dial = async (): Promise<Conn> => {
    const conn = await dialer.dial({ transport: "unix", path: "x" });
    return connWith(conn, members(conn));
  };
  return { dial, startTls: dialer.startTls };
}

/** How one request by a dialer fails; nothing is left of it. */
async function failure(dialer: Dialer, options: TransportOptions = {}): Promise<HttpError> {
  const transport = new Transport({ dialer, ...options });
  const { result, unhandled } = await watched(async () => {
    const error = await transport.roundTrip(new HttpRequest(URL_OF_IT)).then(
      () => assert.fail("there was an answer"),
      (error) => error,
    );
    assertQuiet(transport);
    await transport.close();
    return error;
  });
  assert.deepEqual(unhandled, []);
  assert.equal(transport.stats().total, 0);
  assert.ok(result instanceof HttpError, `${result}`);
  return result;
}

const NO_CONNECTIONS: readonly [what: string, value: unknown, says: RegExp][] = [
  ["undefined", undefined, /it is undefined/],
  ["null", null, /it is null/],
  ["a number", 5, /it is 5/],
  ["a function", () => {}, /it is a function/],
  ["an empty object", {}, /read is no function/],
  ["an array", [], /read is no function/],
  ["one that cannot write", { read: () => Promise.resolve(null) }, /write is no function/],
];

for (const [what, value, says] of NO_CONNECTIONS) {
  test(`M6 conn: a dialer that gives ${what} in the place of a connection`, async () => {
    const startTls = (): Promise<Conn> => Promise.resolve(value as Conn);
    const error = await failure({ dial: startTls, startTls });
    assert.equal(error.code, "ERR_INVALID_REQUEST");
    assert.match(error.message, says);
    assert.equal(error.phase, "dial");
    assert.equal(error.attempt?.verdict, "never-sent");
  });
}

test("M6 conn: what is no connection and can be closed is closed", async () => {
  let closed = 0;
  const dial = () => Promise.resolve({ close: () => closed++ } as unknown as Conn);
  const error = await failure({ dial, startTls: dial });
  assert.equal(error.code, "ERR_INVALID_REQUEST");
  assert.equal(closed, 1);
});

for (const read of [NaN, -1, 0, 0.5, 1e9, Infinity, undefined, "5", {}, true]) {
  test(`M6 conn: read() that gives ${read} (${typeof read})`, async () => {
    const value = () => Promise.resolve(read);
    const error = await failure(dialerWith(() => ({ read: { value } })));
    assert.equal(error.code, "ERR_INVALID_REQUEST");
    assert.match(error.message, /read\(\) gave/);
  });
}

for (const written of [undefined, null, 0, -1, NaN, 1e9, "all"]) {
  test(`M6 conn: write() that gives ${written}, and no answer`, async () => {
    const clock = new ManualClock();
    const members = { write: { value: () => Promise.resolve(written) } };
    const failing = failure(dialerWith(() => members), { clock, dialTimeoutMs: 0 });
    await until("it has failed to write", () => clock.runningCount > 0);
    clock.advance(5_010);
    const error = await failing;
    assert.equal(error.code, "ERR_INVALID_REQUEST");
    assert.match(error.message, /write\(\) of \d+ bytes gave/);
    // Nobody knows what it has done with them.
    assert.equal(error.attempt?.verdict, "partly-sent");
  });
}

test("M6 conn: a write that fails while the read stays pending ends within five seconds", async () => {
  for (const fails of ["throws", "rejects"]) {
    const clock = new ManualClock();
    const thrown = new Error("no way out");
    const dialer = dialerWith(() => ({
      read: { value: () => new Promise(() => {}) },
      write: {
        value: () => {
          if (fails === "throws") throw thrown;
          return Promise.reject(thrown);
        },
      },
    }));
    const transport = new Transport({ dialer, clock, dialTimeoutMs: 0 });
    const going = transport.roundTrip(new HttpRequest(URL_OF_IT));
    going.catch(() => {});
    await until("it has failed to write", () => clock.runningCount > 0);
    clock.advance(4_990);
    assert.equal(await isPending(going), true);
    clock.advance(20);
    await assert.rejects(going, (error: HttpError) => {
      assert.equal(error.code, "ERR_CONNECTION_LOST");
      assert.equal(error.cause, thrown);
      assert.equal(error.attempt?.verdict, "never-sent");
      return true;
    });
    assertQuiet(transport);
    assert.equal(clock.runningCount, 0);
    await transport.close();
  }
});

test("M6 conn: a refusal that comes within that time is the answer", async () => {
  const clock = new ManualClock();
  const [here, there] = pipe();
  const write = { value: () => Promise.reject(new Error("no way out")) };
  const dialer: Dialer = {
    dial: () => Promise.resolve(connWith(here, { write })),
    startTls: (conn) => Promise.resolve(conn),
  };
  const transport = new Transport({ dialer, clock, dialTimeoutMs: 0 });
  const going = transport.roundTrip(new HttpRequest(URL_OF_IT));
  await until("it has failed to write", () => clock.runningCount > 0);
  clock.advance(4_000);
  await there.write(bytesOf("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmu"));
  const response = await going;
  assert.equal(response.status, 413);
  // The rest of the body takes the time that it takes.
  clock.advance(60_000);
  const reading = response.text();
  await there.write(bytesOf("ch"));
  assert.equal(await reading, "much");
  await transport.close();
  there.close();
  assert.equal(clock.runningCount, 0);
});

test("M6 conn: a count of written bytes that lies makes no request look unsent", async () => {
  let writes = 0;
  const broken = Promise.withResolvers<number>();
  const dialer = dialerWith((conn) => ({
    bytesWritten: { get: () => 0 },
    read: { value: (p: Uint8Array) => Promise.race([conn.read(p), broken.promise]) },
    write: {
      value: (p: Uint8Array) => {
        if (++writes === 1) return conn.write(p);
        broken.reject(new Error("lost"));
        return broken.promise;
      },
    },
  }));
  const transport = new Transport({ dialer });
  const first = await transport.roundTrip(new HttpRequest(URL_OF_IT));
  await first.bytes();
  const post = new HttpRequest(URL_OF_IT, { method: "POST", body: "hello!" });
  // Sent again it would be answered.
  await assert.rejects(transport.roundTrip(post), (error: HttpError) => {
    assert.equal(error.attempt?.verdict, "partly-sent");
    return error.code === "ERR_CONNECTION_LOST";
  });
  assert.equal(writes, 2);
  await transport.close();
});

test("M6 conn: callbacks that are called at once, twice, or both, settle a read once", async () => {
  const [here, there] = pipe();
  type Done = (count: number | null) => void;
  let before: Done = () => {};
  const conn = guardedConn(connWith(here, {
    startRead: {
      value: (p: Uint8Array, done: Done, failed: (error: unknown) => void) => {
        const late = before;
        before = done;
        p.set(bytesOf("ok"));
        done(2);
        done(1);
        failed(new Error("late"));
        // Of the read before.
        late(7);
      },
    },
  }));
  const p = new Uint8Array(8);
  let isInside = true;
  const counts: (number | null)[] = [];
  conn.startRead!(p, (count) => {
    assert.equal(isInside, false);
    counts.push(count);
  }, () => assert.fail("it did not fail"));
  isInside = false;
  await until("it is told", () => counts.length > 0);
  assert.equal(await conn.read(p), 2);
  assert.deepEqual(counts, [2]);
  assert.equal(conn.bytesRead, 4);
  conn.close();
  there.close();
});

test("M6 conn: closing settles what the caller's connection leaves pending", async () => {
  const never = { value: () => new Promise(() => {}) };
  const [here, there] = pipe();
  const conn = guardedConn(connWith(here, { read: never, write: never, readChunk: never }));
  const p = new Uint8Array(8);
  const reading = conn.read(p);
  const writing = conn.write(p);
  await assert.rejects(conn.read(p), { code: "ERR_INVALID_REQUEST" });
  await assert.rejects(conn.readChunk!(8), { code: "ERR_INVALID_REQUEST" });
  await assert.rejects(conn.write(p), { code: "ERR_INVALID_REQUEST" });
  conn.close();
  for (const pending of [reading, writing, conn.read(p), conn.readChunk!(8), conn.write(p)]) {
    await assert.rejects(pending, { code: "ERR_CLOSED" });
  }
  there.close();
});

test("M6 conn: a body whose connection hangs ends with the signal", async () => {
  const watching = new WatchedSignal();
  const { signal } = watching;
  const dialer = dialerWith((conn) => {
    let reads = 0;
    const value = (p: Uint8Array) => reads++ < 1 ? conn.read(p) : new Promise(() => {});
    return { read: { value }, close: { value: () => {} }, whenClosed: { value: () => {} } };
  });
  const transport = new Transport({ dialer });
  const response: HttpResponse = await transport.roundTrip(
    new HttpRequest(`${URL_OF_IT}pieces`, { signal }),
  );
  const reading = response.text();
  assert.equal(await isPending(reading), true);
  watching.abort();
  await assert.rejects(reading, watching.reason);
  assertQuiet(transport);
  await transport.close();
});

test("M6 conn: readChunk() that gives what is no piece", async () => {
  const chunks = [5, undefined, new Uint8Array(0), new Uint8Array(9), [1], new ArrayBuffer(1)];
  for (const chunk of chunks) {
    const [here, there] = pipe();
    const conn = guardedConn(connWith(here, { readChunk: { value: () => chunk } }));
    await assert.rejects(conn.readChunk!(8), { code: "ERR_INVALID_REQUEST" }, `${chunk}`);
    conn.close();
    there.close();
  }
  const [here, there] = pipe();
  const part = Uint8Array.of(1, 2, 3, 4).subarray(1, 3);
  const conn = guardedConn(connWith(here, { readChunk: { value: () => part } }));
  const chunk = await conn.readChunk!(8);
  // What else its buffer holds is not the reader's.
  assert.deepEqual([...new Uint8Array(chunk!.buffer)], [2, 3]);
  conn.close();
  there.close();
});

test("M6 conn: an array that a read takes away is no answer", async () => {
  const dialer = dialerWith(() => ({
    read: {
      value: (p: Uint8Array<ArrayBuffer>) => {
        p.buffer.transfer();
        return Promise.resolve(5);
      },
    },
  }));
  const error = await failure(dialer);
  assert.equal(error.code, "ERR_INVALID_REQUEST");
  assert.match(error.message, /took the array away/);
});

test("M6 conn: an array that a write takes away costs the next request nothing", async () => {
  const dialer = dialerWith((conn) => ({
    write: {
      value: async (p: Uint8Array<ArrayBuffer>) => {
        const { length } = p;
        await conn.write(p.slice());
        p.buffer.transfer();
        return length;
      },
    },
  }));
  const transport = new Transport({ dialer });
  for (let n = 0; n < 3; n++) {
    const request = new HttpRequest(URL_OF_IT, { method: "POST", body: "hello!" });
    assert.equal(await (await transport.roundTrip(request)).text(), "ok");
  }
  assert.equal(transport.stats().idle, 1);
  await transport.close();
});

test("M6 conn: what a dialer makes after its request has ended is closed", async () => {
  const late = Promise.withResolvers<Conn>();
  const [here, there] = pipe();
  const transport = new Transport({
    dialer: { dial: () => late.promise, startTls: (conn) => Promise.resolve(conn) },
  });
  const going = transport.roundTrip(new HttpRequest(URL_OF_IT));
  transport.destroy();
  await assert.rejects(going, { code: "ERR_CLOSED" });
  await transport.close();
  assert.equal(transport.stats().dialing, 0);
  late.resolve(here);
  assert.equal(await there.read(new Uint8Array(1)), null);
  there.close();
});

test("M6 conn: a dialer that does not heed its signal is given up in time", async () => {
  const clock = new ManualClock();
  const never = () => new Promise<Conn>(() => {});
  for (const secure of [false, true]) {
    const transport = new Transport({
      clock,
      dialTimeoutMs: 1_000,
      tlsHandshakeTimeoutMs: 2_000,
      dialer: { dial: secure ? () => Promise.resolve(pipe()[0]) : never, startTls: never },
    });
    const going = transport.roundTrip(new HttpRequest(secure ? "https://a.test/" : URL_OF_IT));
    going.catch(() => {});
    await until("its time runs", () => clock.runningCount > 0);
    await isPending(going);
    clock.advance(2_010);
    await assert.rejects(going, { code: "ERR_TIMEOUT", phase: secure ? "tls" : "dial" });
    assertQuiet(transport);
    await transport.close();
  }
});

test("M6 a hook that aborts and then throws ends its request alone", async () => {
  for (const status of [103, 100]) {
    const watching = new WatchedSignal();
    const { signal } = watching;
    const got1xxResponse = (): void => {
      watching.abort();
      throw new Error("and more");
    };
    const { dialer } = memoryServer();
    const transport = new Transport({ dialer });
    const { unhandled } = await watched(async () => {
      const init = status === 103 ? {} : {
        method: "POST",
        headers: { Expect: "100-continue" },
        body: "hello!",
      };
      const path = status === 103 ? "early" : "";
      const request = new HttpRequest(URL_OF_IT + path, {
        ...init,
        signal,
        trace: { got1xxResponse },
      });
      await assert.rejects(transport.roundTrip(request), watching.reason);
    });
    assert.deepEqual(unhandled, []);
    assertQuiet(transport);
    await transport.close();
  }
});

test("M6 lease: a dialer or a hook that ends it while it begins leaves nothing waiting", async () => {
  for (const where of ["dial", "getConn", "connectStart", "proxy"]) {
    for (const what of ["abort", "destroy"]) {
      const watching = new WatchedSignal();
      const { signal } = watching;
      const destroyed = new Error("destroyed");
      const act = (): void => {
        if (what === "abort") watching.abort();
        else transport.destroy(destroyed);
      };
      const { dialer } = memoryServer();
      const transport: Transport = new Transport({
        dialer: {
          ...dialer,
          dial: (address) => {
            if (where === "dial") act();
            return dialer.dial(address);
          },
        },
        trace: where === "getConn" || where === "connectStart" ? { [where]: act } : {},
        proxy: () => {
          if (where === "proxy") act();
          return null;
        },
      });
      const expected = what === "abort" ? watching.reason : destroyed;
      await assert.rejects(transport.connect(URL_OF_IT, { signal }), expected, `${where} ${what}`);
      await until("nothing is left", () => {
        const { active, dialing, waiting } = transport.stats();
        return active + dialing + waiting === 0;
      });
      assert.equal(watching.listenerCount, 0);
      await transport.close();
    }
  }
});

test("M6 signal: what is none is refused when the request is made", () => {
  const signals = [{}, 5, { addEventListener: () => {} }, { aborted: false, addEventListener: 1 }];
  for (const signal of signals as unknown[] as AbortSignal[]) {
    assert.throws(() => new HttpRequest(URL_OF_IT, { signal }), { code: "ERR_INVALID_REQUEST" });
  }
});

test("M6 clock and dialer: what is none is refused when the transport is made", () => {
  for (const clock of [{}, { now: () => 0 }, { now: 0, startTimer: 0, stopTimer: 0 }]) {
    const options = { clock } as unknown as TransportOptions;
    assert.throws(() => new Transport(options), { code: "ERR_INVALID_REQUEST" });
  }
  for (const dialer of [{}, { dial: () => {} }, { dial: 1, startTls: 1 }]) {
    const options = { dialer } as unknown as TransportOptions;
    assert.throws(() => new Transport(options), { code: "ERR_INVALID_REQUEST" });
  }
});

test("M6 clock: one that goes wrong loses neither time nor timers", async () => {
  const times = [1_000, NaN, 900, undefined, Infinity, -5];
  let looks = 0;
  const clock = {
    now: () => times[looks++ % times.length] as number,
    // At once, which is no time to be called back.
    startTimer: (callback: () => void) => callback(),
    stopTimer: () => {
      throw new Error("never");
    },
  };
  const { dialer } = memoryServer();
  const never = new Promise<Conn>(() => {});
  const { unhandled, told } = await watched(async () => {
    const transport = new Transport({ dialer, clock });
    const answered = await transport.roundTrip(new HttpRequest(URL_OF_IT, { timeoutMs: 60_000 }));
    assert.equal(await answered.text(), "ok");
    await transport.close();
    // Its time stands still at 1,000, but the runtime's timers go on.
    const stuck = new Transport({
      dialer: { ...dialer, dial: () => never },
      clock: { ...clock, now: () => performance.now() },
    });
    const request = new HttpRequest(URL_OF_IT, { timeoutMs: 20 });
    await assert.rejects(stuck.roundTrip(request), { code: "ERR_TIMEOUT" });
    stuck.destroy();
    await stuck.close();
  });
  assert.deepEqual(unhandled, []);
  // Once for each clock.
  assert.equal(told.length, 2);
});

test("M6 clock: one that knows no end of a turn lets no request wait", async () => {
  const runs = { now: () => performance.now(), startTimer: setTimeout, stopTimer: clearTimeout };
  const fails = (): never => {
    throw new Error("never");
  };
  const turns: Record<string, Partial<Clock>> = {
    "throws": { atEndOfTurn: fails },
    "calls back at once": { atEndOfTurn: (callback) => callback() },
    "calls back twice": {
      atEndOfTurn: (callback) => {
        setTimeout(callback);
        setTimeout(callback);
      },
    },
    "cannot cancel": { atEndOfTurn: (callback) => setTimeout(callback), cancelEndOfTurn: fails },
  };
  for (const [what, turn] of Object.entries(turns)) {
    const { dialer } = memoryServer();
    const { unhandled } = await watched(async () => {
      const clock = { ...runs, ...turn } as Clock;
      const transport = new Transport({ dialer, clock, maxConnsPerHost: 4 });
      // So many that those of one turn go together; and bodies that nobody reads.
      const responses = await Promise.all(
        Array.from(
          { length: 60 },
          (_, n) => transport.roundTrip(new HttpRequest(URL_OF_IT + (n % 3 === 0 ? "pieces" : ""))),
        ),
      );
      for (const response of responses) assert.equal(await response.text(), "ok", what);
      await transport.close();
    });
    assert.deepEqual(unhandled, [], what);
  }
});

test("M6 init: a getter that throws fails its own call", async () => {
  const names = ["method", "headers", "body", "signal", "timeoutMs", "trace", "host", "trailers"];
  const { dialer } = memoryServer();
  const transport = new Transport({ dialer });
  const client = new Client({ transport });
  const fetch = createFetch({ dialer });
  const thrown = new Error("thrown");
  const { unhandled } = await watched(async () => {
    for (const name of names) {
      const init = Object.defineProperty({}, name, {
        enumerable: true,
        get: () => {
          throw thrown;
        },
      });
      assert.throws(() => new HttpRequest(URL_OF_IT, init), thrown, name);
      await assert.rejects(client.get(URL_OF_IT, init), thrown, name);
      if (["method", "headers", "body", "signal"].includes(name)) {
        await assert.rejects(fetch(URL_OF_IT, init));
      }
    }
    const headers = {
      *[Symbol.iterator](): Generator<[string, string]> {
        yield ["A", "b"];
        throw thrown;
      },
    };
    assert.throws(() => new HttpRequest(URL_OF_IT, { headers }), thrown);
    await assert.rejects(client.get(URL_OF_IT, { headers }), thrown);
    assert.equal(await (await client.get(URL_OF_IT)).text(), "ok");
    await transport.close();
  });
  assert.deepEqual(unhandled, []);
});

test("M6 lease: a signal whose methods throw holds no connection", async () => {
  for (const name of ["addEventListener", "removeEventListener"] as const) {
    for (const proxy of [null, () => Promise.resolve(null)]) {
      const { signal } = new AbortController();
      const thrown = new Error("thrown");
      Object.defineProperty(signal, name, {
        value: () => {
          throw thrown;
        },
      });
      const { dialer } = memoryServer();
      const transport = new Transport({ dialer, proxy });
      const { unhandled } = await watched(async () => {
        await transport.connect(URL_OF_IT, { signal }).then(
          (lease) => lease.release(),
          (error) => assert.equal(error, thrown),
        );
        await until("nothing is left", () => {
          const { active, dialing, waiting } = transport.stats();
          return active + dialing + waiting === 0;
        });
      });
      assert.deepEqual(unhandled, []);
      await transport.close();
    }
  }
});
