/**
 * Arrays of request bodies that are given to another thread, or shrunk, before they are written:
 * the request ends, and nothing but the request.
 *
 * @module
 */
import assert from "node:assert/strict";
import { pipe } from "../../../conn/pipe.ts";
import {
  type BodySource,
  Client,
  type Conn,
  createFetch,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  systemDialer,
} from "../../../mod.ts";
import { movedTo, withBodyServer } from "../../support/body_server.ts";
import { test } from "../../support/harness.ts";
import { answered, bytesOf, withRawServer } from "../../support/raw_server.ts";
import { steadyTransport } from "../../support/steady_transport.ts";
import { settled, until } from "../../support/waiting.ts";

/** As `postMessage` does it. */
function detach(array: ArrayBufferView | ArrayBuffer): void {
  const buffer = (array instanceof ArrayBuffer ? array : array.buffer) as ArrayBuffer;
  structuredClone(buffer, { transfer: [buffer] });
}

function resizable(bytes: number, maxBytes: number): ArrayBuffer {
  return new ArrayBuffer(bytes, { maxByteLength: maxBytes });
}

interface ChangingArray {
  body: ArrayBufferView | ArrayBuffer;
  change(): void;
}

/** Arrays of `bytes` bytes, and what happens to each. */
function changing(bytes: number): [string, ChangingArray][] {
  const rows: [string, ChangingArray][] = [];
  const arrays: [string, ArrayBufferView | ArrayBuffer][] = [
    ["Uint8Array", new Uint8Array(bytes)],
    ["a part of one", new Uint8Array(bytes + 100).subarray(50, 50 + bytes)],
    ["Uint16Array", new Uint16Array(bytes / 2)],
    ["DataView", new DataView(new ArrayBuffer(bytes))],
    ["ArrayBuffer", new ArrayBuffer(bytes)],
  ];
  for (const [name, body] of arrays) {
    rows.push([`${name}, detached`, { body, change: () => detach(body) }]);
  }
  const sizes = [["shrunk", bytes / 2], ["emptied", 0], ["grown", bytes + 2]] as const;
  for (const [what, toBytes] of sizes) {
    const views: [string, (buffer: ArrayBuffer) => ArrayBufferView | ArrayBuffer][] = [
      ["Uint8Array", (buffer) => new Uint8Array(buffer)],
      ["ArrayBuffer", (buffer) => buffer],
    ];
    if (what !== "grown") {
      views.push(["DataView", (buffer) => new DataView(buffer)]);
      views.push(["a fixed part", (buffer) => new Uint8Array(buffer, 2, bytes - 2)]);
      views.push(["a fixed DataView", (buffer) => new DataView(buffer, 2, bytes - 2)]);
    }
    for (const [name, view] of views) {
      const buffer = resizable(bytes, bytes + 100);
      rows.push([`${name}, ${what}`, {
        body: view(buffer),
        change: () => buffer.resize(toBytes),
      }]);
    }
  }
  return rows;
}

const WAYS: readonly [string, HttpRequestInit][] = [
  ["plain", {}],
  ["with Expect", { headers: { Expect: "100-continue" } }],
  ["with progress", { onUploadProgress: () => {} }],
  ["with trailers", { trailers: [["X-End", "1"]] }],
];

