/**
 * In whose asynchronous context a request's own callbacks run: in that of its caller, whoever sets them off.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as asyncHooks from "node:async_hooks";
import process from "node:process";
import {
  type BodySource,
  Client,
  type ClientTrace,
  type CookieJar,
  createFetch,
  dataProtocol,
  type Dialer,
  HttpRequest,
  type HttpRequestInit,
  ResumingTransport,
  RetryingTransport,
  type Transport,
  type TransportOptions,
} from "../../mod.ts";
import { runProgram } from "../fixtures/cli_run.ts";
import { test } from "../support/harness.ts";
import {
  type RawConnection,
  type RawServer,
  type RawServerOptions,
  testAuthority,
  withRawServer,
} from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { until } from "../support/waiting.ts";

const store = new asyncHooks.AsyncLocalStorage<string>();

/** Runs something as one caller. */
function as<T>(caller: string, run: () => T): T {
  return store.run(caller, run);
}

/** What was called back, and what it saw. */
class Record {
  readonly caller: string;
  readonly calls: string[] = [];
  readonly strange: string[] = [];

  constructor(caller: string) {
    this.caller = caller;
  }

  note(name: string): void {
    this.calls.push(name);
    const seen = store.getStore();
    if (seen !== this.caller) this.strange.push(`${name} of ${this.caller} saw ${seen}`);
  }

  /** Each of them was called, and all saw their caller. */
  assertOwn(...names: string[]): void {
    assert.deepEqual(this.strange, []);
    for (const name of names) assert.ok(this.calls.includes(name), `${name}: ${this.calls}`);
  }

  get trace(): ClientTrace {
    return new Proxy({}, {
      get: (_target, name) => () => this.note(String(name)),
    });
  }

  /** Every kind of callback but a body. */
  get hooks(): HttpRequestInit {
    return {
      trace: this.trace,
      onDownloadProgress: () => this.note("onDownloadProgress"),
    };
  }

  /** The same, and a body. */
  upload(body: BodySource): HttpRequestInit {
    return {
      ...this.hooks,
      method: "PUT",
      body,
      trailers: async () => {
        this.note("trailers");
        await Promise.resolve();
        this.note("trailers, later");
        return [["X-Trailer", "1"]];
      },
      onUploadProgress: () => this.note("onUploadProgress"),
    };
  }
}

const PIECE = new TextEncoder().encode("abc");

/** Bodies that call the caller's code. */
const bodies: { [name: string]: (record: Record) => BodySource } = {
  generator: async function* (record) {
    try {
      for (let n = 0; n < 3; n++) {
        record.note("body");
        await Promise.resolve();
        record.note("body, later");
        yield PIECE;
      }
    } finally {
      record.note("body, end");
    }
  },
  stream: (record) => {
    let left = 3;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        record.note("body");
        await Promise.resolve();
        record.note("body, later");
        controller.enqueue(PIECE);
        if (--left === 0) controller.close();
      },
      cancel: () => record.note("body, end"),
    }, { highWaterMark: 0 });
  },
  reader: (record) => {
    let left = 3;
    return {
      read: async (p: Uint8Array) => {
        record.note("body");
        await Promise.resolve();
        record.note("body, later");
        if (left-- === 0) return null;
        p.set(PIECE);
        return PIECE.length;
      },
    };
  },
  iterable: (record) => ({
    [Symbol.asyncIterator]: () => {
      record.note("body");
      let left = 3;
      return {
        next: () => {
          record.note("body, later");
          const value = PIECE;
          return Promise.resolve(left-- === 0 ? { done: true, value } : { done: false, value });
        },
        return: () => {
          record.note("body, end");
          return Promise.resolve({ done: true, value: PIECE });
        },
      } as AsyncIterator<Uint8Array>;
    },
  }),
  factory: (record) => () => {
    record.note("body");
    return bodies.generator(record);
  },
};

