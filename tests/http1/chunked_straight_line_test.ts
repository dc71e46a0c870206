/**
 * The straight line of the chunked coding against its table: whatever comes, and however it is split,
 * both give the same. One byte at a time there is never a whole chunk, so that only the table reads.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError } from "../../conn/http_error.ts";
import type { Deviation, ParserMode } from "../../http/deviation.ts";
import { ChunkedReader } from "../../http1/chunked_reader.ts";
import { bytesOf, seededRandom, textOf } from "../support/feed.ts";
import { test } from "../support/harness.ts";

type Random = () => number;

/** What came of decoding. Of what is refused the octets before it are not compared. */
interface Decoded {
  readonly content: string | null;
  readonly consumed: number | null;
  readonly state: string | null;
  readonly left: number | null;
  readonly deviations: readonly Deviation[];
  readonly error: string | null;
}

const MODES: readonly ParserMode[] = ["strict", "lenient"];

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)];
}

/** Data that is often framing too. */
function data(random: Random, length: number): string {
  const letters = pick(random, ["abcdef", "0123456789\r\n", "\r\n", "0\r\n\r\n"]);
  let text = "";
  for (let i = 0; i < length; i++) text += letters[Math.floor(random() * letters.length)];
  return text;
}

function chunk(random: Random): string {
  const length = pick(random, [1, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 100, 255, 256, 700]);
  let digits = length.toString(16);
  if (random() < 0.3) digits = digits.toUpperCase();
  if (random() < 0.2) digits = "0".repeat(Math.floor(random() * 16)) + digits;
  const line = random() < 0.1 ? pick(random, [" ", ";a=b", ';a="\\""', ";", "\t"]) : "";
  const end = random() < 0.03 ? "\n" : "\r\n";
  return `${digits}${line}${end}${data(random, length)}\r\n`;
}

/** A body, now and then one that is none; what is behind the last chunk is the trailer section's. */
function body(random: Random): Uint8Array<ArrayBuffer> {
  let text = "";
  for (let n = Math.floor(random() * 12); n > 0; n--) text += chunk(random);
  text += pick(random, [
    "0\r\n\r\n",
    "0\r\n\r\n",
    "000\r\nA: b\r\n\r\n",
    "0\r\n\r\nHTTP/1.1 200 OK",
  ]);
  if (random() < 0.4) {
    const at = Math.floor(random() * text.length);
    const byte = pick(random, [
      "\r",
      "\n",
      "0",
      "f",
      "g",
      ";",
      " ",
      "",
      "\0",
      "\xff",
      "ffffffffff",
    ]);
    text = text.slice(0, at) + byte + text.slice(at + Math.floor(random() * 3));
  }
  if (random() < 0.2) text = text.slice(0, Math.floor(random() * text.length));
  return bytesOf(text);
}

/** Decodes with `feed`, which gives what it got and how much was used. */
function decoded(
  mode: ParserMode,
  feed: (reader: ChunkedReader) => { content: string; consumed: number },
): Decoded {
  const deviations: Deviation[] = [];
  const reader = new ChunkedReader(mode, deviations, "ERR_MALFORMED_RESPONSE");
  try {
    const { content, consumed } = feed(reader);
    const { state, left } = reader;
    return { content, consumed, state, left, deviations, error: null };
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    const nothing = { content: null, consumed: null, state: null, left: null };
    return { ...nothing, deviations, error: error.message };
  }
}

/** In pieces of that many bytes, into rooms of that many. */
function intoRooms(
  reader: ChunkedReader,
  bytes: Uint8Array,
  pieceBytes: () => number,
  roomBytes: () => number,
): { content: string; consumed: number } {
  let content = "";
  let from = 0;
  let to = 0;
  while (reader.state !== "trailer") {
    to = Math.min(bytes.length, Math.max(to, from) + pieceBytes());
    const room = new Uint8Array(roomBytes());
    reader.decode(bytes, from, to, room, 0);
    content += textOf(room.subarray(0, reader.produced));
    from += reader.consumed;
    if (reader.consumed === 0 && to === bytes.length) break;
  }
  return { content, consumed: from };
}

/** In pieces, each decoded where it lies, among bytes that are nobody's. */
function inPlace(
  reader: ChunkedReader,
  bytes: Uint8Array,
  pieceBytes: () => number,
): { content: string; consumed: number } {
  let content = "";
  let from = 0;
  while (reader.state !== "trailer" && from < bytes.length) {
    const piece = bytes.slice(from, from + pieceBytes());
    const before = 5;
    const lent = new Uint8Array(before + piece.length + 7).fill(0xee);
    lent.set(piece, before);
    reader.decodeInPlace(lent, before, before + piece.length);
    const { consumed, produced, producedAt } = reader;
    if (produced > 0) {
      assert.ok(producedAt >= before && producedAt + produced <= before + consumed);
      content += textOf(lent.subarray(producedAt, producedAt + produced));
    }
    assert.deepEqual(
      [...lent.subarray(0, before), ...lent.subarray(before + consumed)],
      [
        ...new Uint8Array(before).fill(0xee),
        ...piece.subarray(consumed),
        ...new Uint8Array(7).fill(0xee),
      ],
      "what was not consumed is not touched",
    );
    from += consumed;
    if (consumed < piece.length) break;
  }
  assert.ok(from === bytes.length || reader.state === "trailer", "all of it is decoded");
  return { content, consumed: from };
}

test("chunked: the straight line gives what the table gives, for generated bodies and splits", () => {
  let refused = 0;
  for (let seed = 1; seed <= 600; seed++) {
    const random = seededRandom(seed);
    const bytes = body(random);
    const some = (most: number) => () => 1 + Math.floor(random() * most);
    for (const mode of MODES) {
      const one = () => 1;
      const all = () => bytes.length;
      const table = decoded(mode, (reader) => intoRooms(reader, bytes, one, () => 2));
      if (table.error !== null) refused++;
      const ways: Record<string, (reader: ChunkedReader) => { content: string; consumed: number }> =
        {
          "whole": (reader) => intoRooms(reader, bytes, all, () => bytes.length + 1),
          "whole, small rooms": (reader) => intoRooms(reader, bytes, all, some(60)),
          "pieces": (reader) => intoRooms(reader, bytes, some(80), some(300)),
          "in place": (reader) => inPlace(reader, bytes, all),
          "in place, in pieces": (reader) => inPlace(reader, bytes, some(200)),
        };
      for (const [name, way] of Object.entries(ways)) {
        assert.deepEqual(decoded(mode, way), table, `seed ${seed}, ${mode}, ${name}`);
      }
    }
  }
  // Else the generator would make one kind only.
  assert.ok(refused > 100 && refused < 1_000, `${refused} refused`);
});

test("chunked: data of a single chunk are not moved, those of many are joined", () => {
  const reader = new ChunkedReader("strict", [], "ERR_MALFORMED_RESPONSE");
  const one = bytesOf("5\r\nhello\r\n0\r\n\r\n");
  reader.decodeInPlace(one, 0, one.length);
  assert.deepEqual([reader.producedAt, reader.produced, reader.state], [3, 5, "trailer"]);
  const second = new ChunkedReader("strict", [], "ERR_MALFORMED_RESPONSE");
  const many = bytesOf("2\r\nhe\r\n3\r\nllo\r\n1\r\n!");
  second.decodeInPlace(many, 0, many.length);
  assert.equal(textOf(many.subarray(3, 3 + second.produced)), "hello!");
  assert.deepEqual([second.producedAt, second.state], [3, "dataCr"]);
});
