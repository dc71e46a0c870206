/**
 * Content codings are taken off piece by piece, never further ahead than the reader, and what is not in
 * the coding is an error.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as zlib from "node:zlib";
import {
  brotliCompressSync,
  createBrotliCompress,
  createGzip,
  deflateRawSync,
  deflateSync,
  gzipSync,
} from "node:zlib";
import fc from "fast-check";
import type { Reader } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import {
  type ContentCoding,
  contentCodings,
  decodableCoding,
  decodableCodings,
} from "../../http/content_coding.ts";
import { ContentDecoder } from "../../http/content_decoder.ts";
import { ResponseHeadReader } from "../../http1/response_head.ts";
import { rejectsWith, settled } from "../support/exchange_record.ts";
import { bytesOf, feed, type Outcome, PieceReader, seededRandom, textOf } from "../support/feed.ts";
import { test } from "../support/harness.ts";

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function decodeAll(
  source: Reader,
  coding: ContentCoding,
  roomBytes: number,
): Promise<string> {
  const decoder = new ContentDecoder(source, coding);
  let text = "";
  try {
    const p = new Uint8Array(roomBytes);
    for (let n = await decoder.read(p); n !== null; n = await decoder.read(p)) {
      assert.ok(n >= 1 && n <= p.length);
      text += textOf(p.subarray(0, n));
    }
    assert.equal(await decoder.read(p), null, "the end is the end");
  } finally {
    decoder.close();
  }
  return text;
}

/** Decodes `coded`, given in every manner. */
function decoded(coded: Uint8Array, coding: ContentCoding): Promise<Outcome<string>> {
  return feed(coded, ({ input, roomBytes }) => decodeAll(input, coding, roomBytes), false);
}

const HELLO = "hello, hello, hello";
const gzip = gzipSync(HELLO);
const deflate = deflateSync(HELLO);
const raw = deflateRawSync(HELLO);
const br = brotliCompressSync(HELLO);
const zstd = zlib.zstdCompressSync(HELLO);
/** Four bytes of magic, the length, and what every decoder skips. */
const skippable = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9);
const zstdChecked = zlib.zstdCompressSync(HELLO, {
  params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 },
});
const BROKEN = { error: "ERR_DECODE" } as const;

