/**
 * Bodies as byte streams: readers with arrays of their own, and readers that wait for the end.
 *
 * @module
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { createFetch, HttpRequest, Transport } from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { bytesOf, latin1, type RawConnection, withRawServer } from "../../support/raw_server.ts";
import { pause, until } from "../../support/waiting.ts";

type ByteStream = ReadableStream<Uint8Array<ArrayBuffer>>;

const SIZES = [0, 1, 5, 1_000, 5_000, 20_000, 100_000];

function content(bytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: bytes }, (_, i) => i % 251);
}

/** Answers `/whole/5` and `/parts/5` with five bytes. */
async function serve(connection: RawConnection): Promise<void> {
  for (;;) {
    const [, how, size] = (await connection.readHead()).split(" ")[1].split("/");
    const text = latin1(content(Number(size)));
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`;
    const at = how === "whole" ? text.length : text.length >> 1;
    await connection.send(head + text.slice(0, at));
    if (at === text.length) continue;
    await pause(2);
    await connection.send(text.slice(at));
  }
}

async function readBytes(stream: ByteStream, room: number): Promise<Uint8Array> {
  const reader = stream.getReader({ mode: "byob" });
  const pieces: number[] = [];
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(room));
    if (done) break;
    pieces.push(...value);
  }
  await reader.closed;
  return Uint8Array.from(pieces);
}

test("M19 every body can be read into arrays of the reader's own", async () => {
  await withRawServer(serve, async ({ origin }) => {
    const transport = new Transport();
    const fetch = createFetch({ transport });
    for (const how of ["whole", "parts"]) {
      for (const size of SIZES) {
        const url = `${origin}/${how}/${size}`;
        const get = (): ReturnType<typeof transport.roundTrip> =>
          transport.roundTrip(new HttpRequest(url));
        const streams: Record<string, ByteStream> = {
          "fetch": (await fetch(url)).body!,
          "clone": (await fetch(url)).clone().body!,
          "stream": (await get()).body.stream,
          "with a signal": (await fetch(url, { signal: new AbortController().signal })).body!,
        };
        // What is empty has no body in the platform's response.
        if (size > 0) streams["toWeb"] = (await get()).toWeb().body as ByteStream;
        for (const [name, stream] of Object.entries(streams)) {
          const room = size > 5_000 ? 7_000 : 3;
          assert.deepEqual(await readBytes(stream, room), content(size), `${name} of ${url}`);
        }
      }
    }
    const local = await fetch("data:application/octet-stream,abc");
    assert.deepEqual(await readBytes(local.body!, 2), bytesOf("abc"));
    transport.destroy();
    await transport.close();
  });
});

test("M19 a body that came whole is used as one: once, and by one reader at a time", async () => {
  await withRawServer(serve, async ({ origin }) => {
    const transport = new Transport();
    const fetch = createFetch({ transport });
    const get = (): Promise<Response> => fetch(`${origin}/whole/5`);

    const locked = await get();
    const reader = locked.body!.getReader();
    assert.equal(locked.bodyUsed, false);
    for (const read of [locked.text(), locked.arrayBuffer(), locked.blob(), locked.json()]) {
      await assert.rejects(read, TypeError);
    }
    assert.throws(() => locked.clone(), TypeError);
    reader.releaseLock();
    assert.equal((await locked.arrayBuffer()).byteLength, 5);
    assert.equal(locked.bodyUsed, true);

    const begun = await get();
    const bytes = begun.body!.getReader({ mode: "byob" });
    assert.equal((await bytes.read(new Uint8Array(2))).value!.length, 2);
    assert.equal(begun.bodyUsed, true);
    bytes.releaseLock();
    await assert.rejects(begun.text(), TypeError);
    // Readers of both kinds take turns.
    assert.deepEqual((await begun.body!.getReader().read()).value, content(5).slice(2));

    const cancelled = await get();
    await cancelled.body!.cancel();
    assert.equal(cancelled.bodyUsed, true);
    await assert.rejects(cancelled.text(), TypeError);

    const cloned = await get();
    assert.ok(cloned.body instanceof ReadableStream);
    const clone = cloned.clone();
    assert.deepEqual(await readBytes(clone.body!, 2), content(5));
    assert.deepEqual(await readBytes(cloned.body!, 2), content(5));

    const passed = await get();
    assert.deepEqual(
      new Uint8Array(await new Response(passed.body).arrayBuffer()),
      content(5),
    );
    await transport.close();
  });
});

/** How a body breaks off: the end of what is sent, and whether the connection ends with it. */
const breaks: Record<string, readonly [first: string, rest: string]> = {
  "a bad chunk": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "garbage\r\n",
  ],
  "no last chunk": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "",
  ],
  "too few bytes": ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", ""],
  "too few of many bytes": ["HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nhello", ""],
};

for (const [name, [first, rest]] of Object.entries(breaks)) {
  test(`M19 reader.closed rejects where the server breaks off: ${name}`, async () => {
    const breakOff: (() => void)[] = [];
    await withRawServer(async (connection) => {
      await connection.readHead();
      await connection.send(first);
      await new Promise<void>((resolve) => breakOff.push(resolve));
      await connection.send(rest);
      connection.end();
    }, async ({ origin }) => {
      const transport = new Transport();
      const fetch = createFetch({ transport });
      let count = 0;
      const open: Record<string, () => Promise<ByteStream>> = {
        "fetch": async () => (await fetch(origin)).body!,
        "stream": async () => (await transport.roundTrip(new HttpRequest(origin))).body.stream,
      };
      for (const [way, stream] of Object.entries(open)) {
        for (const mode of ["byob", "default"]) {
          const body = await stream();
          const reader = mode === "byob" ? body.getReader({ mode }) : body.getReader();
          const { value } = await (reader as ReadableStreamBYOBReader).read(new Uint8Array(9));
          assert.deepEqual(value, bytesOf("hello"), way);
          const closed = reader.closed.then(() => null, (error: unknown) => error);
          // Nobody reads now.
          await pause(5);
          await until("the server waits", () => breakOff.length > count);
          breakOff[count++]();
          assert.ok(await closed instanceof Error, `${way} ${mode}`);
        }
      }
      await until("nothing is left", () => transport.stats().total === 0);
      await transport.close();
    });
  });
}

test("M19 reader.closed rejects for coded content too, and when a signal is aborted", async () => {
  const coded = latin1(gzipSync(content(300_000)));
  const breakOff = Promise.withResolvers<void>();
  await withRawServer(async (connection) => {
    await connection.readHead();
    const half = coded.length >> 1;
    await connection.send(
      `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${coded.length}\r\n\r\n` +
        coded.slice(0, half),
    );
    await breakOff.promise;
    connection.end();
  }, async ({ origin }) => {
    const transport = new Transport();
    const fetch = createFetch({ transport });
    const response = await fetch(origin);
    const reader = response.body!.getReader();
    const closed = reader.closed.then(() => null, (error: unknown) => error);
    // All that can be made of the half, and then nothing.
    let readBytes = 0;
    let reading = reader.read();
    for (;;) {
      const isOver = readBytes === 0 ? [] : [pause(100).then(() => null)];
      const result = await Promise.race([reading, ...isOver]);
      if (result === null) break;
      readBytes += result.value!.length;
      reading = reader.read();
    }
    reading.catch(() => {});
    assert.ok(readBytes > 0);
    breakOff.resolve();
    assert.ok(await closed instanceof TypeError);
    await transport.close();
  });
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    await connection.clientEnded;
  }, async ({ origin }) => {
    const transport = new Transport();
    const controller = new AbortController();
    const { signal } = controller;
    const response = await createFetch({ transport })(origin, { signal });
    const reader = response.body!.getReader();
    await reader.read();
    await pause(5);
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(reader.closed, (error) => error === reason);
    await transport.close();
  });
});

test("M19 a reader that came before the break gets what came before it, then the error", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel");
    await pause(5);
    await connection.send("lo");
    connection.end();
  }, async ({ origin }) => {
    const transport = new Transport();
    const response = await createFetch({ transport })(origin);
    const reader = response.body!.getReader();
    await until("it has broken off", () => transport.stats().total === 0);
    assert.deepEqual((await reader.read()).value, bytesOf("hello"));
    await assert.rejects(reader.closed, TypeError);
    await transport.close();
  });
});