for (const bytes of [10, 200_000]) {
  test(`M5 an array of ${bytes} bytes that changes in the queue ends its request alone`, async () => {
    for (const [way, init] of WAYS) {
      let held = Promise.withResolvers<void>();
      await withBodyServer(async (server, requests) => {
        const transport = steadyTransport({ maxConnsPerHost: 1 });
        const post = (body: BodySource, more: HttpRequestInit = {}): Promise<string> =>
          transport.roundTrip(new HttpRequest(server.url, { method: "POST", body, ...more }))
            .then((response) => response.text());
        for (const [name, { body, change }] of changing(bytes)) {
          held = Promise.withResolvers();
          const seen = requests.length;
          const first = post("first");
          await until("the first is there", () => requests.length === seen + 1);
          const waiting = post(body as BodySource, init);
          const last = post("last!!");
          change();
          held.resolve();
          await assert.rejects(waiting, (error: unknown) => {
            assert.ok(error instanceof HttpError, `${way}, ${name}: ${error}`);
            assert.equal(error.code, "ERR_BODY_LENGTH", `${way}, ${name}: ${error}`);
            assert.equal(error.attempt?.verdict, "never-sent");
            return true;
          });
          assert.equal(await first, "5");
          assert.equal(await last, "6");
          await until("the connection is free", () => transport.stats().idle === 1);
          assert.deepEqual(requests.slice(seen).map((it) => it.text()), ["first", "last!!"]);
        }
        assert.equal(server.connectionCount, 1);
        await transport.close();
      }, async (_, { recorded }) => {
        await held.promise;
        return new Response(String(recorded.body.length));
      });
    }
  });
}

test("M5 an array that is detached while its request dials, or by a hook, ends it alone", async () => {
  await withBodyServer(async (server, requests) => {
    for (const count of [1, 40]) {
      for (const bytes of [10, 200_000]) {
        const transport = steadyTransport();
        const going: Promise<unknown>[] = [];
        for (let i = 0; i < count; i++) {
          const kept = new Uint8Array(bytes);
          const given = new Uint8Array(bytes);
          const hooked = new Uint8Array(bytes);
          const post = (body: Uint8Array, init: HttpRequestInit = {}): Promise<string> =>
            transport.roundTrip(new HttpRequest(server.url, { method: "POST", body, ...init }))
              .then((response) => response.text());
          going.push(post(kept).then((text) => assert.equal(text, String(bytes))));
          going.push(assert.rejects(post(given), { code: "ERR_BODY_LENGTH" }));
          // Told again where the first connection became old meanwhile.
          const gotConn = (): void => {
            if (hooked.byteLength > 0) detach(hooked);
          };
          going.push(assert.rejects(post(hooked, { trace: { gotConn } }), {
            code: "ERR_BODY_LENGTH",
          }));
          detach(given);
        }
        await Promise.all(going);
        await until("nothing is in use", () => transport.stats().active === 0);
        await transport.close();
      }
    }
    assert.ok(requests.every(({ body }) => body.length === 10 || body.length === 200_000));
  });
});

test("M5 an array that is detached already is refused before anything is sent", async () => {
  await withBodyServer(async (server) => {
    const transport = steadyTransport();
    const send = createFetch({ transport });
    for (const array of [new Uint8Array(3), new DataView(new ArrayBuffer(3)), new ArrayBuffer(3)]) {
      detach(array);
      const body = array as BodySource;
      const code = "ERR_INVALID_REQUEST";
      await assert.rejects(new Client({ transport }).post(server.url, body), { code });
      await assert.rejects(new Client({ transport }).post(server.url, () => body), { code });
      assert.throws(() => new HttpRequest(server.url, { method: "POST", body }), { code });
      await assert.rejects(send(server.url, { method: "POST", body } as RequestInit), TypeError);
    }
    assert.equal(server.connectionCount, 0);
    await transport.close();
  });
});

test("M5 fetch takes the bytes at the call", async () => {
  await withBodyServer(async (server, requests) => {
    await using transport = steadyTransport();
    const send = createFetch({ transport });
    for (const bytes of [10, 200_000]) {
      const arrays: (Uint8Array | ArrayBuffer | DataView)[] = [
        new Uint8Array(bytes).fill(0x61),
        new Uint8Array(bytes).fill(0x61).buffer,
        new DataView(new Uint8Array(bytes).fill(0x61).buffer),
      ];
      for (const body of arrays) {
        const going = send(server.url, { method: "POST", body } as RequestInit);
        detach(body);
        assert.equal(await (await going).text(), String(bytes));
        assert.equal(requests.at(-1)!.text(), "a".repeat(bytes));
      }
    }
  });
});