/** Reads a request, its chunked content too; returns its path. */
async function readRequest(connection: RawConnection): Promise<string> {
  const head = await connection.readHead();
  if (/^expect:/im.test(head)) await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
  if (/^transfer-encoding:/im.test(head)) {
    await connection.readUntil("\r\n0\r\n");
    while (await connection.readUntil("\r\n") !== "\r\n");
  }
  return head.split(" ", 2)[1];
}

const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";

/** Answers in pieces, with an informational response before. */
async function answer(connection: RawConnection): Promise<void> {
  await connection.send("HTTP/1.1 103 Early Hints\r\n\r\n");
  await connection.send(HEAD);
  await connection.send("ok");
  await connection.send("ok");
}

async function answering(connection: RawConnection): Promise<void> {
  for (;;) {
    await readRequest(connection);
    await answer(connection);
  }
}

/** Runs a test with a transport of its own; nothing is open afterwards. */
async function withTransport(
  options: TransportOptions,
  run: (transport: Transport) => Promise<void>,
): Promise<void> {
  const transport = steadyTransport({ ...options, tls: { caCerts: [testAuthority] } });
  try {
    await run(transport);
  } finally {
    transport.destroy();
    await transport.close();
  }
  assert.equal(transport.stats().total, 0);
}

async function withServer(
  handler: (connection: RawConnection) => Promise<void>,
  options: TransportOptions & RawServerOptions,
  run: (transport: Transport, server: RawServer) => Promise<void>,
): Promise<void> {
  const { tls, ...ofTransport } = options as { tls?: boolean };
  await withRawServer(
    handler,
    (server) => withTransport(ofTransport, (transport) => run(transport, server)),
    { tls },
  );
}

/** Every hook that any request over one connection hears. */
const COMMON = [
  "getConn",
  "gotConn",
  "wroteHeaders",
  "got1xxResponse",
  "wroteRequest",
  "gotFirstResponseByte",
  "bodyDone",
];

for (const tls of [false, true]) {
  for (const [kind, body] of Object.entries(bodies)) {
    test(`M22 callbacks of requests that are handed a connection see their own caller: ${kind}, ${tls ? "TLS" : "plain"}`, () =>
      withServer(answering, { maxConnsPerHost: 1, tls } as object, async (transport, server) => {
        const records = ["A", "B", "C", "D"].map((caller) => new Record(caller));
        const going = records.map((record) =>
          as(record.caller, async () => {
            const init = record.upload(body(record));
            const headers = { "Expect": "100-continue" };
            const request = new HttpRequest(server.origin, { ...init, headers });
            const response = await transport.roundTrip(request);
            assert.equal(store.getStore(), record.caller);
            assert.equal(await response.text(), "okok");
            assert.equal(store.getStore(), record.caller);
          })
        );
        await Promise.all(going);
        assert.equal(server.connections.length, 1);
        for (const record of records) {
          record.assertOwn(
            ...COMMON,
            "wait100Continue",
            "got100Continue",
            "body",
            "body, later",
            "trailers",
            "trailers, later",
            "onUploadProgress",
            "onDownloadProgress",
          );
        }
        records[0].assertOwn("connectStart", "connectDone");
        if (tls) records[0].assertOwn("tlsHandshakeStart", "tlsHandshakeDone");
      }));
  }

  test(`M22 requests that go together at the end of a turn see their own callers: ${tls ? "TLS" : "plain"}`, () =>
    withServer(answering, { maxConnsPerHost: 26, tls } as object, async (transport, server) => {
      const records: Record[] = [];
      for (let round = 0; round < 3; round++) {
        const callers = Array.from({ length: 60 }, (_, n) => new Record(`${round}.${n}`));
        records.push(...callers);
        await Promise.all(callers.map((record, n) =>
          as(record.caller, async () => {
            const init = n % 2 === 0
              ? record.hooks
              : record.upload(Object.values(bodies)[n % 5](record));
            const response = await transport.roundTrip(new HttpRequest(server.origin, init));
            assert.equal(await response.text(), "okok");
          })
        ));
      }
      for (const record of records) record.assertOwn(...COMMON, "onDownloadProgress");
    }));
}

