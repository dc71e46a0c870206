/**
 * Exchanges over real sockets: reuse, concurrency, framings, informational responses, what a response tells.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ClientTrace, HttpRequest, type HttpResponse, type Transport } from "../../mod.ts";
import { test } from "../support/harness.ts";
import {
  type RawHandler,
  type RawServer,
  testAuthority,
  withRawServer,
} from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { until } from "../support/waiting.ts";

/** Answers every request of a connection with what `answer` makes of its head. */
function answering(answer: (head: string, index: number) => string): RawHandler {
  return async (connection) => {
    for (let n = 0;; n++) await connection.send(answer(await connection.readHead(), n));
  };
}

function sized(body: string, ...lines: string[]): string {
  return ["HTTP/1.1 200 OK", ...lines, `Content-Length: ${body.length}`, "", body].join("\r\n");
}

/** Runs a test with a server that answers like that, and a transport; nothing may be active at its end. */
async function withExchange(
  handler: RawHandler,
  run: (
    get: (init?: ConstructorParameters<typeof HttpRequest>[1], path?: string) => Promise<
      HttpResponse
    >,
    context: { transport: Transport; server: RawServer },
  ) => Promise<void>,
  trace?: ClientTrace,
): Promise<void> {
  await withRawServer(handler, async (server) => {
    const transport = steadyTransport({ trace });
    await run(
      (init, path = "/") => transport.roundTrip(new HttpRequest(server.origin + path, init)),
      { transport, server },
    );
    assert.equal(transport.stats().active, 0);
    transport.destroy();
    await server.allClosed();
  });
}

test("exchange: one connection serves request after request", async () => {
  await withExchange(answering((_, n) => sized(`${n}`)), async (get, { transport, server }) => {
    for (let n = 0; n < 20; n++) {
      const response = await get();
      assert.equal(await response.text(), `${n}`);
      assert.deepEqual([response.connection.id, response.connection.reused], [1, n > 0]);
    }
    assert.equal(server.connections.length, 1);
    assert.equal(transport.stats().idle, 1);
  });
});

test("exchange: 50 at once, each gets its own answer, twice", async () => {
  const handler = answering((head) => sized("to " + head.split(" ", 2)[1]));
  await withExchange(handler, async (get, { transport, server }) => {
    for (let round = 0; round < 2; round++) {
      const paths = Array.from({ length: 50 }, (_, n) => `/${round}/${n}`);
      const texts = await Promise.all(
        paths.map(async (path) => await (await get({}, path)).text()),
      );
      assert.deepEqual(texts, paths.map((path) => `to ${path}`));
      assert.equal(transport.stats().active, 0);
    }
    assert.ok(server.connections.length <= 50, `${server.connections.length}`);
    assert.equal(transport.stats().idle, server.connections.length);
    assert.deepEqual(Object.keys(transport.stats().perHost), [
      `http://127.0.0.1:${server.port}`,
    ]);
  });
});

test("exchange: over TLS", async () => {
  await withRawServer(
    answering((_, n) => sized(`${n}`)),
    async (server) => {
      const transport = steadyTransport({ tls: { caCerts: [testAuthority] } });
      for (let n = 0; n < 3; n++) {
        const response = await transport.roundTrip(new HttpRequest(server.origin));
        assert.equal(await response.text(), `${n}`);
        assert.equal(response.connection.reused, n > 0);
        assert.notEqual(response.connection.tls, null);
        assert.equal(response.timings.tlsMs === null, n > 0);
      }
      await transport.close();
    },
    { tls: true },
  );
});

test("exchange: a certificate of an unknown authority is refused", async () => {
  await withRawServer(answering(() => sized("no")), async (server) => {
    const transport = steadyTransport();
    await assert.rejects(transport.roundTrip(new HttpRequest(server.origin)), {
      code: "ERR_TLS",
      phase: "tls",
      attempt: { reused: false, bytesWritten: 0, responseBytes: 0, verdict: "never-sent" },
    });
    assert.equal(transport.stats().total, 0);
    assert.equal(transport.stats().dialing, 0);
    await server.allClosed();
  }, { tls: true });
});

