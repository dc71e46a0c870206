/**
 * Bodies of a `Request`, which shows them as streams only: what is there goes out with its length,
 * and again after a redirect; what a program still makes stays a stream.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type GatherLimits, readAhead } from "../../../client/fetch/read_ahead.ts";
import { Buffer } from "node:buffer";
import { createFetch, Transport } from "../../../mod.ts";
import type { RecordedRequest, TestHandler } from "../../../testing/mod.ts";
import { movedTo, withBodyServer } from "../../support/body_server.ts";
import { test } from "../../support/harness.ts";
import { bytesOf, withRawServer } from "../../support/raw_server.ts";
import { pause, until } from "../../support/waiting.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bytes that are not all the same, so that none can be lost or doubled unseen. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8) * 13 + (i >> 16)) & 0x7f;
  return bytes;
}

/** Redirects the first request of each pair with 307. */
const redirecting: TestHandler = (_, { recorded: { target, body } }) =>
  target === "/moved" ? new Response(String(body.length)) : movedTo("/moved");

async function received({ headers, body }: RecordedRequest): Promise<Uint8Array> {
  const type = headers.get("Content-Type");
  if (type === null || !type.startsWith("multipart")) return body;
  const form = await new Response(body, { headers: { "Content-Type": type } }).formData();
  assert.equal(form.get("name"), "value");
  return new Uint8Array(await (form.get("file") as File).arrayBuffer());
}

const SIZES = [1, 16, 1024, 2048].flatMap((kib) => [-1, 0, 1].map((more) => kib * KIB + more));

const KINDS: readonly [string, (bytes: Uint8Array<ArrayBuffer>) => RequestInit["body"]][] = [
  ["bytes", (bytes) => bytes],
  ["text", (bytes) => new TextDecoder("latin1").decode(bytes)],
  ["a Blob", (bytes) => new Blob([bytes])],
  ["a form", (bytes) => {
    const form = new FormData();
    form.append("name", "value");
    form.append("file", new Blob([bytes]), "file.bin");
    return form;
  }],
];

for (const [kind, make] of KINDS) {
  test(`M25 a Request of ${kind} goes with its length, and again after 307`, async () => {
    await withBodyServer(async (server, requests) => {
      await using transport = new Transport();
      const send = createFetch({ transport });
      for (const size of [...SIZES, 5 * MIB + 3]) {
        const bytes = pattern(size);
        const seen = requests.length;
        const response = await send(
          new Request(server.url, { method: "PUT", body: make(bytes) }),
        );
        assert.equal(response.status, 200);
        await response.text();
        assert.deepEqual(requests.slice(seen).map(({ target }) => target), ["/", "/moved"]);
        for (const request of requests.slice(seen)) {
          assert.equal(request.headers.get("Content-Length"), `${request.body.length}`);
          assert.equal(request.headers.has("Transfer-Encoding"), false);
          assert.equal(Buffer.compare(await received(request), bytes), 0, `${size}`);
        }
      }
    }, redirecting);
  });
}

test("M25 forms of many fields, and of some files, are gathered", async () => {
  await withBodyServer(async (server, requests) => {
    await using transport = new Transport();
    const send = createFetch({ transport });
    const fields = new FormData();
    for (let i = 0; i < 500; i++) fields.append(`name${i}`, "value");
    const files = new FormData();
    for (let i = 0; i < 4; i++) files.append(`file${i}`, new Blob([pattern(700 * KIB)]), "a");
    for (const body of [fields, files]) {
      const response = await send(new Request(server.url, { method: "POST", body }));
      assert.equal(response.status, 200);
    }
    assert.equal(requests.length, 4);
    assert.ok(requests.every(({ headers }) => headers.has("Content-Length")));
  }, redirecting);
});

function streamOf(
  source: AsyncGenerator<Uint8Array>,
  cancelled: () => void = () => {},
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await source.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => {
      await source.return(undefined);
      cancelled();
    },
  }, { highWaterMark: 0 });
}

/** Waits by what is counted where bodies are gathered: on a busy machine a long time may be one turn. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => void setTimeout(resolve, 0));
}

function requestOf(url: string, body: ReadableStream<Uint8Array>, init: RequestInit = {}): Request {
  return new Request(url, { method: "POST", body, duplex: "half", ...init } as RequestInit);
}

test("M25 what a program makes piece by piece is streamed, byte for byte", async () => {
  const bytes = pattern(3 * MIB);
  /** Pieces of the bytes; `wait` before each. */
  async function* pieces(size: number, wait: (i: number) => unknown): AsyncGenerator<Uint8Array> {
    for (let i = 0, at = 0; at < bytes.length; i++, at += size) {
      await wait(i);
      yield bytes.subarray(at, at + size);
    }
  }
  const sources: [string, () => AsyncGenerator<Uint8Array>][] = [
    ["small pieces at once", () => pieces(64 * KIB, () => {})],
    ["tiny pieces at once", () => pieces(100, () => {})],
    ["slow small pieces", () => pieces(150 * KIB, () => turns(30))],
    ["slow large pieces", () => pieces(MIB, () => turns(30))],
    ["one pause", () => pieces(MIB, (i) => i === 1 ? turns(30) : null)],
  ];
  await withBodyServer(async (server, requests) => {
    await using transport = new Transport();
    const send = createFetch({ transport });
    for (const [name, source] of sources) {
      const response = await send(requestOf(server.url, streamOf(source())));
      assert.equal(await response.text(), String(bytes.length), name);
      const request = requests.at(-1)!;
      assert.equal(request.headers.has("Content-Length"), false, name);
      assert.equal(Buffer.compare(request.body, bytes), 0, name);
    }
  });
});

