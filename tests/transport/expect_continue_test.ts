/**
 * `Expect: 100-continue`: the body waits, and a connection that was left half-way is never used again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ClientTrace, HttpRequest, type HttpRequestInit } from "../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../testing/mod.ts";
import { test } from "../support/harness.ts";
import {
  bytesOf,
  type RawConnection,
  type RawHandler,
  withRawServer,
} from "../support/raw_server.ts";
import { plain, plainHead } from "../support/sent_bytes.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { until } from "../support/waiting.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

function upload(url: string, init: HttpRequestInit = {}): HttpRequest {
  return new HttpRequest(url, {
    method: "POST",
    body: "body",
    headers: { "Expect": "100-continue" },
    ...init,
  });
}

/** Records the hooks that tell of waiting. */
function recorder(): { trace: ClientTrace; log: string[] } {
  const log: string[] = [];
  return {
    log,
    trace: {
      wroteHeaders: () => void log.push("wroteHeaders"),
      wait100Continue: () => void log.push("wait100Continue"),
      got100Continue: () => void log.push("got100Continue"),
      got1xxResponse: (status) => void log.push(`got1xxResponse ${status}`),
      wroteRequest: () => void log.push("wroteRequest"),
      retry: ({ attempt }) => void log.push(`retry ${attempt}`),
    },
  };
}

test("T24 the body waits for 100, and the connection is used again", async () => {
  await withRawServer(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      assert.match(head, /\r\nExpect: 100-continue\r\n/);
      assert.equal(connection.received.endsWith("\r\n\r\n"), true);
      await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
      assert.equal(await connection.readBytes(4), "body");
      await connection.send(OK);
    }
  }, async (server) => {
    const { trace, log } = recorder();
    const transport = steadyTransport({ trace, expectContinueTimeoutMs: 0 });
    for (const reused of [false, true]) {
      const response = await transport.roundTrip(upload(server.origin));
      assert.equal(await response.text(), "ok");
      assert.equal(response.connection.reused, reused);
    }
    const once = ["wroteHeaders", "wait100Continue", "got100Continue", "got1xxResponse 100"];
    assert.deepEqual(log, [...once, "wroteRequest", ...once, "wroteRequest"]);
    await transport.close();
  });
});

