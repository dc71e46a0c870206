/**
 * Progress of bodies, both ways, in bytes as they go over the wire.
 *
 * @module
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import {
  type BodySource,
  Client,
  HttpRequest,
  type HttpRequestInit,
  type TransferProgress,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { type RawConnection, withRawServer } from "../../support/raw_server.ts";
import { steadyTransport } from "../../support/steady_transport.ts";
import { pause, settled, until } from "../../support/waiting.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** What was told, in order; each must be more than the one before. */
class Told {
  readonly all: TransferProgress[] = [];

  readonly hook = (progress: TransferProgress): void => {
    assert.ok(progress.bytes > (this.all.at(-1)?.bytes ?? 0));
    this.all.push(progress);
  };

  get bytes(): number {
    return this.all.at(-1)?.bytes ?? 0;
  }

  get totals(): (number | null)[] {
    return [...new Set(this.all.map(({ totalBytes }) => totalBytes))];
  }

  get largestStep(): number {
    return Math.max(...this.all.map(({ bytes }, i) => bytes - (this.all[i - 1]?.bytes ?? 0)));
  }
}

async function readBody(connection: RawConnection): Promise<void> {
  const head = await connection.readHead();
  const length = /^Content-Length: (\d+)\r$/m.exec(head);
  if (length !== null) await connection.readBytes(Number(length[1]));
  else await connection.readUntil("\r\n0\r\n\r\n");
}

const SIZE = 200_000;
const content = new Uint8Array(SIZE).fill(0x78);

async function* inPieces(): AsyncGenerator<Uint8Array> {
  yield content.subarray(0, 1);
  yield content.subarray(1, 1);
  yield await Promise.resolve(content.subarray(1));
}

test("progress: of what is sent, in slices of 64 KiB at most, up to all of it", async () => {
  const sources: [string, () => BodySource, HttpRequestInit, number | null][] = [
    ["bytes", () => content, {}, SIZE],
    ["text", () => "x".repeat(SIZE), {}, SIZE],
    ["a blob", () => new Blob([content]), {}, SIZE],
    ["a stream", () => new Blob([content]).stream(), {}, null],
    ["a stream of known length", () => new Blob([content]).stream(), { contentLength: SIZE }, SIZE],
    ["an iterable", inPieces, {}, null],
    ["bytes that are chunked", () => content, { trailers: [["X-A", "1"]] }, null],
  ];
  await withRawServer(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      const length = /^Content-Length: (\d+)\r$/m.exec(head);
      const body = length !== null
        ? await connection.readBytes(Number(length[1]))
        : await connection.readUntil(head.includes("Trailer") ? "X-A: 1\r\n\r\n" : "\r\n0\r\n\r\n");
      assert.equal(body.split("x").length - 1, SIZE);
      await connection.send(OK);
    }
  }, async (server) => {
    const transport = steadyTransport();
    for (const [name, body, init, total] of sources) {
      const told = new Told();
      const response = await transport.roundTrip(
        new HttpRequest(server.origin, {
          method: "POST",
          body: body(),
          onUploadProgress: told.hook,
          ...init,
        }),
      );
      assert.equal(await response.text(), "ok");
      await until("the connection is free", () => transport.stats().idle === 1);
      assert.equal(told.bytes, SIZE, name);
      assert.deepEqual(told.totals, [total], name);
      assert.ok(told.largestStep <= 64 * 1024, name);
    }
    assert.equal(server.connections.length, 1);
    transport.destroy();
    await server.allClosed();
  });
});

test("progress: what a server does not read is not counted as sent", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    connection.pause();
  }, async (server) => {
    const transport = steadyTransport();
    const told = new Told();
    const size = 256 * 1024 * 1024;
    const controller = new AbortController();
    const { signal } = controller;
    const sending = transport.roundTrip(
      new HttpRequest(server.origin, {
        method: "PUT",
        body: new Uint8Array(size),
        onUploadProgress: told.hook,
        signal,
      }),
    );
    sending.catch(() => {});
    const bytes = await settled(() => told.bytes, size / 4);
    assert.ok(bytes > 0 && bytes < size / 4, `${bytes} of ${size} bytes`);
    assert.equal(told.all[0].totalBytes, size);
    controller.abort(new Error("enough"));
    await assert.rejects(sending, /enough/);
    transport.destroy();
  });
});