test("M25 a body that waits for its answer is a stream still, and both go on together", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (;;) {
      const size = parseInt(await connection.readUntil("\r\n"), 16);
      const chunk = await connection.readBytes(size + 2);
      await connection.send(`${size.toString(16)}\r\n${chunk}`);
      if (size === 0) break;
    }
  }, async (server) => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    await using transport = new Transport();
    const send = createFetch({ transport });
    const response = await send(requestOf(server.origin, readable));
    const reader = response.body!.getReader();
    for (const text of ["one", "two", "three"]) {
      await writer.write(bytesOf(text));
      assert.deepEqual((await reader.read()).value, bytesOf(text));
    }
    await writer.close();
    assert.equal((await reader.read()).done, true);
  });
});

const SMALL: GatherLimits = { maxBytes: 1000, pieceBytes: 100, maxSmallReads: 4, maxTurns: 4 };

/** Gathers pieces of these lengths that are all there at once. */
async function gathered(...lengths: number[]): Promise<Uint8Array | null> {
  const bytes = pattern(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const length of lengths) {
        controller.enqueue(bytes.slice(at, at + length));
        at += length;
      }
      controller.close();
    },
  });
  const body = await readAhead(stream, null, SMALL);
  const whole = body instanceof Uint8Array
    ? body
    : new Uint8Array(await new Response(body).arrayBuffer());
  assert.deepEqual(whole, bytes);
  return body instanceof Uint8Array ? body : null;
}

test("M25 what is gathered is bounded, and nothing of it is lost at the bounds", async () => {
  const times = (count: number, length: number): number[] => new Array(count).fill(length);
  const rows: [string, number[], boolean][] = [
    ["nothing", [], true],
    ["all of the bound", [1000], true],
    ["one byte more", [1001], false],
    ["the bound in pieces", times(10, 100), true],
    ["one byte more, in pieces", [...times(10, 100), 1], false],
    ["much more", times(30, 100), false],
    ["few small ones", times(4, 99), true],
    ["one small one too many", times(5, 99), false],
    ["small ones, never too many in a row", [...times(4, 50), 100, ...times(4, 50), 100], true],
    ["small ones, too many in a row", [...times(4, 50), 100, ...times(5, 50), 100], false],
    ["many small ones that make little", times(100, 1), true],
    ["many small ones that make a byte more", times(101, 1), false],
    ["empty ones", [0, 50, 0, 0, 50], true],
  ];
  for (const [name, lengths, isWhole] of rows) {
    assert.equal(await gathered(...lengths) !== null, isWhole, name);
  }
});

test("M25 a read may take two turns of the event loop, small ones not for ever", async () => {
  async function* each(count: number, wait: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < count; i++) {
      await turns(wait);
      yield Uint8Array.of(i);
    }
  }
  const rows: [number, number, boolean][] = [[3, 1, true], [3, 30, false], [200, 1, false]];
  for (const [count, wait, isWhole] of rows) {
    const body = await readAhead(streamOf(each(count, wait)), null, SMALL);
    assert.equal(body instanceof Uint8Array, isWhole, `${count} after ${wait}`);
    const bytes = body instanceof Uint8Array ? body : await new Response(body).arrayBuffer();
    assert.deepEqual([...new Uint8Array(bytes)], [...new Array(count).keys()]);
  }
});

test("M25 an abort while a body is gathered lets its stream go", async () => {
  await withBodyServer(async (server) => {
    for (const isMade of [true, false]) {
      let cancelled = 0;
      const controller = new AbortController();
      const reason = new Error("mine");
      let pieces = 0;
      const stream = new ReadableStream<Uint8Array>({
        pull: async (into) => {
          if (++pieces === 4) controller.abort(reason);
          if (pieces === 4 && !isMade) await new Promise(() => {});
          into.enqueue(pattern(2 * MIB));
        },
        cancel: () => void cancelled++,
      }, { highWaterMark: 0 });
      const { signal } = controller;
      await assert.rejects(createFetch()(requestOf(server.url, stream), { signal }), reason);
      await until("it was let go", () => cancelled === 1);
    }
    assert.equal(server.connectionCount, 0);
  });
});

test("M25 a stream that fails while it is gathered fails the call, also behind what was gathered", async () => {
  await withBodyServer(async (server, requests) => {
    await using transport = new Transport();
    const send = createFetch({ transport });
    for (const isSlow of [false, true]) {
      let pieces = 0;
      const stream = new ReadableStream<Uint8Array>({
        pull: async (controller) => {
          if (++pieces === 1) return controller.enqueue(pattern(2 * MIB));
          if (isSlow) await pause(50);
          throw new RangeError("mine");
        },
      }, { highWaterMark: 0 });
      await assert.rejects(send(requestOf(server.url, stream)));
    }
    assert.equal(requests.length, 0);
    await until("all are closed", () => server.openCount === 0);
  });
});
