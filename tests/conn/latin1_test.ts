/**
 * Text whose characters are bytes: by the runtime's own calls, by a decoder, one by one.
 *
 * @module
 */
import assert from "node:assert/strict";
import { latin1Text, putLatin1 } from "../../conn/latin1.ts";
import { test } from "../support/harness.ts";

/** Bytes. Around the places where one part of a long text ends and the next begins. */
const LENGTHS = [0, 1, 13, 255, 256, 4095, 4096, 4097, 9000];

/** As many values of `highest + 1` as wanted, each in turn. */
function valuesUpTo(highest: number, length: number): number[] {
  return Array.from({ length }, (_, i) => i % (highest + 1));
}

for (const highest of [0x7f, 0xff]) {
  test(`latin1: each byte up to ${highest} is the character of its number, both ways`, () => {
    for (const length of LENGTHS) {
      const values = valuesUpTo(highest, length);
      const text = values.map((value) => String.fromCharCode(value)).join("");
      for (const start of [0, 3]) {
        const end = start + length;
        const bytes = new Uint8Array(end + 2).fill(0x2a);
        putLatin1(text, bytes, start);
        const before = new Array<number>(start).fill(0x2a);
        assert.deepEqual([...bytes.subarray(0, end)], [...before, ...values], `${length}`);
        assert.equal(latin1Text(bytes, start, end), text, `${length} from ${start}`);
        if (highest < 0x80) assert.equal(latin1Text(bytes, start, end, true), text);
      }
    }
  });
}

test("latin1: of an array that begins within its buffer", () => {
  const bytes = new Uint8Array(new ArrayBuffer(16), 5, 8);
  putLatin1("caf\xe9", bytes, 2);
  assert.deepEqual([...bytes.subarray(0, 6)], [0, 0, 0x63, 0x61, 0x66, 0xe9]);
  assert.deepEqual([...new Uint8Array(bytes.buffer, 0, 5)], [0, 0, 0, 0, 0]);
  assert.equal(latin1Text(bytes, 2, 6), "caf\xe9");
});

test("latin1: a byte order mark and what windows-1252 has in the place of controls stay", () => {
  const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 0x80, 0x9f);
  assert.equal(latin1Text(bytes, 0, 5), "\xef\xbb\xbf\x80\x9f");
});