test("progress: of what comes, before content codings are taken off", async () => {
  const text = "some text, ".repeat(20_000);
  const coded = gzipSync(text);
  const rows: [string, string[], boolean, Uint8Array, number | null][] = [
    ["whole", [`Content-Length: ${SIZE}`], false, content, SIZE],
    ["small", ["Content-Length: 5"], false, content.subarray(0, 5), 5],
    ["chunked", ["Transfer-Encoding: chunked"], true, content, null],
    ["to the end", ["Connection: close"], false, content, null],
    [
      "coded",
      ["Content-Encoding: gzip", `Content-Length: ${coded.length}`],
      false,
      coded,
      coded.length,
    ],
    ["coded, chunked", ["Content-Encoding: gzip", "Transfer-Encoding: chunked"], true, coded, null],
  ];
  for (const [name, lines, chunked, bytes, total] of rows) {
    for (const late of [false, true]) {
      await withRawServer(async (connection) => {
        await connection.readHead();
        await connection.send(["HTTP/1.1 200 OK", ...lines, "", ""].join("\r\n"));
        if (late) await pause(5);
        if (chunked) await connection.send(`${bytes.length.toString(16)}\r\n`);
        await connection.send(bytes);
        if (chunked) await connection.send("\r\n0\r\n\r\n");
        connection.end();
      }, async (server) => {
        const told = new Told();
        const transport = steadyTransport();
        const client = new Client({ transport });
        const response = await client.get(server.origin, { onDownloadProgress: told.hook });
        const body = await response.bytes();
        assert.equal(body.length, response.uncompressed ? text.length : bytes.length, name);
        assert.equal(told.bytes, bytes.length, name);
        assert.deepEqual(told.totals, [total], name);
        transport.destroy();
      });
    }
  }
});

test("progress: nothing is told of bodies that are not there", async () => {
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send("HTTP/1.1 204 No Content\r\n\r\n");
    }
  }, async (server) => {
    const transport = steadyTransport();
    const told = new Told();
    const { hook } = told;
    for (const body of [null, ""]) {
      const response = await transport.roundTrip(
        new HttpRequest(server.origin, {
          method: "POST",
          body,
          onUploadProgress: hook,
          onDownloadProgress: hook,
        }),
      );
      assert.equal(await response.text(), "");
    }
    assert.deepEqual(told.all, []);
    transport.destroy();
    await server.allClosed();
  });
});

test("progress: it follows a redirect, and begins again where the body is sent again", async () => {
  await withRawServer(async (connection) => {
    await readBody(connection);
    await connection.send("HTTP/1.1 307 Again\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    await readBody(connection);
    await connection.send(OK);
  }, async (server) => {
    const transport = steadyTransport();
    const client = new Client({ transport });
    const up: number[] = [];
    const down: number[] = [];
    const request = new HttpRequest(server.origin, {
      method: "PUT",
      body: "12345",
      onUploadProgress: ({ bytes }) => void up.push(bytes),
      onDownloadProgress: ({ bytes }) => void down.push(bytes),
    });
    assert.equal(await (await client.do(request)).text(), "ok");
    assert.deepEqual([up, down], [[5, 5], [2]]);
    transport.destroy();
    await server.allClosed();
  });
});

test("progress: what is no function is refused", () => {
  for (const name of ["onUploadProgress", "onDownloadProgress"]) {
    assert.throws(() => new HttpRequest("http://a.test/", { [name]: 5 }), {
      code: "ERR_INVALID_REQUEST",
    });
  }
});
