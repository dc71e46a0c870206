/**
 * A connection belongs to one exchange at a time: what the caller does late with an old response, or with its signal,
 * must not touch the exchange that has the connection now.
 *
 * @module
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import {
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  type Transport,
} from "../../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../../testing/mod.ts";
import { test } from "../../support/harness.ts";
import { plain, plainHead } from "../../support/sent_bytes.ts";
import { steadyTransport } from "../../support/steady_transport.ts";
import { until } from "../../support/waiting.ts";

const HEAD = plainHead("GET /");

function request(init: HttpRequestInit = {}): HttpRequest {
  return new HttpRequest("http://example.com/", { headers: plain.headers, ...init });
}

async function readAll(response: HttpResponse): Promise<string> {
  return await response.text();
}

function answer(body: string, ...lines: string[]): string {
  return ["HTTP/1.1 200 OK", ...lines, `Content-Length: ${body.length}`, "", body].join("\r\n");
}

/** A transport over one scripted connection whose second answer comes in two parts. */
function twoExchanges(first: string, firstBody: string): {
  transport: Transport;
  conn: ScriptedConn;
  check(): void;
} {
  const conn = new ScriptedConn().expect(HEAD).send(first).send(firstBody)
    .expect(HEAD).send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsec");
  const dialer = scriptedDialer(conn);
  return {
    transport: steadyTransport({ dialer, ...plain.options }),
    conn,
    check: () => dialer.assertConsumed(),
  };
}

test("lease: reading an old body past its end does not end the next response", async () => {
  const { transport, conn, check } = twoExchanges(
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "first",
  );
  const first = await transport.roundTrip(request());
  const p = new Uint8Array(16);
  assert.equal(await first.body.read(p), 5);
  const second = await transport.roundTrip(request());
  assert.equal(second.connection.reused, true);
  assert.equal(await first.body.read(p), null);
  assert.equal(await first.body.read(p), null);
  assert.deepEqual([transport.stats().active, transport.stats().idle], [1, 0]);
  conn.send("ond");
  assert.equal(await readAll(second), "second");
  assert.deepEqual([transport.stats().active, transport.stats().idle], [0, 1]);
  check();
  transport.destroy();
});