test("exchange: chunked content with trailers, in many pieces", async () => {
  const text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
    "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 7\r\nx-sum: 8\r\n\r\n";
  await withExchange(async (connection) => {
    for (;;) {
      await connection.readHead();
      for (const byte of text) {
        await connection.send(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }, async (get) => {
    for (const reused of [false, true]) {
      const response = await get();
      assert.equal(response.contentLength, null);
      assert.equal(await response.text(), "abcdefg");
      assert.deepEqual((await response.trailers).getAll("X-Sum"), ["7", "8"]);
      assert.equal(response.connection.reused, reused);
    }
  });
});

test("exchange: what a response tells of itself", async () => {
  const handler = answering(() =>
    "HTTP/1.1 201 Sch\xf6n \r\nB: 2\r\na: 1\r\nb: 3\r\nContent-Length: 3\r\n\r\nabc"
  );
  await withExchange(handler, async (get, { server }) => {
    const response = await get({ method: "PUT" }, "/path?q#fragment");
    assert.equal(response.status, 201);
    assert.equal(response.statusText, "Sch\xf6n ");
    assert.equal(response.httpVersion, "1.1");
    assert.deepEqual([...response.headers], [["B", "2"], ["a", "1"], ["b", "3"], [
      "Content-Length",
      "3",
    ]]);
    assert.equal(response.contentLength, 3);
    assert.equal(response.uncompressed, false);
    assert.deepEqual(response.deviations, []);
    assert.equal(response.url, `${server.origin}/path?q`);
    assert.equal(response.redirected, false);
    assert.equal(response.request.method, "PUT");
    const { localAddr, remoteAddr, tls } = response.connection;
    assert.deepEqual(remoteAddr, {
      transport: "tcp",
      hostname: "127.0.0.1",
      port: server.port,
    });
    assert.equal(localAddr.transport === "tcp" && localAddr.port > 0, true);
    assert.equal(tls, null);
    await response.body.close();
  });
});

test("exchange: timings are numbers where something happened, null where not", async () => {
  await withExchange(answering(() => sized("abc")), async (get) => {
    const first = await get();
    await first.bytes();
    const second = await get();
    await second.bytes();
    for (const [response, dialled] of [[first, true], [second, false]] as const) {
      const { queueMs, dialMs, tlsMs, requestMs, waitMs, bodyMs } = response.timings;
      for (const ms of [queueMs, requestMs, waitMs, bodyMs]) {
        assert.ok(typeof ms === "number" && ms >= 0, JSON.stringify(response.timings));
      }
      assert.equal(dialMs !== null && dialMs >= 0, dialled);
      assert.equal(tlsMs, null);
    }
  });
});

test("exchange: bodyMs is null until the body has ended", async () => {
  await withExchange(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    await connection.readHead();
  }, async (get) => {
    const response = await get();
    assert.equal(response.timings.bodyMs, null);
    await response.body.close();
    assert.equal(typeof response.timings.bodyMs, "number");
  });
});

test("exchange: HEAD, 204 and 304 have no body, whatever their fields say", async () => {
  const rows: [string, string, string, number | null][] = [
    ["HEAD", "200 OK", "Content-Length: 8000", 8000],
    ["HEAD", "200 OK", "Transfer-Encoding: chunked", null],
    ["HEAD", "200 OK", "X: 1", null],
    ["HEAD", "404 Not Found", "Content-Length: 0", 0],
    ["GET", "204 No Content", "X: 1", 0],
    ["GET", "304 Not Modified", "Content-Length: 8000", 8000],
    ["GET", "200 OK", "Content-Length: 0", 0],
  ];
  for (const [method, status, line, length] of rows) {
    await withExchange(answering(() => `HTTP/1.1 ${status}\r\n${line}\r\n\r\n`), async (get) => {
      for (const reused of [false, true]) {
        const response = await get({ method });
        assert.equal(response.contentLength, length);
        assert.equal((await response.bytes()).length, 0);
        assert.equal((await response.trailers).size, 0);
        assert.equal(await response.body.read(new Uint8Array(1)), null);
        assert.equal(response.connection.reused, reused);
      }
    });
  }
});

test("exchange: HTTP/1.0 without keep-alive is not reused, with it is", async () => {
  for (const line of ["X: 1", "Connection: keep-alive"]) {
    const handler = answering(() => `HTTP/1.0 200 OK\r\n${line}\r\nContent-Length: 2\r\n\r\nok`);
    await withExchange(handler, async (get) => {
      for (const second of [false, true]) {
        const response = await get();
        assert.equal(response.httpVersion, "1.0");
        assert.equal(await response.text(), "ok");
        assert.equal(response.connection.reused, second && line !== "X: 1");
      }
    });
  }
});

test("exchange: content that ends with the connection", async () => {
  await withExchange(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\n\r\n");
    for (const piece of ["one ", "two ", "three"]) {
      await new Promise((resolve) => setImmediate(resolve));
      await connection.send(piece);
    }
    connection.end();
  }, async (get, { server }) => {
    const response = await get();
    assert.equal(response.contentLength, null);
    assert.equal(await response.text(), "one two three");
    await server.connections[0].closed;
  });
});

test("exchange: content that ends with a reset is lost, not complete", async () => {
  await withExchange(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\n\r\nsome");
    await connection.readUntil("never").catch(() => {});
  }, async (get, { server }) => {
    const response = await get();
    assert.equal(await response.body.read(new Uint8Array(16)), 4);
    server.connections[0].reset();
    await assert.rejects(response.bytes(), { code: "ERR_CONNECTION_LOST", phase: "body" });
    await assert.rejects(response.trailers, { code: "ERR_CONNECTION_LOST" });
  });
});

