/**
 * zstd content whose fault comes behind more content than a buffer holds: its reader is told, and nobody
 * else (docs/decisions/0069).
 *
 * @module
 */
import assert from "node:assert/strict";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { HttpError } from "../../conn/http_error.ts";
import { ContentDecoder } from "../../http/content_decoder.ts";
import { ZstdFrames } from "../../http/zstd_frames.ts";
import { PieceReader } from "../support/feed.ts";
import { test } from "../support/harness.ts";

/** More than a buffer, and not a multiple of one. */
const BLOCK_BYTES = 40_001;

const RAW = 0;
const RUN = 1;
const COMPRESSED = 2;

/** @see RFC 8878 section 3.1.1.2 */
function block(type: number, sizeBytes: number, content: number[], isLast: boolean): number[] {
  const header = (sizeBytes << 3) | (type << 1) | Number(isLast);
  return [header & 255, (header >> 8) & 255, header >> 16, ...content];
}

const run = (isLast: boolean): number[] => block(RUN, BLOCK_BYTES, [65], isLast);
const raw = (isLast: boolean): number[] =>
  block(RAW, BLOCK_BYTES, Array.from({ length: BLOCK_BYTES }, () => 66), isLast);
const broken = block(COMPRESSED, 20, Array.from({ length: 20 }, () => 255), true);

/**
 * A frame with a window of 2 MiB.
 *
 * @param contentBytes What the header says; null: nothing.
 * @param checksum Null: none.
 * @see RFC 8878 section 3.1.1
 */
function frame(
  blocks: number[][],
  contentBytes: number | null,
  checksum: number[] | null,
): Uint8Array<ArrayBuffer> {
  const size = contentBytes === null
    ? []
    : [contentBytes & 255, (contentBytes >> 8) & 255, contentBytes >> 16, 0];
  const descriptor = (contentBytes === null ? 0 : 0x80) | (checksum === null ? 0 : 4);
  return Uint8Array.of(
    ...[0x28, 0xb5, 0x2f, 0xfd, descriptor, 0x58],
    ...size,
    ...blocks.flat(),
    ...checksum ?? [],
  );
}

async function decodedBytes(source: PieceReader): Promise<number> {
  const decoder = new ContentDecoder(source, "zstd");
  const p = new Uint8Array(10_000);
  let total = 0;
  try {
    for (let n = await decoder.read(p); n !== null; n = await decoder.read(p)) total += n;
  } finally {
    decoder.close();
  }
  return total;
}

/** However the bytes are cut. */
async function outcomeOf(coded: Uint8Array): Promise<number | string> {
  const outcomes = new Set<number | string>();
  for (const pieceBytes of [997, 4096, 16 * 1024, BLOCK_BYTES, Infinity]) {
    const source = new PieceReader(coded, () => pieceBytes);
    outcomes.add(await decodedBytes(source).catch((error) => error.code));
  }
  assert.equal(outcomes.size, 1, `${[...outcomes]}`);
  return [...outcomes][0];
}

for (
  const [name, coded, expected] of [
    [
      "a run and a block, whole",
      frame([run(false), raw(true)], 2 * BLOCK_BYTES, null),
      2 * BLOCK_BYTES,
    ],
    ["a broken block behind a run", frame([run(false), broken], null, null), "ERR_DECODE"],
    ["a broken block behind a raw one", frame([raw(false), broken], null, null), "ERR_DECODE"],
    ["another checksum behind a run", frame([run(true)], null, [1, 2, 3, 4]), "ERR_DECODE"],
    ["another checksum behind raw content", frame([raw(true)], null, [1, 2, 3, 4]), "ERR_DECODE"],
    ["a run longer than the frame says", frame([run(true)], BLOCK_BYTES - 1, null), "ERR_DECODE"],
    [
      "raw content shorter than the frame says",
      frame([raw(true)], BLOCK_BYTES + 1, null),
      "ERR_DECODE",
    ],
  ] as const
) {
  test(`T49 ContentDecoder: zstd, ${name}`, async () => {
    assert.equal(await outcomeOf(coded), expected);
  });
}

test("T49 ContentDecoder: large zstd content with any bytes changed ends, with content or ERR_DECODE", async () => {
  // Runs, repetitions, and what does not compress: several blocks of each.
  const content = Uint8Array.from(
    { length: 300_000 },
    (_, i) =>
      (i >> 15) % 3 === 0 ? 7 : (i >> 15) % 3 === 1 ? i & 63 : Math.imul(i, 2654435761) >>> 24,
  );
  const coded = zlib.zstdCompressSync(content, {
    params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 },
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(coded.length - 1), fc.integer({ min: 1, max: 255 })), {
        minLength: 1,
        maxLength: 3,
      }),
      fc.constantFrom(100, 5_000, Infinity),
      async (changes, pieceBytes) => {
        const changed = Uint8Array.from(coded);
        for (const [at, mask] of changes) changed[at] ^= mask;
        try {
          await decodedBytes(new PieceReader(changed, () => pieceBytes));
        } catch (error) {
          assert.ok(error instanceof HttpError && error.code === "ERR_DECODE", `${error}`);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test("ZstdFrames: pieces end where a block ends, before the last byte of raw content, and where a frame ends", () => {
  const two = [
    frame([run(false), raw(false), block(RAW, 0, [], true)], null, [0, 0, 0, 0]),
    frame([raw(true)], null, [0, 0, 0, 0]),
  ];
  const coded = Uint8Array.from(two.flatMap((bytes) => [...bytes]));
  const frames = new ZstdFrames();
  const pieces: number[] = [];
  for (let at = 0; at < coded.length; at += pieces.at(-1)!) {
    pieces.push(frames.advance(coded.subarray(at)));
  }
  assert.deepEqual(pieces, [
    ...[6 + 3 + 1, 3 + BLOCK_BYTES, 3 + 4],
    ...[6 + 3 + BLOCK_BYTES - 1, 1, 4],
  ]);
  assert.ok(frames.atBoundary);
});