test("M22 a dial that another's end lets begin tells the request that it is for", () =>
  withServer(
    async (connection) => {
      await readRequest(connection);
      await answer(connection);
    },
    { maxConnsPerHost: 1 },
    async (transport, server) => {
      const records = ["A", "B", "C"].map((caller) => new Record(caller));
      await Promise.all(records.map((record) =>
        as(record.caller, async () => {
          const init = { ...record.hooks, close: true };
          const response = await transport.roundTrip(new HttpRequest(server.origin, init));
          assert.equal(await response.text(), "okok");
        })
      ));
      assert.equal(server.connections.length, 3);
      for (const record of records) record.assertOwn(...COMMON, "connectStart", "connectDone");
    },
  ));

test("M22 a request that is sent again calls its factory in the context of its caller", () =>
  withServer(
    async (connection) => {
      await readRequest(connection);
      await answer(connection);
      // The second request on a connection is not answered.
      await readRequest(connection);
      if (connection.index === 0) return connection.close();
      await answer(connection);
    },
    {},
    async (transport, server) => {
      const first = new Record("first");
      await as("first", async () => {
        const response = await transport.roundTrip(new HttpRequest(server.origin, first.hooks));
        await response.bytes();
      });
      const second = new Record("second");
      await as("second", async () => {
        const request = new HttpRequest(server.origin, {
          ...second.upload(bodies.factory(second)),
          headers: { "Idempotency-Key": "1" },
        });
        const response = await transport.roundTrip(request);
        assert.equal(await response.text(), "okok");
      });
      second.assertOwn(...COMMON, "retry", "connectStart", "connectDone", "body", "trailers");
      assert.equal(second.calls.filter((name) => name === "gotConn").length, 2);
      first.assertOwn(...COMMON);
    },
  ));

/** Bodies that give one piece and then nothing, until they are let go. */
const endless: { [kind: string]: (record: Record) => BodySource } = {
  stream: (record) => {
    let given = false;
    return new ReadableStream<Uint8Array>({
      pull: (controller) => {
        record.note("body");
        if (!given) controller.enqueue(PIECE);
        else return new Promise<void>(() => {});
        given = true;
        return Promise.resolve();
      },
      cancel: () => record.note("body, end"),
    }, { highWaterMark: 0 });
  },
  iterable: (record) => {
    let given = false;
    const iterator: AsyncIterator<Uint8Array> = {
      next: () => {
        record.note("body");
        if (given) return new Promise(() => {});
        given = true;
        return Promise.resolve({ done: false, value: PIECE });
      },
      return: () => {
        record.note("body, end");
        return Promise.resolve({ done: true, value: undefined });
      },
    };
    // As a generator, it can be let go of before it was asked for anything.
    return { ...iterator, [Symbol.asyncIterator]: () => iterator };
  },
};

/** Connects to nothing until it is given up. */
const hangingDialer: Dialer = {
  dial: (_address, options) =>
    new Promise((_resolve, reject) => {
      const { signal } = options!;
      signal!.addEventListener("abort", () => reject(signal!.reason), { once: true });
    }),
  startTls: () => Promise.reject(new Error("nothing is connected")),
};

for (const [kind, body] of Object.entries(endless)) {
  for (
    const phase of ["before its route is known", "before it is sent", "as it is sent"] as const
  ) {
    test(`M22 aborted from elsewhere ${phase}, a request lets its ${kind} go as its caller`, () =>
      withServer(
        async (connection) => {
          await connection.readUntil("abc");
          await connection.closed;
        },
        {
          "before its route is known": { proxy: () => new Promise<null>(() => {}) },
          "before it is sent": { dialer: hangingDialer },
          "as it is sent": {},
        }[phase],
        async (transport, server) => {
          const record = new Record("caller");
          const controller = new AbortController();
          const isSent = phase === "as it is sent";
          const going = as("caller", () =>
            transport.roundTrip(
              new HttpRequest(server.origin, {
                ...record.upload(body(record)),
                signal: controller.signal,
              }),
            ));
          const failed = assert.rejects(going);
          if (isSent) {
            await until(
              "it waits for more",
              () => record.calls.filter((name) => name === "body").length === 2,
            );
          }
          as("elsewhere", () => controller.abort());
          await failed;
          await until("the body is let go", () => record.calls.includes("body, end"));
          record.assertOwn(...(isSent ? ["gotConn", "wroteHeaders"] : []));
        },
      ));
  }
}