test("exchange: informational responses reach the hooks with their fields, in order", async () => {
  const seen: [number, string | null][] = [];
  const early = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
  const handler = answering(() =>
    `HTTP/1.1 100 Continue\r\n\r\n${early}HTTP/1.1 199 X\r\n\r\n${early}${sized("ok")}`
  );
  await withExchange(handler, async (get) => {
    const response = await get();
    assert.equal(response.headers.has("Link"), false);
    assert.equal(await response.text(), "ok");
    assert.deepEqual(seen, [[100, null], [103, "a"], [199, null], [103, "a"]]);
  }, { got1xxResponse: (status, headers) => void seen.push([status, headers.get("link")]) });
});

test("exchange: a hook that throws ends the exchange with its error", async () => {
  const handler = answering(() => "HTTP/1.1 103 Early Hints\r\n\r\n" + sized("ok"));
  await withExchange(handler, async (get, { transport, server }) => {
    const trace: ClientTrace = {
      got1xxResponse: () => {
        throw new TypeError("mine");
      },
    };
    await assert.rejects(get({ trace }), /^TypeError: mine$/);
    assert.equal(transport.stats().total, 0);
    await server.connections[0].closed;
  });
});

test("exchange: the hooks of transport and request, in their order", async () => {
  const log: string[] = [];
  const note = (who: string, what: string): void => void log.push(`${who} ${what}`);
  const tracing = (who: string): ClientTrace => ({
    getConn: () => note(who, "getConn"),
    gotConn: ({ reused }) => note(who, `gotConn ${reused ? "reused" : "new"}`),
    putIdleConn: ({ error }) => note(who, `putIdleConn${error ? " " + error.code : ""}`),
    connectStart: () => note(who, "connectStart"),
    connectDone: ({ error }) => note(who, `connectDone${error ? " failed" : ""}`),
    wroteHeaders: () => note(who, "wroteHeaders"),
    wroteRequest: () => note(who, "wroteRequest"),
    gotFirstResponseByte: () => note(who, "gotFirstResponseByte"),
    bodyDone: ({ bytes }) => note(who, `bodyDone ${bytes}`),
  });
  await withExchange(answering(() => sized("abc")), async (get) => {
    for (let n = 0; n < 2; n++) {
      log.length = 0;
      await (await get({ trace: tracing("b") })).text();
      await until("the connection was given back", () => log.includes("a putIdleConn"));
      const own = log.filter((line) => line.startsWith("a ")).map((line) => line.slice(2));
      const ofRequest = log.filter((line) => line.startsWith("b ")).map((line) => line.slice(2));
      const connect = n === 0 ? ["connectStart", "connectDone"] : [];
      const expected = [
        "getConn",
        ...connect,
        n === 0 ? "gotConn new" : "gotConn reused",
        "wroteHeaders",
        "wroteRequest",
        "gotFirstResponseByte",
      ];
      assert.deepEqual(own.slice(0, expected.length), expected);
      assert.deepEqual(new Set(own.slice(expected.length)), new Set(["bodyDone 3", "putIdleConn"]));
      assert.deepEqual(ofRequest, [...expected, "bodyDone 3"]);
    }
  }, tracing("a"));
});

test("exchange: a server that closes the idle connection is seen, and nothing fails", async () => {
  await withExchange(async (connection) => {
    await connection.readHead();
    await connection.send(sized("ok"));
    connection.end();
  }, async (get, { transport }) => {
    for (let n = 0; n < 5; n++) {
      const response = await get();
      assert.equal(await response.text(), "ok");
      assert.equal(response.connection.reused, false);
      await until("the end was seen", () => transport.stats().total === 0);
    }
  });
});

test("exchange: the newest idle connection is used first, and no more are kept than allowed", async () => {
  await withRawServer(answering(() => sized("ok")), async (server) => {
    const transport = steadyTransport({ maxIdleConnsPerHost: 2 });
    const get = () => transport.roundTrip(new HttpRequest(server.origin));
    const texts = await Promise.all([1, 2, 3, 4].map(async () => await (await get()).text()));
    assert.deepEqual(texts, ["ok", "ok", "ok", "ok"]);
    await until("two were closed", () => server.openCount === 2);
    assert.equal(transport.stats().idle, 2);
    const [a, b] = [await get(), await get()];
    await a.bytes();
    await b.bytes();
    const newest = b.connection.id;
    assert.equal((await get()).connection.id, newest);
    transport.closeIdleConnections();
    assert.equal(transport.stats().idle, 0);
    transport.destroy();
  });
});
