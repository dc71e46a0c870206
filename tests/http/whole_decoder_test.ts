/**
 * Content that is decoded in one call is what comes piece by piece: where the one gives bytes, the
 * other gives the same, and what the other refuses, the one does not give.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as zlib from "node:zlib";
import fc from "fast-check";
import type { Reader } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import type { ContentCoding } from "../../http/content_coding.ts";
import { ContentDecoder } from "../../http/content_decoder.ts";
import {
  decodesWhole,
  decodeWhole,
  MAX_WHOLE_CODED_BYTES,
  MAX_WHOLE_DECODED_BYTES,
} from "../../http/whole_decoder.ts";
import { bytesOf, PieceReader, seededRandom } from "../support/feed.ts";
import { runtime, test } from "../support/harness.ts";

type Bytes = Uint8Array<ArrayBuffer>;

function joined(...parts: Uint8Array[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** What the decoders make of it piece by piece, or null: `ERR_DECODE`. */
async function streamed(codings: readonly ContentCoding[], coded: Bytes): Promise<Bytes | null> {
  const random = seededRandom(coded.length);
  let source: Reader = new PieceReader(coded, () => 1 + Math.floor(random() * 20_000));
  // As the transport has it: a limit that no content of this size can pass.
  const limit = { maxRatio: 1_000, wireBytes: () => coded.length };
  const decoders = codings.toReversed().map((coding) => {
    const decoder = new ContentDecoder(source, coding, limit);
    source = decoder;
    return decoder;
  });
  const pieces: Buffer[] = [];
  const p = new Uint8Array(32 * 1024);
  try {
    for (let n = await source.read(p); n !== null; n = await source.read(p)) {
      pieces.push(Buffer.from(p.slice(0, n)));
    }
    return Uint8Array.from(Buffer.concat(pieces));
  } catch (error) {
    assert.ok(error instanceof HttpError && error.code === "ERR_DECODE", `${error}`);
    return null;
  } finally {
    for (const decoder of decoders) decoder.close();
  }
}

function whole(codings: readonly ContentCoding[], coded: Bytes): Bytes | null {
  const before = coded.slice();
  if (!decodesWhole(zlib, codings)) return null;
  const decoded = decodeWhole(zlib, codings, coded);
  assert.ok(Buffer.compare(before, coded) === 0, "the coded content is left as it was");
  if (decoded === null) return null;
  assert.equal(decoded.constructor, Uint8Array);
  assert.equal(decoded.byteLength, decoded.buffer.byteLength, "an array of its own");
  assert.notEqual(decoded.buffer, coded.buffer);
  assert.ok(decoded.length <= MAX_WHOLE_DECODED_BYTES);
  return decoded;
}

/** @returns Whether it was decoded in one call. */
async function assertSame(
  codings: readonly ContentCoding[],
  coded: Bytes,
  what: string,
): Promise<boolean> {
  const once = whole(codings, coded);
  if (once === null) return false;
  const piecewise = await streamed(codings, coded);
  assert.ok(piecewise !== null, `${what}: what is refused piece by piece was given`);
  assert.ok(Buffer.compare(once, piecewise) === 0, `${what}: other bytes`);
  return true;
}

/** Deno's call gives what brotli came to before it was found malformed: there it is not asked. */
const onceDecoded = (coding: ContentCoding): boolean => coding !== "br" || runtime !== "deno";

const encoders: Record<string, readonly [ContentCoding, (content: Uint8Array) => Uint8Array]> = {
  gzip: ["gzip", (content) => zlib.gzipSync(content)],
  "stored gzip": ["gzip", (content) => zlib.gzipSync(content, { level: 0 })],
  deflate: ["deflate", (content) => zlib.deflateSync(content)],
  "raw deflate": ["deflate", (content) => zlib.deflateRawSync(content)],
  br: [
    "br",
    (content) =>
      zlib.brotliCompressSync(content, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 3 } }),
  ],
  zstd: ["zstd", (content) => zlib.zstdCompressSync(content)],
  "zstd with a checksum": [
    "zstd",
    (content) =>
      zlib.zstdCompressSync(content, { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } }),
  ],
};

const encode = (name: string, content: Uint8Array): Bytes =>
  Uint8Array.from(encoders[name][1](content));