for (const status of ["200 OK", "403 Forbidden", "413 Content Too Large"]) {
  test(`T24 a final ${status} without 100: the body is not sent, the connection not used again`, async () => {
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`);
      assert.equal(await connection.readToEnd(), "");
    }, async (server) => {
      const transport = steadyTransport({ expectContinueTimeoutMs: 0 });
      const response = await transport.roundTrip(upload(server.origin));
      assert.equal(response.status, Number(status.slice(0, 3)));
      assert.equal(await response.text(), "ok");
      assert.equal(transport.stats().total, 0);
      await server.connections[0].closed;
    });
  });
}

test("T24b 417: sent again without Expect, once, on another connection", async () => {
  const heads: string[] = [];
  const handler: RawHandler = async (connection) => {
    heads.push(await connection.readHead());
    if (connection.index === 0) {
      await connection.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
      assert.equal(await connection.readToEnd(), "");
      return;
    }
    assert.equal(await connection.readBytes(4), "body");
    await connection.send(OK);
  };
  const stream = (): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(bytesOf("body"));
        controller.close();
      },
    });
  for (const init of [{}, { body: stream(), contentLength: 4 }]) {
    heads.length = 0;
    await withRawServer(handler, async (server) => {
      const { trace, log } = recorder();
      const transport = steadyTransport({ expectContinueTimeoutMs: 0 });
      const response = await transport.roundTrip(upload(server.origin, { trace, ...init }));
      assert.equal(await response.text(), "ok");
      assert.match(heads[0], /Expect/);
      assert.doesNotMatch(heads[1], /Expect/);
      assert.equal(log.filter((line) => line === "retry 2").length, 1);
      await server.connections[0].closed;
      assert.equal(server.connections.length, 2);
      await transport.close();
    });
  }
});

test("T24b 417 to the repeated request is the answer", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
  }, async (server) => {
    const transport = steadyTransport({ expectContinueTimeoutMs: 0 });
    const response = await transport.roundTrip(upload(server.origin));
    assert.equal(response.status, 417);
    assert.equal(server.connections.length, 2);
    transport.destroy();
  });
});

test("T24b 417 to a stream that has begun is the answer: what is left of it is not sent", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.readUntil("first");
    await connection.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
  }, async (server) => {
    const transport = steadyTransport({ expectContinueTimeoutMs: 1 });
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytesOf("first")),
    });
    const response = await transport.roundTrip(upload(server.origin, { body }));
    assert.equal(response.status, 417);
    assert.equal(server.connections.length, 1);
    transport.destroy();
  });
});

test("T24b 417 to bytes that have begun: all of them are sent again", async () => {
  let answers = 0;
  const answer = async (connection: RawConnection) => {
    await connection.readHead();
    assert.equal(await connection.readBytes(4), "body");
    await connection.send(
      answers++ === 0 ? "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n" : OK,
    );
  };
  await withRawServer(async (connection) => {
    // The second time over the same connection, if it is free by then.
    await answer(connection);
    if (answers === 1) await answer(connection);
  }, async (server) => {
    const transport = steadyTransport({ expectContinueTimeoutMs: 1 });
    const response = await transport.roundTrip(upload(server.origin));
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "ok");
    await transport.close();
  });
});

test("T24c no answer: the body goes after its time", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    assert.equal(await connection.readBytes(4), "body");
    await connection.send(OK);
  }, async (server) => {
    const { trace, log } = recorder();
    const transport = steadyTransport({ trace, expectContinueTimeoutMs: 5 });
    const response = await transport.roundTrip(upload(server.origin));
    assert.equal(await response.text(), "ok");
    assert.deepEqual(log, ["wroteHeaders", "wait100Continue", "wroteRequest"]);
    assert.equal(transport.stats().idle, 1);
    await transport.close();
  });
});

test("T24c a time above 2^31 ms does not fire at once", async () => {
  let sentEarly = false;
  await withRawServer(async (connection) => {
    await connection.readHead();
    await new Promise((resolve) => setTimeout(resolve, 30));
    sentEarly = connection.received.endsWith("body");
    await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
    await connection.readBytes(4);
    await connection.send(OK);
  }, async (server) => {
    const transport = steadyTransport({ expectContinueTimeoutMs: 2 ** 32 });
    assert.equal(await (await transport.roundTrip(upload(server.origin))).text(), "ok");
    await transport.close();
  });
  assert.equal(sentEarly, false);
});

test("T24d 100 after the body began is only reported", async () => {
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      assert.equal(await connection.readBytes(4), "body");
      await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
      await connection.send(OK);
    }
  }, async (server) => {
    const { trace, log } = recorder();
    const transport = steadyTransport({ trace, expectContinueTimeoutMs: 1 });
    for (const reused of [false, true]) {
      const response = await transport.roundTrip(upload(server.origin));
      assert.equal(await response.text(), "ok");
      assert.equal(response.connection.reused, reused);
    }
    assert.equal(log.filter((line) => line === "got100Continue").length, 2);
    assert.equal(log.filter((line) => line === "wroteRequest").length, 2);
    await transport.close();
  });
});

test("T24e the source of the body is not touched before the decision", async () => {
  for (const status of ["100 Continue", "403 Forbidden"]) {
    const touched: string[] = [];
    let answer: () => void = () => {};
    const answered = new Promise<void>((resolve) => answer = resolve);
    await withRawServer(async (connection) => {
      await connection.readHead();
      await answered;
      await connection.send(
        `HTTP/1.1 ${status}\r\n${status < "2" ? "" : "Content-Length: 0\r\n"}\r\n`,
      );
      if (status > "2") return;
      await connection.readUntil("0\r\n\r\n");
      await connection.send(OK);
    }, async (server) => {
      const transport = steadyTransport({ expectContinueTimeoutMs: 0 });
      const body = {
        [Symbol.asyncIterator]() {
          touched.push("iterator");
          return { next: () => Promise.resolve({ done: true as const, value: undefined }) };
        },
      };
      const trailers = (): [string, string][] => {
        touched.push("trailers");
        return [];
      };
      const { trace, log } = recorder();
      const going = transport.roundTrip(upload(server.origin, { body, trailers, trace }));
      await until("the head was sent", () => log.includes("wait100Continue"));
      assert.deepEqual(touched, []);
      answer();
      await (await going).bytes();
      assert.deepEqual(touched, status < "2" ? ["iterator", "trailers"] : []);
      transport.destroy();
    });
  }
});

/** Says that bytes were written only when it is told to. */
class LateConn extends ScriptedConn {
  release: () => void = () => {};
  readonly #released: Promise<void> = new Promise((resolve) => this.release = resolve);

  override async write(p: Uint8Array): Promise<number> {
    const n = await super.write(p);
    await this.#released;
    return n;
  }
}

for (const early of ["100 Continue", "200 OK", "403 Forbidden"]) {
  test(`T24 ${early} before the runtime has said that the head was written`, async () => {
    const head = plainHead(
      "POST /",
      "Expect: 100-continue",
      "Content-Type: text/plain;charset=UTF-8",
      "Content-Length: 4",
    );
    const conn = new LateConn().expect(head);
    if (early.startsWith("1")) {
      conn.send("HTTP/1.1 100 Continue\r\n\r\n").expect("body").send(OK);
    } else {
      conn.send(`HTTP/1.1 ${early}\r\nContent-Length: 2\r\n\r\no`);
    }
    const { trace, log } = recorder();
    const dialer = scriptedDialer(conn);
    const transport = steadyTransport({
      dialer,
      trace,
      ...plain.options,
      expectContinueTimeoutMs: 0,
    });
    const headers = [...plain.headers, ["Expect", "100-continue"]] as [string, string][];
    const going = transport.roundTrip(upload("http://example.com/", { headers }));
    if (early.startsWith("1")) await until("100 was seen", () => log.includes("got100Continue"));
    else await going;
    conn.release();
    const response = await going;
    if (!early.startsWith("1")) conn.send("k").waitForClose();
    assert.equal(await response.text(), "ok");
    dialer.assertConsumed();
    await until("nothing is active", () => transport.stats().active === 0);
    assert.equal(transport.stats().idle, early.startsWith("1") ? 1 : 0);
    transport.destroy();
  });
}