for (
  const [name, coding, coded, expected] of [
    ["gzip", "gzip", gzip, { value: HELLO }],
    ["deflate with its zlib wrapper", "deflate", deflate, { value: HELLO }],
    ["deflate without a wrapper", "deflate", raw, { value: HELLO }],
    ["nothing at all as gzip", "gzip", new Uint8Array(0), { value: "" }],
    ["nothing at all as deflate", "deflate", new Uint8Array(0), { value: "" }],
    ["gzip of nothing", "gzip", gzipSync(""), { value: "" }],
    ["deflate of nothing", "deflate", deflateSync(""), { value: "" }],
    ["two gzip members", "gzip", joined(gzip, gzipSync("!")), { value: HELLO + "!" }],
    ["an empty gzip member first", "gzip", joined(gzipSync(""), gzip), { value: HELLO }],
    ["gzip, padded with zeros", "gzip", joined(gzip, new Uint8Array(40)), { value: HELLO }],
    ["gzip, padded, then other bytes", "gzip", joined(gzip, new Uint8Array(40), gzip), BROKEN],
    ["gzip, followed by other bytes", "gzip", joined(gzip, bytesOf("other bytes")), BROKEN],
    ["deflate, followed by other bytes", "deflate", joined(deflate, bytesOf("x")), BROKEN],
    ["raw deflate, followed by other bytes", "deflate", joined(raw, bytesOf("other")), BROKEN],
    ["deflate twice", "deflate", joined(deflate, deflate), BROKEN],
    ["text that says gzip", "gzip", bytesOf("hello"), BROKEN],
    ["text that says deflate", "deflate", bytesOf("hello"), BROKEN],
    ["deflate that says gzip", "gzip", deflate, BROKEN],
    ["gzip with another checksum", "gzip", flipped(gzip, gzip.length - 6), BROKEN],
    ["gzip with another length", "gzip", flipped(gzip, gzip.length - 1), BROKEN],
    ["deflate with another checksum", "deflate", flipped(deflate, deflate.length - 1), BROKEN],
    ["one byte of gzip", "gzip", gzip.subarray(0, 1), BROKEN],
    ["one byte of deflate", "deflate", deflate.subarray(0, 1), BROKEN],
    ["br", "br", br, { value: HELLO }],
    ["nothing at all as br", "br", new Uint8Array(0), { value: "" }],
    ["br of nothing", "br", brotliCompressSync(""), { value: "" }],
    ["br twice", "br", joined(br, br), BROKEN],
    ["br, followed by other bytes", "br", joined(br, bytesOf("x")), BROKEN],
    ["br, padded with zeros", "br", joined(br, new Uint8Array(4)), BROKEN],
    ["text that says br", "br", bytesOf("hello there, world"), BROKEN],
    ["gzip that says br", "br", gzip, BROKEN],
    ["zstd", "zstd", zstd, { value: HELLO }],
    ["zstd with a checksum", "zstd", zstdChecked, { value: HELLO }],
    ["nothing at all as zstd", "zstd", new Uint8Array(0), { value: "" }],
    ["zstd of nothing", "zstd", zlib.zstdCompressSync(""), { value: "" }],
    ["two zstd frames", "zstd", joined(zstd, zstdChecked), { value: HELLO + HELLO }],
    ["a skippable zstd frame first", "zstd", joined(skippable, zstd), { value: HELLO }],
    ["a skippable zstd frame behind", "zstd", joined(zstd, skippable), { value: HELLO }],
    ["a skippable zstd frame, cut", "zstd", joined(zstd, skippable.subarray(0, 9)), BROKEN],
    ["zstd, followed by other bytes", "zstd", joined(zstd, bytesOf("other")), BROKEN],
    ["zstd, padded with zeros", "zstd", joined(zstd, new Uint8Array(4)), BROKEN],
    ["zstd with another checksum", "zstd", flipped(zstdChecked, zstdChecked.length - 1), BROKEN],
    ["zstd with a reserved block", "zstd", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 32, 0, 7), BROKEN],
    ["text that says zstd", "zstd", bytesOf("hello there, world"), BROKEN],
  ] as const
) {
  test(`ContentDecoder: ${name}`, async () => {
    assert.deepEqual(await decoded(coded, coding), expected);
  });
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] ^= 0xff;
  return copy;
}

for (
  const [name, coding, coded] of [
    ["gzip", "gzip", gzip],
    ["deflate", "deflate", deflate],
    ["br", "br", br],
    ["zstd", "zstd", zstd],
    ["zstd with a checksum", "zstd", zstdChecked],
  ] as const
) {
  test(`T13 ContentDecoder: ${name} cut at every byte offset is an error`, async () => {
    for (let cut = 1; cut < coded.length; cut++) {
      for (const pieceBytes of [Infinity, 1]) {
        const source = new PieceReader(coded.subarray(0, cut), () => pieceBytes);
        await rejectsWith(decodeAll(source, coding, 100), "ERR_DECODE");
      }
    }
  });
}

test("ContentDecoder: what does not compress, in random pieces, comes out as it went in", async () => {
  const random = seededRandom(7);
  const original = Uint8Array.from({ length: 300_000 }, () => Math.floor(random() * 256));
  for (
    const [coding, coded] of [
      ["gzip", gzipSync(original)],
      ["deflate", deflateSync(original)],
      ["br", brotliCompressSync(original)],
      ["zstd", zlib.zstdCompressSync(original)],
    ] as const
  ) {
    const source = new PieceReader(coded, () => 1 + Math.floor(random() * 40_000));
    assert.ok(await decodeAll(source, coding, 10_000) === textOf(original));
  }
});