test("lease: a round trip is over with the last byte of its body, without another read", async () => {
  const { transport } = twoExchanges("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "first");
  const response = await transport.roundTrip(request());
  assert.equal(await response.body.read(new Uint8Array(16)), 5);
  assert.equal((await response.trailers).size, 0);
  assert.notEqual(response.timings.bodyMs, null);
  // Would wait for ever if the exchange were not over.
  await transport.close();
});

test("lease: a signal that fires after the last byte does not touch the next exchange", async () => {
  const { transport, conn } = twoExchanges(
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "first",
  );
  const controller = new AbortController();
  const first = await transport.roundTrip(request({ signal: controller.signal }));
  assert.equal(await first.body.read(new Uint8Array(16)), 5);
  const second = await transport.roundTrip(request());
  controller.abort(new Error("too late"));
  conn.send("ond");
  assert.equal(await readAll(second), "second");
  transport.destroy();
});

for (const used of ["while the connection is idle", "while it serves another request"]) {
  test(`lease: a signal that fires over coded content that came whole, ${used}`, async () => {
    const body = String.fromCharCode(...gzipSync("first"));
    const { transport, conn } = twoExchanges(
      answer(body, "Content-Encoding: gzip"),
      "",
    );
    const controller = new AbortController();
    const first = await transport.roundTrip(
      request({ decompress: true, signal: controller.signal }),
    );
    assert.equal(first.uncompressed, true);
    const busy = used.includes("another");
    const early = busy ? await transport.roundTrip(request()) : null;
    controller.abort(new Error("aborted"));
    assert.equal(transport.stats().idle, busy ? 0 : 1);
    await assert.rejects(first.text(), /aborted/);
    const second = early ?? await transport.roundTrip(request());
    conn.send("ond");
    assert.equal(await readAll(second), "second");
    assert.equal(transport.stats().idle, 1);
    transport.destroy();
  });
}

test("lease: after an abort what is buffered of the body is not given out", async () => {
  for (
    const rest of ["Content-Length: 9\r\n\r\nabcde", "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde"]
  ) {
    const controller = new AbortController();
    const conn = new ScriptedConn().expect(HEAD).send(`HTTP/1.1 200 OK\r\n${rest}`).waitForClose();
    const transport = steadyTransport({ dialer: scriptedDialer(conn), ...plain.options });
    const response = await transport.roundTrip(request({ signal: controller.signal }));
    controller.abort(new Error("aborted"));
    await assert.rejects(response.body.read(new Uint8Array(4)), /aborted/);
    await assert.rejects(response.bytes(), /aborted/);
    await assert.rejects(response.trailers, /aborted/);
    conn.assertConsumed();
    assert.equal(transport.stats().total, 0);
  }
});

test("lease: content behind the end of its coding does not keep the connection", async () => {
  const coded = String.fromCharCode(...gzipSync("first")) + "\0\0\0\0";
  const chunk = `${coded.length.toString(16)}\r\n${coded}\r\n`;
  for (const rest of ["4\r\n\0\0\0\0\r\n0\r\n\r\n", "9\r\nnot gzip.\r\n0\r\n\r\n"]) {
    const conn = new ScriptedConn().expect(HEAD)
      .send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
      .send(chunk).send(rest);
    const transport = steadyTransport({ dialer: scriptedDialer(conn), ...plain.options });
    const response = await transport.roundTrip(request({ decompress: true }));
    await response.text().then((text) => assert.equal(text, "first"), () => {});
    await response.body.close();
    for (let i = 0; i < 100 && transport.stats().active > 0; i++) await Promise.resolve();
    assert.equal(transport.stats().active, 0);
    transport.destroy();
  }
});

test("lease: leniently read bodies do not lead to reuse", async () => {
  const rows: [string, string][] = [
    ["2\nok\r\n0\r\n\r\n", "bare-lf-in-chunk"],
    ["2\r\nok\r\n0\r\nX-A : 1\r\n\r\n", "space-before-colon"],
  ];
  for (const [body, deviation] of rows) {
    const conn = new ScriptedConn().expect(HEAD)
      .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").send(body).waitForClose();
    const transport = steadyTransport({
      dialer: scriptedDialer(conn),
      ...plain.options,
      parser: "lenient",
    });
    const response = await transport.roundTrip(request());
    assert.equal(await response.text(), "ok");
    assert.deepEqual(response.deviations, [deviation]);
    conn.assertConsumed();
    assert.equal(transport.stats().total, 0);
  }
});

/** Takes what is written, but says so of the second write only when it is told to. */
class LateConn extends ScriptedConn {
  release: () => void = () => {};
  readonly #released: Promise<void> = new Promise((resolve) => this.release = resolve);

  override async write(p: Uint8Array): Promise<number> {
    const n = await super.write(p);
    if (this.writes.length === 2) await this.#released;
    return n;
  }
}

for (const status of ["200 OK", "404 Not Found"]) {
  for (const fate of ["is kept when it says so", "is closed when it does not"]) {
    test(`lease: ${status} before the runtime has said that all was written: ${fate}`, async () => {
      const bytes = new Uint8Array(6_000).fill(0x78);
      const conn = new LateConn()
        .expect(plainHead("POST /", "Content-Length: 6000") + "x".repeat(6_000))
        .send(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`);
      const transport = steadyTransport({ dialer: scriptedDialer(conn), ...plain.options });
      const response = await transport.roundTrip(request({ method: "POST", body: bytes }));
      assert.equal(await response.text(), "ok");
      assert.equal(transport.stats().active, 1);
      if (fate.startsWith("is kept")) conn.release();
      await until("the connection is free", () => transport.stats().active === 0);
      assert.equal(transport.stats().idle, fate.startsWith("is kept") ? 1 : 0);
      transport.destroy();
      conn.release();
    });
  }
}