/** Content that compresses, some of it longer than a buffer. */
const contents = fc.tuple(fc.uint8Array({ maxLength: 2_000 }), fc.integer({ min: 1, max: 60 }))
  .map(([pattern, repeats]) => {
    const content = new Uint8Array(pattern.length * repeats);
    for (let i = 0; i < repeats; i++) content.set(pattern, i * pattern.length);
    return content;
  });

for (const name of Object.keys(encoders)) {
  const coding = encoders[name][0];
  test(`decodeWhole(): ${name} of anything is that again, and the same piece by piece`, async () => {
    await fc.assert(
      fc.asyncProperty(contents, async (content) => {
        const coded = encode(name, content);
        const decoded = whole([coding], coded);
        if (coded.length > MAX_WHOLE_CODED_BYTES || !onceDecoded(coding)) {
          return assert.equal(decoded, null);
        }
        assert.ok(decoded !== null && Buffer.compare(decoded, content) === 0);
        assert.ok(await assertSame([coding], coded, name));
      }),
      { numRuns: 60 },
    );
  });

  test(`T13 decodeWhole(): ${name} cut at every byte offset is not given`, () => {
    const coded = encode(name, bytesOf("hello, hello, hello, and some more of it"));
    for (let cut = 1; cut < coded.length; cut++) {
      assert.equal(whole([coding], coded.slice(0, cut)), null, `${cut} of ${coded.length} bytes`);
    }
    assert.equal(whole([coding], coded) !== null, onceDecoded(coding));
  });

  test(`decodeWhole(): ${name} with bytes changed gives nothing that is refused piece by piece`, async () => {
    const coded = encode(name, bytesOf("some content, some more content, ".repeat(40)));
    let given = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(coded.length - 1), fc.integer({ min: 1, max: 255 })), {
          maxLength: 3,
        }),
        async (changes) => {
          const changed = coded.slice();
          for (const [at, mask] of changes) changed[at] ^= mask;
          if (await assertSame([coding], changed, `${changes}`)) given++;
        },
      ),
      { numRuns: 300 },
    );
    assert.equal(given > 0, onceDecoded(coding), "some were given");
  });
}

/** What content may be made of: members, frames, and what does not belong there. */
const parts: fc.Arbitrary<Bytes> = fc.oneof(
  fc.tuple(fc.constantFrom(...Object.keys(encoders)), fc.uint8Array({ maxLength: 300 }))
    .map(([name, content]) => encode(name, content)),
  // More than the engines are given at a time, so that a member ends at any place of it.
  fc.integer({ min: 16_000, max: 16_500 }).map((size) =>
    encode("stored gzip", new Uint8Array(size).fill(7))
  ),
  fc.nat(40).map((size) => new Uint8Array(size)),
  fc.uint8Array({ maxLength: 20 }) as fc.Arbitrary<Bytes>,
  // A skippable frame, whole and cut.
  fc.nat(11).map((size) =>
    Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9).slice(0, size)
  ),
  fc.constantFrom(bytesOf("\x1f\x8b"), bytesOf("\x1f\x8b\x08\x08\0\0\0\0\0\x03name")),
);

test("decodeWhole(): members, padding, frames and garbage in any order: nothing that is refused piece by piece", async () => {
  const given: Record<string, number> = { gzip: 0, deflate: 0, br: 0, zstd: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(parts, { minLength: 1, maxLength: 4 }),
      fc.nat(30),
      async (all, cutBytes) => {
        const content = joined(...all);
        // Most are not cut.
        const coded = content.slice(0, content.length - Math.max(0, cutBytes - 20));
        for (const coding of ["gzip", "deflate", "br", "zstd"] as const) {
          if (await assertSame([coding], coded, coding)) given[coding]++;
        }
      },
    ),
    {
      numRuns: 400,
      // So that each is given at least once.
      examples: ["gzip", "deflate", "br", "zstd"].map((name) => [
        [encode(name, bytesOf("hello, hello, hello"))],
        0,
      ]),
    },
  );
  for (const coding of ["gzip", "deflate", "br", "zstd"] as const) {
    assert.equal(given[coding] > 0, onceDecoded(coding), `${coding} was given`);
  }
});