test("T48 ContentDecoder: 10 MB of zeros are not decoded ahead of the reader", async () => {
  const size = 10 * 1024 * 1024;
  const source = new PieceReader(gzipSync(new Uint8Array(size)), () => Infinity);
  const decoder = new ContentDecoder(source, "gzip");
  const p = new Uint8Array(1024);
  assert.equal(await decoder.read(p), 1024);
  // Whatever would run ahead has had many turns to do it.
  for (let i = 0; i < 50; i++) await settled();
  assert.ok(decoder.aheadBytes > 0, "something was decoded");
  assert.ok(decoder.aheadBytes <= 64 * 1024, `${decoder.aheadBytes} bytes decoded ahead`);
  let total = 1024;
  for (let n = await decoder.read(p); n !== null; n = await decoder.read(p)) {
    total += n;
    assert.ok(decoder.aheadBytes <= 64 * 1024, `${decoder.aheadBytes} bytes decoded ahead`);
  }
  assert.equal(total, size);
  decoder.close();
});

test("T48 ContentDecoder: the source is not read ahead of the reader either", async () => {
  const random = seededRandom(3);
  const original = Uint8Array.from({ length: 1_000_000 }, () => Math.floor(random() * 256));
  const source = new PieceReader(gzipSync(original), () => 1000);
  const decoder = new ContentDecoder(source, "gzip");
  await decoder.read(new Uint8Array(100));
  for (let i = 0; i < 50; i++) await settled();
  assert.ok(source.reads <= 64, `${source.reads} reads of 1,000 bytes`);
  decoder.close();
});

test("T49 ContentDecoder: 100,000 empty gzip members", async () => {
  const member = gzipSync("");
  const members = new Uint8Array(member.length * 100_000);
  for (let i = 0; i < 100_000; i++) members.set(member, i * member.length);
  const source = new PieceReader(members, () => Infinity);
  assert.equal(await decodeAll(source, "gzip", 100), "");
});

test("ContentDecoder: an error of the source is told as it is, after what came before it", async () => {
  let reads = 0;
  const source: Reader = {
    read: (p) => {
      if (reads++ > 0) return Promise.reject(new Error("reset"));
      p.set(gzip.subarray(0, 15));
      return Promise.resolve(15);
    },
  };
  await assert.rejects(decodeAll(source, "gzip", 100), /reset/);
});

test("ContentDecoder: the source is not asked before the first read", async () => {
  const source = new PieceReader(gzip, () => Infinity);
  const decoder = new ContentDecoder(source, "gzip");
  await settled();
  assert.equal(source.reads, 0);
  assert.equal(await decoder.read(new Uint8Array(0)), 0);
  assert.equal(source.reads, 0);
  decoder.close();
});

test("ContentDecoder: close() settles a read, in the beginning and in the middle", async () => {
  for (const coded of [new Uint8Array(0), gzip.subarray(0, 12), deflate.subarray(0, 5)]) {
    const pending = Promise.withResolvers<number | null>();
    let reads = 0;
    const source: Reader = {
      read: (p) => {
        if (reads++ > 0 || coded.length === 0) return pending.promise;
        p.set(coded);
        return Promise.resolve(coded.length);
      },
    };
    const decoder = new ContentDecoder(source, coded[0] === gzip[0] ? "gzip" : "deflate");
    const read = decoder.read(new Uint8Array(100));
    for (let i = 0; i < 20; i++) await settled();
    decoder.close();
    decoder.close();
    // What the source still gives is of no use to anybody.
    pending.resolve(null);
    const outcome = await read.catch((error) => error);
    assert.ok(outcome === null || typeof outcome === "number", `${outcome}`);
    assert.equal(await decoder.read(new Uint8Array(100)), null);
  }
});