test("M22 what reads the body need not be the caller: bodyDone and progress see the caller", () =>
  withServer(answering, {}, async (transport, server) => {
    const record = new Record("caller");
    const request = new HttpRequest(server.origin, record.hooks);
    const response = await as("caller", () => transport.roundTrip(request));
    assert.equal(await as("reader", () => response.text()), "okok");
    record.assertOwn(...COMMON, "onDownloadProgress");

    const closed = new Record("closed");
    const again = await as("closed", () =>
      transport.roundTrip(
        new HttpRequest(server.origin, closed.hooks),
      ));
    await as("reader", () => again.body.close());
    closed.assertOwn(...COMMON);
  }));

test("M22 of an answer that needs no connection, hooks and progress see the caller too", async () => {
  await withTransport({}, async (transport) => {
    transport.registerProtocol("data", dataProtocol());
    const record = new Record("caller");
    const request = new HttpRequest("data:,hello", record.hooks);
    const response = await as("caller", () => transport.roundTrip(request));
    assert.equal(await as("reader", () => response.text()), "hello");
    record.assertOwn("bodyDone", "onDownloadProgress");
  });
});

/** A jar that notes who asks. */
function notingJar(seen: string[]): CookieJar {
  return {
    getCookieHeader: () => {
      seen.push(`get ${store.getStore()}`);
      return Promise.resolve("");
    },
    setCookie: () => void seen.push(`set ${store.getStore()}`),
  };
}

test("M22 redirects, retries and cookies: every callback of a client sees the caller", () => {
  const tries = new Map<string, number>();
  const handler = async (connection: RawConnection): Promise<void> => {
    for (;;) {
      const path = await readRequest(connection);
      const seen = tries.get(path) ?? 0;
      tries.set(path, seen + 1);
      if (path.startsWith("/moved/")) {
        const to = path.slice("/moved".length);
        await connection.send(
          `HTTP/1.1 307 Moved\r\nLocation: ${to}\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n`,
        );
      } else if (seen === 0) {
        await connection.send("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n");
      } else await answer(connection);
    }
  };
  return withServer(handler, { maxConnsPerHost: 1 }, async (transport, server) => {
    const cookies: string[] = [];
    const others: string[] = [];
    const retrying = new RetryingTransport(transport, {
      baseDelayMs: 1,
      onRetry: ({ request }) => others.push(`${request.url.pathname} ${store.getStore()}`),
    });
    const client = new Client({
      transport: retrying,
      jar: notingJar(cookies),
      checkRedirect: (next) => void others.push(`${next.url.pathname} ${store.getStore()}`),
    });
    const records = ["A", "B", "C"].map((caller) => new Record(caller));
    await Promise.all(records.map((record) =>
      as(record.caller, async () => {
        const init = record.upload(bodies.factory(record));
        const response = await client.put(`${server.origin}/moved/${record.caller}`, undefined, {
          ...init,
          method: "PUT",
        });
        assert.equal(await response.text(), "okok");
      })
    ));
    for (const record of records) {
      record.assertOwn(...COMMON, "body", "trailers", "onUploadProgress");
      // Moved, sent away, served.
      assert.equal(record.calls.filter((name) => name === "gotConn").length, 3);
    }
    const expected = ["A", "B", "C"];
    assert.deepEqual(others.sort(), expected.flatMap((name) => Array(2).fill(`/${name} ${name}`)));
    for (const [what, count] of [["get", 2], ["set", 1]] as const) {
      assert.deepEqual(
        cookies.filter((line) => line.startsWith(what)).sort(),
        expected.flatMap((name) => Array(count).fill(`${what} ${name}`)),
      );
    }
  });
});

