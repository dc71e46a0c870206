/**
 * A block that comes again means what it means, whatever is remembered of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Deviation } from "../../http/deviation.ts";
import { BlockDecoder } from "../../http2/block_decoder.ts";
import type { BlockPurpose } from "../../http2/decoded_section.ts";
import { Http2Violation } from "../../http2/http2_error.ts";
import { bytesOf, seededRandom } from "../support/feed.ts";
import { test } from "../support/harness.ts";

/** A string without Huffman, shorter than 127 octets. */
function text(value: string): number[] {
  return [value.length, ...bytesOf(value)];
}

/** One field, in one of the ways in which it can be written. */
function randomField(random: () => number): number[] {
  const any = (below: number): number => Math.floor(random() * below);
  const value = random() < 0.1 ? " spaces " : `value ${any(3)}`.repeat(1 + any(4));
  switch (any(9)) {
    case 0:
      return [0x80 | 15 + any(40)];
    case 1:
    case 2:
      // Server, date, etag: what nginx writes.
      return [0x40 | [54, 33, 34][any(3)], ...text(value)];
    case 3:
      return [0x40, ...text(`x-${any(4)}`), ...text(value)];
    case 4:
      return [0x00, ...text(random() < 0.1 ? "Upper" : `x-${any(4)}`), ...text(value)];
    case 5:
      return [0x0f, 54 - 15, ...text(value)];
    case 6:
      // What the peer has added, if there is so much.
      return [0x80 | 62 + any(4)];
    case 7:
      return random() < 0.7 ? [] : [0x40 | 8, ...text("204")];
    default:
      return [0x50, ...text(random() < 0.1 ? "connection" : `y-${any(3)}`), ...text(value)];
  }
}

function randomBlock(random: () => number): Uint8Array {
  const block: number[] = [];
  // From 600 octets down to nothing: now and then all entries go.
  if (random() < 0.03) block.push(0x3f, ...(random() < 0.5 ? [0x81, 0x01] : [0xb9, 0x04]));
  const status = random();
  if (status < 0.6) block.push(0x88);
  else if (status < 0.9) block.push(0x40 | 8, ...text("204"));
  for (let n = Math.floor(random() * 8); n > 0; n--) block.push(...randomField(random));
  return Uint8Array.from(block);
}

/** All that a block comes to. */
function meaning(decoder: BlockDecoder, block: Uint8Array, purpose: BlockPurpose): unknown {
  const { table } = decoder;
  try {
    const section = decoder.decode(block, 0, block.length, purpose);
    return {
      pseudo: section.pseudo,
      fields: [...section.fields.headers],
      known: [section.fields.contentLength, section.fields.contentType, section.fields.isRepeated],
      violation: section.violation?.message,
      sizeBytes: section.sizeBytes,
      deviations: purpose.deviations,
      table: [table.count, table.sizeBytes, table.addedCount],
    };
  } catch (error) {
    assert.ok(error instanceof Http2Violation, String(error));
    return error.message;
  }
}

test("field blocks: one that comes again means the same as if it was decoded again", () => {
  const random = seededRandom(41);
  let again = 0;
  const plain = { limitBytes: 65_536, mode: "lenient" } as const;
  for (let connection = 0; connection < 300; connection++) {
    const remembers = new BlockDecoder();
    const forgets = new BlockDecoder();
    let block = randomBlock(random);
    for (let n = 0; n < 60; n++) {
      if (random() < 0.3) block = randomBlock(random);
      else again++;
      if (random() < 0.2) {
        // What others add in between changes what a block refers to.
        const trailers = Uint8Array.from([0x40, ...text("z"), ...text(`${n}`)]);
        for (const decoder of [remembers, forgets]) {
          meaning(decoder, trailers, { ...plain, section: "trailers", deviations: [] });
        }
      }
      const limits = {
        limitBytes: random() < 0.1 ? 150 : 65_536,
        usedBytes: random() < 0.1 ? 100 : 0,
        section: "response" as const,
        mode: connection % 2 === 0 ? "strict" as const : "lenient" as const,
      };
      const purposes = [[], []].map((deviations: Deviation[]) => ({ ...limits, deviations }));
      // What is remembered is the last block.
      forgets.decode(new Uint8Array(0), 0, 0, { ...purposes[0], deviations: [] });
      const expected = meaning(forgets, block, purposes[0]);
      assert.deepEqual(meaning(remembers, block, purposes[1]), expected, `${connection}, ${n}`);
      // The connection has ended.
      if (typeof expected === "string") break;
    }
  }
  assert.ok(again > 500, `${again} blocks came again`);
});

test("field blocks: whoever changes the headers of one answer changes no other's", () => {
  const decoder = new BlockDecoder();
  const block = Uint8Array.from([0x88, 0x40 | 54, ...text("it")]);
  const decode = () =>
    decoder.decode(block, 0, block.length, {
      limitBytes: 1_000,
      mode: "strict",
      section: "response",
      deviations: [],
    }).fields.headers;
  const first = decode();
  first.set("server", "other");
  const second = decode();
  second.append("more", "1");
  assert.deepEqual([...decode()], [["server", "it"]]);
  assert.deepEqual([...first], [["server", "other"]]);
  assert.equal(decoder.table.count, 3);
});
