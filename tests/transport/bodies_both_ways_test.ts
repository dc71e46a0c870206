/**
 * Bodies that go both ways at once, bodies that are read by two, and bodies that nobody reads.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  type TransferProgress,
  type Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import {
  bytesOf,
  type RawConnection,
  type RawHandler,
  type RawServer,
  withRawServer,
} from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { pause, settled, until } from "../support/waiting.ts";

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

async function withTransport(
  handler: RawHandler,
  run: (transport: Transport, server: RawServer) => Promise<void>,
): Promise<void> {
  await withRawServer(handler, async (server) => {
    const transport = steadyTransport();
    await run(transport, server);
    transport.destroy();
  });
}

/** Answers with the chunks of the request, as they come. */
async function echo(connection: RawConnection): Promise<void> {
  for (;;) {
    await connection.readHead();
    await connection.send(CHUNKED);
    for (;;) {
      const size = parseInt(await connection.readUntil("\r\n"), 16);
      const chunk = await connection.readBytes(size + 2);
      await connection.send(`${size.toString(16)}\r\n${chunk}`);
      if (size === 0) break;
    }
  }
}

test("duplex: much more than the buffers hold goes both ways at once, and is told", async () => {
  const size = 4 * 1024 * 1024;
  const pieceBytes = 32 * 1024;
  await withTransport(echo, async (transport, server) => {
    const answered = Promise.withResolvers<void>();
    let given = 0;
    let read = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        // Half of it waits for the answer, which comes while the request is being sent or never.
        if (given === size / 2) await answered.promise;
        const piece = new Uint8Array(pieceBytes).fill(given / pieceBytes);
        given += piece.length;
        controller.enqueue(piece);
        if (given === size) controller.close();
      },
    }, { highWaterMark: 0 });
    let up: TransferProgress | null = null;
    let down: TransferProgress | null = null;
    const response = await new Client({ transport }).do(
      new HttpRequest(server.origin, {
        method: "POST",
        body,
        onUploadProgress: (progress) => up = progress,
        onDownloadProgress: (progress) => down = progress,
      }),
    );
    assert.ok(given <= size / 2);
    answered.resolve();
    for await (const piece of response.body) {
      for (let i = 0; i < piece.length; i += 1024) {
        if (piece[i] !== (Math.floor((read + i) / pieceBytes) & 0xff)) assert.fail(`${read + i}`);
      }
      read += piece.length;
    }
    assert.equal(read, size);
    assert.deepEqual([up, down], [
      { bytes: size, totalBytes: null },
      { bytes: size, totalBytes: null },
    ]);
    await until("the connection is free", () => transport.stats().idle === 1);
  });
});

/** Sends without end, as long as the client takes it. */
async function endless(connection: RawConnection): Promise<void> {
  await connection.readHead();
  await connection.send(CHUNKED);
  const chunk = bytesOf(`10000\r\n${"x".repeat(0x10000)}\r\n`);
  while (!connection.ended) await connection.send(chunk);
}

test("T51 an endless body is not read ahead: as a stream, or cloned with nobody reading", async () => {
  const ways: [string, (response: HttpResponse) => unknown][] = [
    ["a stream", ({ body }) => body.stream.getReader()],
    ["a web response", (response) => response.toWeb().body!.getReader()],
    ["two web responses", (response) => {
      const web = response.toWeb();
      return [web.clone(), web];
    }],
    ["two streams", (response) => response.body.stream.tee()],
  ];
  for (const [name, hold] of ways) {
    await withTransport(endless, async (transport, server) => {
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      const held = hold(response);
      const [connection] = server.connections;
      const limit = 64 * 1024 * 1024;
      const sent = await settled(() => connection.sentBytes, limit);
      // What the kernel's buffers take, and no more: they take nothing more later either.
      assert.ok(sent < limit, `${name}: ${sent} bytes`);
      assert.notEqual(held, undefined);
    });
  }
});

test("T51 a clone gives the same bytes, whichever is read first", async () => {
  const content = "0123456789".repeat(100_000);
  const answering: RawHandler = async (connection) => {
    await connection.readHead();
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n`);
    await connection.send(content);
  };
  for (const order of [0, 1]) {
    await withTransport(answering, async (transport, server) => {
      const web = (await transport.roundTrip(new HttpRequest(server.origin))).toWeb();
      const both = [web, web.clone()];
      assert.equal(await both[order].text(), content);
      assert.equal(await both[1 - order].text(), content);
      await until("nothing is active", () => transport.stats().active === 0);
    });
  }
});

test("T48 bodies that are drained, and those of redirects, are dropped as they came", async () => {
  // Whoever decodes this fails, and the connection with it.
  const body = "this is not gzip".repeat(1_000);
  const lines = `Content-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`;
  for (const late of [false, true]) {
    await withTransport(async (connection) => {
      for (const status of ["302 Found\r\nLocation: /b", "200 OK", "200 OK"]) {
        await connection.readHead();
        await connection.send(`HTTP/1.1 ${status}\r\n${lines}`);
        if (late) await pause(5);
        await connection.send(body);
      }
    }, async (transport, server) => {
      let drained = 0;
      const init: HttpRequestInit = {
        trace: { bodyDone: () => void drained++ },
        decompress: true,
      };
      const response = await new Client({ transport }).get(server.origin, init);
      assert.equal(response.redirected, true);
      assert.equal(response.connection.reused, true);
      await response.body.close();
      const last = await transport.roundTrip(new HttpRequest(server.origin, init));
      assert.equal(last.connection.reused, true);
      await assert.rejects(last.text(), { code: "ERR_DECODE" });
      assert.equal(drained, 3);
      assert.equal(server.connections.length, 1);
      await until("nothing is active", () => transport.stats().active === 0);
    });
  }
});