test("M22 the parts of a resumed download tell their caller, whoever reads", () => {
  let requests = 0;
  const handler = async (connection: RawConnection): Promise<void> => {
    await connection.readHead();
    const isFirst = requests++ === 0;
    await connection.send(
      isFirst
        ? 'HTTP/1.1 200 OK\r\nETag: "v"\r\nContent-Length: 4\r\n\r\nok'
        : 'HTTP/1.1 206 Partial\r\nETag: "v"\r\nContent-Length: 2\r\nContent-Range: bytes 2-3/4\r\n\r\nok',
    );
    if (isFirst) connection.close();
  };
  return withServer(handler, {}, async (transport, server) => {
    const resuming = new ResumingTransport(transport, { baseDelayMs: 1 });
    const record = new Record("caller");
    const request = new HttpRequest(server.origin, record.hooks);
    const response = await as("caller", () => resuming.roundTrip(request));
    assert.equal(await as("reader", () => response.text()), "okok");
    assert.equal(requests, 2);
    record.assertOwn("getConn", "gotConn", "bodyDone", "onDownloadProgress");
    assert.equal(record.calls.filter((name) => name === "bodyDone").length, 2);
  });
});

test("M22 fetch: streams and generators as bodies see the caller", () =>
  withRawServer(answering, async (server) => {
    const transport = steadyTransport({ maxConnsPerHost: 1 });
    const fetch = createFetch({ transport });
    const records = ["A", "B", "C", "D"].map((caller) => new Record(caller));
    await Promise.all(records.map((record, n) =>
      as(record.caller, async () => {
        const kind = n % 2 === 0 ? "stream" : "generator";
        const body = bodies[kind](record) as ReadableStream<Uint8Array>;
        const init = { method: "PUT", body, duplex: "half" } as RequestInit;
        const response = await fetch(server.origin, init);
        assert.equal(await response.text(), "okok");
        assert.equal(store.getStore(), record.caller);
      })
    ));
    for (const record of records) record.assertOwn("body", "body, later");
    await transport.close();
  }));

test("M22 a request without callbacks makes no AsyncResource, one with them makes one", () =>
  withServer(answering, { trace: { gotConn() {} } }, async (transport, server) => {
    const builtin = (process as unknown as {
      getBuiltinModule(id: string): { AsyncResource: typeof asyncHooks.AsyncResource };
    }).getBuiltinModule("node:async_hooks");
    const { AsyncResource } = builtin;
    let made = 0;
    builtin.AsyncResource = class extends AsyncResource {
      constructor(...args: ConstructorParameters<typeof AsyncResource>) {
        super(...args);
        if (args[0] === "RoundtripRequest") made++;
      }
    };
    const get = async (init: HttpRequestInit): Promise<void> => {
      const response = await transport.roundTrip(new HttpRequest(server.origin, init));
      await response.bytes();
    };
    try {
      const plain = ["text", PIECE, new Blob(["x"]), new URLSearchParams({ a: "b" })];
      await get({ signal: new AbortController().signal, timeoutMs: 60_000 });
      for (const body of plain) {
        await get({ method: "PUT", body, headers: { "Transfer-Encoding": "chunked" } });
      }
      await get({
        method: "PUT",
        body: "text",
        headers: { "Transfer-Encoding": "chunked" },
        trailers: [["X-Trailer", "1"]],
      });
      assert.equal(made, 0);
      const record = new Record("nobody");
      const withCallbacks: HttpRequestInit[] = [
        { trace: {} },
        { onDownloadProgress: () => {} },
        { method: "PUT", body: "text", trailers: () => [] },
        ...Object.values(bodies).map((body) => ({ method: "PUT", body: body(record) })),
      ];
      for (const [n, init] of withCallbacks.entries()) {
        await get(init);
        assert.equal(made, n + 1);
      }
    } finally {
      builtin.AsyncResource = AsyncResource;
    }
  }));

test("M22 where there is no node:async_hooks, callbacks are called all the same", () =>
  withRawServer(answering, async (server) => {
    const program = "tests/fixtures/without_contexts.ts";
    const { code, stdout, stderr } = await runProgram(program, [server.origin]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
      text: "okok",
      calls: ["body", "gotConn", "onDownloadProgress", "onUploadProgress", "trailers"],
    });
  }));