test("decodeWhole(): two layers of anything are the same both ways", async () => {
  const names = fc.constantFrom(...Object.keys(encoders));
  let given = 0;
  await fc.assert(
    fc.asyncProperty(contents, names, names, fc.nat(3), async (content, inner, outer, garbage) => {
      const coded = joined(
        encode(outer, joined(encode(inner, content), new Uint8Array(garbage))),
      );
      const codings = [encoders[inner][0], encoders[outer][0]];
      if (await assertSame(codings, coded, `${inner} in ${outer}`)) given++;
    }),
    { numRuns: 80 },
  );
  assert.ok(given > 0, "some were given");
});

// What is only stored does not expand.
for (const name of Object.keys(encoders).filter((name) => name !== "stored gzip")) {
  const coding = encoders[name][0];
  test(`T48 decodeWhole(): ${name} of a MiB is given, of a byte more it is not`, () => {
    const most = new Uint8Array(MAX_WHOLE_DECODED_BYTES);
    const decoded = whole([coding], encode(name, most));
    assert.equal(decoded?.length, onceDecoded(coding) ? MAX_WHOLE_DECODED_BYTES : undefined);
    assert.equal(whole([coding], encode(name, new Uint8Array(most.length + 1))), null);
    assert.equal(whole([coding], encode(name, new Uint8Array(32 * 1024 * 1024))), null);
  });
}

test("T48 decodeWhole(): gzip that says less, or more, than it is", async () => {
  const large = encode("gzip", new Uint8Array(8 * 1024 * 1024));
  const small = encode("gzip", new Uint8Array(10));
  for (const said of [0, 1, 10, 11, 1024 * 1024, 1024 * 1024 + 1, 2 ** 31, 2 ** 32 - 1]) {
    for (const coded of [large.slice(), small.slice()]) {
      new DataView(coded.buffer).setUint32(coded.length - 4, said, true);
      const honest = coded.length === small.length && said === 10;
      assert.equal(whole(["gzip"], coded) !== null, honest, `${coded.length} bytes, ${said}`);
    }
  }
  // The last member says what it alone is.
  const members = joined(
    encode("gzip", new Uint8Array(1024 * 1024 - 1)),
    encode("gzip", bytesOf("!")),
  );
  assert.ok(await assertSame(["gzip"], members, "two members"));
  assert.equal(whole(["gzip"], joined(members, encode("gzip", bytesOf("!")))), null);
});

test("T49 decodeWhole(): as many empty gzip members as there may be", async () => {
  const member = encode("gzip", new Uint8Array(0));
  const count = Math.floor(MAX_WHOLE_CODED_BYTES / member.length);
  const members = new Uint8Array(count * member.length);
  for (let i = 0; i < count; i++) members.set(member, i * member.length);
  assert.ok(await assertSame(["gzip"], members, "empty members"));
});

test("decodeWhole(): coded content of 64 KiB is decoded, a byte more is not, in either layer", () => {
  const random = seededRandom(5);
  const noise = Uint8Array.from({ length: 70_000 }, () => Math.floor(random() * 256));
  const coded = (size: number) => encode("stored gzip", noise.subarray(0, size));
  let size = MAX_WHOLE_CODED_BYTES;
  while (coded(size).length > MAX_WHOLE_CODED_BYTES) size--;
  assert.equal(whole(["gzip"], coded(size))?.length, size);
  assert.equal(coded(size + 1).length, MAX_WHOLE_CODED_BYTES + 1);
  assert.equal(whole(["gzip"], coded(size + 1)), null);
  const zeros = encode("deflate", new Uint8Array(MAX_WHOLE_CODED_BYTES + 1));
  assert.equal(whole(["gzip", "deflate"], zeros), null);
});

test("decodeWhole(): nothing at all is nothing, in any coding", () => {
  for (const coding of ["gzip", "deflate", "br", "zstd"] as const) {
    const length = onceDecoded(coding) ? 0 : undefined;
    assert.equal(whole([coding], new Uint8Array(0))?.length, length);
    assert.equal(whole([coding, "gzip"], new Uint8Array(0))?.length, length);
  }
  assert.equal(whole(["zstd", "gzip"], encode("gzip", new Uint8Array(0)))?.length, 0);
});