test("T57 ContentDecoder: its errors are short and printable", async () => {
  const source = new PieceReader(bytesOf("\x1b[2J".repeat(1000)), () => Infinity);
  const error = await rejectsWith(decodeAll(source, "gzip", 100), "ERR_DECODE");
  assert.ok(error instanceof HttpError);
  assert.match(error.message, /^[\x20-\x7e]{1,200}$/);
});

test("contentCodings(): in order, over all lines, in small letters, without identity", () => {
  const of = (fields: string): string[] => {
    const bytes = bytesOf(`HTTP/1.1 200 OK\r\n${fields}\r\n`);
    return contentCodings(
      new ResponseHeadReader("strict").read(bytes, 0, bytes.length, [])!.fields,
    );
  };
  assert.deepEqual(of(""), []);
  assert.deepEqual(of("Content-Encoding: gzip\r\n"), ["gzip"]);
  assert.deepEqual(of("content-encoding: GZip , identity,\r\nA: b\r\nCONTENT-ENCODING: br\r\n"), [
    "gzip",
    "br",
  ]);
  assert.deepEqual(of("Content-Encoding: identity\r\n"), []);
  assert.deepEqual(
    of("Content-Encoding: gzip\r\n" + "Content-Encoding: gzip\r\n".repeat(5)).length,
    6,
  );
});

test("decodableCoding(): registered names and the old ones", () => {
  assert.equal(decodableCoding("gzip"), "gzip");
  assert.equal(decodableCoding("x-gzip"), "gzip");
  assert.equal(decodableCoding("deflate"), "deflate");
  assert.equal(decodableCoding("deflate"), "deflate");
  assert.equal(decodableCoding("br"), "br");
  for (const other of ["compress", "aes128gcm", "__proto__", "GZIP", ""]) {
    assert.equal(decodableCoding(other), null);
  }
  // The three runtimes that these tests run on have it.
  assert.equal(decodableCoding("zstd"), "zstd");
  assert.deepEqual(decodableCodings(), ["gzip", "deflate", "br", "zstd"]);
});

const compress: Record<ContentCoding, (content: Uint8Array) => Uint8Array<ArrayBuffer>> = {
  gzip: (content) => Uint8Array.from(gzipSync(content)),
  deflate: (content) => Uint8Array.from(deflateSync(content)),
  br: (content) =>
    Uint8Array.from(
      brotliCompressSync(content, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 3 } }),
    ),
  zstd: (content) => Uint8Array.from(zlib.zstdCompressSync(content)),
};

