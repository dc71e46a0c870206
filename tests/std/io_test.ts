/**
 * Connections and response bodies as readers and writers of `@std/io`. Deno only, and only where JSR answers:
 * `deno task test:std`.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import {
  type Closer,
  copy,
  readAll,
  type Reader,
  toReadableStream,
  writeAll,
  type Writer,
} from "@std/io";
import { get, HttpError, HttpRequest, Transport } from "@roundtrip/http";
import { type Conn, pipe, systemDialer } from "@roundtrip/http/conn";

/** Larger than any buffer on the way, and not a multiple of one. */
const content: Uint8Array<ArrayBuffer> = Uint8Array.from(
  { length: 300_007 },
  (_, index) => index * 31 % 251,
);

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: true, sanitizeResources: true });
}

/** Our end of a connection to a server that sends `content` and ends. */
async function dialSource(): Promise<Conn> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const dialled = systemDialer().dial({ transport: "tcp", hostname: "127.0.0.1", port });
  const server = await listener.accept();
  void writeAll(server, content).finally(() => server.close());
  return await dialled;
}

/** A body of `content` from a local server, chunked so that its length is not known ahead. */
async function withBody(use: (body: Reader, transport: Transport) => Promise<void>): Promise<void> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(new Blob([content]).stream()),
  );
  const transport = new Transport();
  try {
    const url = `http://127.0.0.1:${server.addr.port}/`;
    const response = await transport.roundTrip(new HttpRequest(url));
    await use(response.body, transport);
  } finally {
    await transport.close();
    await server.shutdown();
  }
}

test("a Conn is a Reader, a Writer and a Closer", () => {
  const [near, far] = pipe();
  const std: Reader & Writer & Closer = near;
  std.close();
  far.close();
  return Promise.resolve();
});

test("writeAll() and readAll() over pipe()", async () => {
  const [near, far] = pipe();
  const writing = writeAll(near, content).then(() => near.closeWrite());
  assertEquals(await readAll(far), content);
  await writing;
  near.close();
  far.close();
});

test("copy() from one Conn to another", async () => {
  const [sourceEnd, source] = pipe();
  const [target, targetEnd] = pipe();
  const feeding = writeAll(sourceEnd, content).then(() => sourceEnd.closeWrite());
  const copying = copy(source, target).then(async (count) => {
    await target.closeWrite();
    return count;
  });
  assertEquals(await readAll(targetEnd), content);
  assertEquals(await copying, content.length);
  await feeding;
  for (const conn of [sourceEnd, source, target, targetEnd]) conn.close();
});

test("toReadableStream() over pipe() closes the Conn at the end", async () => {
  const [near, far] = pipe();
  const writing = writeAll(near, content).then(() => near.closeWrite());
  assertEquals(await new Response(toReadableStream(far)).bytes(), content);
  await writing;
  const error = await assertRejects(() => far.read(new Uint8Array(1)), HttpError);
  assertEquals(error.code, "ERR_CLOSED");
  near.close();
});

test("readAll() of a dialled Conn", async () => {
  const conn = await dialSource();
  assertEquals(await readAll(conn), content);
  conn.close();
});

test("copy() of a dialled Conn into a file", async () => {
  const path = await Deno.makeTempFile();
  const conn = await dialSource();
  try {
    using file = await Deno.open(path, { write: true });
    assertEquals(await copy(conn, file), content.length);
  } finally {
    conn.close();
  }
  assertEquals(await Deno.readFile(path), content);
  await Deno.remove(path);
});

test("toReadableStream() of a dialled Conn, cancelled, closes it", async () => {
  const conn = await dialSource();
  const stream = toReadableStream(conn);
  for await (const chunk of stream) {
    assertEquals(chunk, content.subarray(0, chunk.length));
    break;
  }
  await assertRejects(() => conn.read(new Uint8Array(1)), HttpError);
});

test("readAll() of a response body", async () => {
  await withBody(async (body) => {
    assertEquals(await readAll(body), content);
  });
});

test("copy() of a response body into a Conn", async () => {
  await withBody(async (body) => {
    const [near, far] = pipe();
    const copying = copy(body, near).then(() => near.closeWrite());
    assertEquals(await readAll(far), content);
    await copying;
    near.close();
    far.close();
  });
});

test("toReadableStream() of a response body", async () => {
  await withBody(async (body) => {
    assertEquals(await new Response(toReadableStream(body)).bytes(), content);
  });
});

test("toReadableStream() of a response body, cancelled, frees its connection", async () => {
  await withBody(async (body, transport) => {
    const reader = toReadableStream(body).getReader();
    await reader.read();
    await reader.cancel();
    const error = await assertRejects(() => body.read(new Uint8Array(1)), HttpError);
    assertEquals(error.code, "ERR_BODY_CLOSED");
    // Draining goes on for a moment after the cancel.
    for (let turn = 0; transport.stats().active > 0 && turn < 200; turn++) {
      await new Promise((next) => setTimeout(next, 5));
    }
    assertEquals(transport.stats().active, 0);
  });
});

test("readAll() of a body that get() fetched", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(content, { headers: { connection: "close" } }),
  );
  const response = await get(`http://127.0.0.1:${server.addr.port}/`);
  assertEquals(await readAll(response.body), content);
  await server.shutdown();
});