/** Reads nothing of the body until it is told to. */
async function withSlowServer(
  run: (origin: string, resume: () => void, ended: Promise<string>) => Promise<void>,
): Promise<void> {
  const resumed = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  await withRawServer(async (connection) => {
    await connection.readHead();
    connection.pause();
    await resumed.promise;
    connection.resume();
    await connection.readToEnd().catch(() => "");
    ended.resolve(connection.received);
  }, async (server) => {
    await run(server.origin, resumed.resolve, ended.promise);
    await server.allClosed();
  });
}

test("M5 an array that changes while it is being written ends its request", async () => {
  const bytes = 16 * 1024 * 1024;
  for (const [way, init] of [WAYS[0], WAYS[2]]) {
    for (const kind of ["array", "iterable"] as const) {
      for (const what of ["detached", "shrunk"] as const) {
        await withSlowServer(async (origin, resume, ended) => {
          const conns: Conn[] = [];
          const system = systemDialer();
          const transport = steadyTransport({
            expectContinueTimeoutMs: 1,
            dialer: {
              dial: async (address, options) => {
                const conn = await system.dial(address, options);
                conns.push(conn);
                return conn;
              },
              startTls: system.startTls.bind(system),
            },
          });
          const buffer = what === "detached" ? new ArrayBuffer(bytes) : resizable(bytes, bytes);
          const array = new Uint8Array(buffer);
          const body: BodySource = kind === "array" ? array : (async function* () {
            yield array;
            yield bytesOf("behind");
          })();
          const going = transport.roundTrip(
            new HttpRequest(origin, { method: "POST", body, ...init }),
          );
          going.catch(() => {});
          await until("it is dialled", () => conns.length === 1);
          const written = await settled(() => conns[0].bytesWritten, bytes);
          assert.ok(written < bytes, `${written}`);
          if (what === "detached") detach(buffer);
          else buffer.resize(1000);
          resume();
          await assert.rejects(going, { code: "ERR_BODY_LENGTH" }, `${way}, ${kind}, ${what}`);
          assert.equal(transport.stats().total, 0);
          const received = await ended;
          assert.doesNotMatch(received, /behind|\r\n0\r\n/);
          await transport.close();
        });
      }
    }
  }
});

test("M5 an array that changes between two attempts is not sent again", async () => {
  for (const { change, body } of changing(10).map(([, it]) => it)) {
    await withBodyServer(async (server, requests) => {
      const transport = steadyTransport();
      const client = new Client({ transport });
      await assert.rejects(client.put(server.url, body as BodySource), {
        code: "ERR_BODY_LENGTH",
      });
      assert.equal(requests.length, 1);
      await until("nothing is in use", () => transport.stats().active === 0);
      await transport.close();
    }, () => {
      change();
      return movedTo("/next");
    });
  }
  // The transport's own attempts.
  let served = 0;
  const array = new Uint8Array(10);
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.readBytes(10);
      if (served++ > 0) {
        detach(array);
        connection.reset();
        return;
      }
      await connection.send(answered("ok"));
    }
  }, async (server) => {
    const transport = steadyTransport();
    const init = { method: "PUT", body: array, headers: { "Idempotency-Key": "1" } };
    const put = async (): Promise<string> =>
      await (await transport.roundTrip(new HttpRequest(server.origin, init))).text();
    assert.equal(await put(), "ok");
    await assert.rejects(put(), { code: "ERR_BODY_LENGTH" });
    assert.equal(served, 2);
    assert.equal(transport.stats().active, 0);
    await transport.close();
  });
});