for (const coding of ["gzip", "deflate", "br", "zstd"] as const) {
  test(`ContentDecoder: ${coding} of anything, in any pieces, is that again; cut, it is an error`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        // Content that compresses, and some that is larger than a buffer.
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (pattern, repeats, pieceBytes, cutAt) => {
          const content = joined(...Array.from({ length: repeats }, () => pattern));
          const coded = compress[coding](content);
          const whole = new PieceReader(coded, () => pieceBytes);
          assert.ok(await decodeAll(whole, coding, 4096) === textOf(content));
          const cut = Math.floor(cutAt * coded.length);
          if (cut === 0 || cut === coded.length) return;
          const short = new PieceReader(coded.subarray(0, cut), () => pieceBytes);
          await rejectsWith(decodeAll(short, coding, 4096), "ERR_DECODE");
        },
      ),
      { numRuns: 60 },
    );
  });

  test(`ContentDecoder: ${coding} with any bytes changed ends, with content or ERR_DECODE`, async () => {
    const content = bytesOf("some content, some more content, ".repeat(40));
    const coded = compress[coding](content);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(coded.length - 1), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.integer({ min: 1, max: 100 }),
        async (changes, pieceBytes) => {
          const changed = Uint8Array.from(coded);
          for (const [at, mask] of changes) changed[at] ^= mask;
          const source = new PieceReader(changed, () => pieceBytes);
          try {
            await decodeAll(source, coding, 1000);
          } catch (error) {
            assert.ok(error instanceof HttpError && error.code === "ERR_DECODE", `${error}`);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test(`T48 ContentDecoder: ${coding} that expands too far is an error, within the grace it is none`, async () => {
    const size = 8 * 1024 * 1024;
    const coded = compress[coding](new Uint8Array(size));
    const limited = (content: Uint8Array, maxRatio: number): ContentDecoder =>
      new ContentDecoder(new PieceReader(content, () => Infinity), coding, {
        maxRatio,
        wireBytes: () => content.length,
      });
    const p = new Uint8Array(64 * 1024);
    async function drain(decoder: ContentDecoder): Promise<number> {
      let total = 0;
      try {
        for (let n = await decoder.read(p); n !== null; n = await decoder.read(p)) total += n;
      } finally {
        decoder.close();
      }
      return total;
    }
    assert.equal(await drain(limited(coded, Infinity)), size);
    assert.equal(await drain(limited(coded, Math.ceil(size / coded.length))), size);
    const error = await rejectsWith(drain(limited(coded, 100)), "ERR_DECODE");
    assert.match((error as Error).message, /expands more than 100 times/);
    const graced = compress[coding](new Uint8Array(1024 * 1024));
    assert.equal(await drain(limited(graced, 1)), 1024 * 1024);
  });
}

test("ContentDecoder: what was flushed is given before more comes", async () => {
  const encoders = {
    gzip: createGzip(),
    br: createBrotliCompress(),
    zstd: zlib.createZstdCompress(),
  };
  for (const [coding, encoder] of Object.entries(encoders)) {
    const flushed: Uint8Array[] = [];
    encoder.on("data", (chunk: Uint8Array) => flushed.push(Uint8Array.from(chunk)));
    encoder.write("data: 1\n\n");
    await new Promise<void>((resolve) => encoder.flush(() => resolve()));
    const pending = Promise.withResolvers<null>();
    let given = 0;
    const source: Reader = {
      read: (p) => {
        if (given === flushed.length) return pending.promise;
        const piece = flushed[given++];
        p.set(piece);
        return Promise.resolve(piece.length);
      },
    };
    const decoder = new ContentDecoder(source, coding as ContentCoding);
    const p = new Uint8Array(100);
    assert.equal(await decoder.read(p), 9, coding);
    assert.equal(textOf(p.subarray(0, 9)), "data: 1\n\n");
    decoder.close();
    pending.resolve(null);
    encoder.destroy();
  }
});

test("T49 ContentDecoder: a second gzip member with a header that is cut short", async () => {
  const named = gzipSync("!");
  // FNAME: the header has a name, which ends in a zero.
  named[3] = 8;
  const header = joined(named.subarray(0, 10), bytesOf("name\0"));
  const two = joined(gzip, header, named.subarray(10));
  assert.equal(await decodeAll(new PieceReader(two, () => Infinity), "gzip", 100), HELLO + "!");
  for (let cut = gzip.length + 1; cut < two.length; cut++) {
    for (const pieceBytes of [Infinity, 1, gzip.length, gzip.length + 1]) {
      const source = new PieceReader(two.subarray(0, cut), () => pieceBytes);
      await rejectsWith(decodeAll(source, "gzip", 100), "ERR_DECODE");
    }
  }
});

test("T49 ContentDecoder: 10,000 empty zstd frames", async () => {
  const frame = zlib.zstdCompressSync("");
  const frames = joined(...Array.from({ length: 10_000 }, () => frame));
  assert.equal(await decodeAll(new PieceReader(frames, () => Infinity), "zstd", 100), "");
});

test("T48 ContentDecoder: zstd that asks for a window above 8 MiB is refused", async () => {
  const coded = zlib.zstdCompressSync(new Uint8Array(9 * 1024 * 1024), {
    params: { [zlib.constants.ZSTD_c_windowLog]: 24 },
  });
  await rejectsWith(decodeAll(new PieceReader(coded, () => Infinity), "zstd", 100), "ERR_DECODE");
});