test("M5 a connection that throws when it is written to ends its request alone", async () => {
  await withBodyServer(async (server) => {
    const own = new RangeError("mine");
    const system = systemDialer();
    let dials = 0;
    const transport = steadyTransport({
      maxConnsPerHost: 1,
      dialer: {
        dial: async (address, options) => {
          const conn = await system.dial(address, options);
          if (dials++ > 0) return conn;
          return new Proxy(conn, {
            get: (target, name) => {
              if (name === "startWrite" || name === "write") {
                return () => {
                  // Else it would be read for an answer that says why.
                  queueMicrotask(() => target.close());
                  throw own;
                };
              }
              const value = Reflect.get(target, name, target);
              return typeof value === "function" ? value.bind(target) : value;
            },
          });
        },
        startTls: system.startTls.bind(system),
      },
    });
    const post = (): Promise<string> =>
      transport.roundTrip(new HttpRequest(server.url, { method: "POST", body: "a" }))
        .then((response) => response.text());
    const [first, second] = await Promise.allSettled([post(), post()]);
    assert.equal(first.status === "rejected" && first.reason.cause, own);
    assert.equal(second.status === "fulfilled" && second.value, "1");
    await until("nothing is in use", () => transport.stats().active === 0);
    assert.equal(transport.stats().dialing, 0);
    await transport.close();
  });
});

test("M5 a pipe refuses an array that changes while it is written", async () => {
  for (const toBytes of [0, 100, 5000]) {
    const [here, there] = pipe({ bufferBytes: 1000 });
    const buffer = resizable(4000, 5000);
    const going = here.write(new Uint8Array(buffer));
    going.catch(() => {});
    buffer.resize(toBytes);
    assert.equal(await there.read(new Uint8Array(5000)), 1000);
    await assert.rejects(going, { code: "ERR_INVALID_REQUEST" });
    here.close();
    there.close();
  }
});

test("M5 an array that changes while a body is read into it ends that response alone", async () => {
  const framings: [string, string, string][] = [
    ["length", "Content-Length: 200000", "x".repeat(200_000)],
    ["chunked", "Transfer-Encoding: chunked", `30d40\r\n${"x".repeat(200_000)}\r\n0\r\n\r\n`],
    ["end", "Connection: close", "x".repeat(200_000)],
  ];
  for (const [framing, field, content] of framings) {
    for (const isDetached of [true, false]) {
      const held = Promise.withResolvers<void>();
      await withRawServer(async (connection) => {
        if (connection.index > 0) {
          await connection.readHead();
          return await connection.send(answered("ok"));
        }
        await connection.readHead();
        await connection.send(`HTTP/1.1 200 OK\r\n${field}\r\n\r\n${content.slice(0, 10)}`);
        await held.promise;
        await connection.send(content.slice(10));
        connection.end();
      }, async (server) => {
        const transport = steadyTransport();
        const response = await transport.roundTrip(new HttpRequest(server.origin));
        const first = new Uint8Array(20);
        let n = 0;
        const expected = framing === "chunked" ? 3 : 10;
        while (n < expected) n += (await response.body.read(first.subarray(n)))!;
        const buffer = resizable(100_000, 100_000);
        const going = response.body.read(new Uint8Array(buffer));
        going.catch(() => {});
        if (isDetached) detach(buffer);
        else buffer.resize(0);
        held.resolve();
        await assert.rejects(going, { code: "ERR_INVALID_REQUEST", message: /detached/ }, framing);
        await assert.rejects(response.body.read(first), { code: "ERR_INVALID_REQUEST" });
        await until("nothing is left", () => transport.stats().total === 0);
        const other = await transport.roundTrip(new HttpRequest(server.origin));
        assert.equal(await other.text(), "ok");
        transport.destroy();
        await server.allClosed();
      });
    }
  }
});

test("M5 a pipe refuses an array that changes while it is read into", async () => {
  const [here, there] = pipe();
  const array = new Uint8Array(100);
  const going = there.read(array);
  going.catch(() => {});
  detach(array);
  assert.equal(await here.write(bytesOf("content")), 7);
  await assert.rejects(going, { code: "ERR_INVALID_REQUEST" });
  assert.equal(await there.read(new Uint8Array(100)), 7);
  here.close();
  there.close();
});
