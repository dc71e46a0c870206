/**
 * The buffers between a stream and a parser: what is kept, moved and grown, and what is written in one go.
 *
 * @module
 */
import assert from "node:assert/strict";
import { BufferedReader } from "../../conn/buffered_reader.ts";
import { BufferedWriter } from "../../conn/buffered_writer.ts";
import type { Writer } from "../../conn/conn.ts";
import { pipe } from "../../conn/pipe.ts";
import { withUnread } from "../../conn/unread_conn.ts";
import { rejectsWith } from "../support/exchange_record.ts";
import { bytesOf, PieceReader, seededRandom, textOf } from "../support/feed.ts";
import { test } from "../support/harness.ts";

function unread(input: BufferedReader): string {
  return textOf(input.bytes.subarray(input.start, input.end));
}

function readerOf(text: string, pieceBytes = Infinity, capacityBytes = 8): BufferedReader {
  return new BufferedReader(new PieceReader(bytesOf(text), () => pieceBytes), capacityBytes);
}

test("BufferedReader: fill() reads, consume() uses, the buffer grows only when nothing is used", async () => {
  const input = readerOf("0123456789abcdefghij");
  assert.equal(await input.fill(), 8);
  assert.equal(unread(input), "01234567");
  input.consume(6);
  assert.equal(input.buffered, 2);
  assert.equal(await input.fill(), 6);
  assert.equal(input.bytes.length, 8, "moved");
  assert.equal(unread(input), "6789abcd");
  assert.equal(await input.fill(), 6);
  assert.equal(input.bytes.length, 16, "grown");
  assert.equal(unread(input), "6789abcdefghij");
  assert.equal(await input.fill(), null);
  assert.equal(unread(input), "6789abcdefghij");
  input.consume(14);
  assert.equal(input.space().length, 8, "an empty buffer is small again");
});

test("BufferedReader: read() takes what is buffered, else goes straight to the source", async () => {
  const input = readerOf("0123456789", 4);
  await input.fill();
  const p = new Uint8Array(3);
  assert.equal(await input.read(p), 3);
  assert.equal(await input.read(p), 1);
  assert.equal(textOf(p), "312");
  assert.equal(await input.read(p), 3);
  assert.equal(textOf(p), "456");
  assert.equal(input.take(p), 0);
  assert.equal(await input.read(new Uint8Array(0)), 0);
});

test("BufferedReader: put() keeps any amount, wherever the buffer stands", () => {
  for (const buffered of ["", "ab", "abcdefgh"]) {
    for (const used of [0, 1, buffered.length]) {
      for (const length of [0, 1, 7, 8, 9, 100, 1000]) {
        const input = readerOf("");
        input.put(bytesOf(buffered));
        input.consume(Math.min(used, buffered.length));
        const text = "x".repeat(length);
        input.put(bytesOf(text));
        assert.equal(unread(input), buffered.slice(used) + text);
        // Again, in a buffer that has grown and been emptied.
        input.consume(input.buffered);
        input.put(bytesOf(text + "y"));
        assert.equal(unread(input), text + "y");
      }
    }
  }
});

test("BufferedReader: keeps the order under random use", async () => {
  const random = seededRandom(11);
  const text = Array.from({ length: 5000 }, (_, i) => String.fromCharCode(i % 251)).join("");
  for (const capacityBytes of [1, 2, 7, 64]) {
    const source = new PieceReader(bytesOf(text), () => 1 + Math.floor(random() * 30));
    const input = new BufferedReader(source, capacityBytes);
    let seen = "";
    for (;;) {
      const p = new Uint8Array(1 + Math.floor(random() * 20));
      if (random() < 0.4) {
        if (await input.fill() === null) break;
      } else if (random() < 0.5) {
        seen += textOf(p.subarray(0, input.take(p)));
      } else {
        const n = Math.min(p.length, input.buffered);
        seen += textOf(input.bytes.subarray(input.start, input.start + n));
        input.consume(n);
      }
    }
    assert.ok(seen + unread(input) === text);
  }
});

/** Keeps each write apart. */
class Writes implements Writer {
  readonly texts: string[] = [];

  write(p: Uint8Array): Promise<number> {
    this.texts.push(textOf(p));
    return Promise.resolve(p.length);
  }
}

test("BufferedWriter: what fits leaves in one write, what does not is not copied", async () => {
  const writes = new Writes();
  const output = new BufferedWriter(writes, 16);
  output.text("head");
  output.add(bytesOf("body"));
  assert.equal(output.buffered, 8);
  assert.equal(output.available, 8);
  assert.deepEqual(writes.texts, []);
  assert.equal(await output.flush(), 8);
  assert.equal(await output.flush(), 0);
  output.text("x");
  await output.write(bytesOf("y".repeat(15)));
  output.text("x");
  await output.write(bytesOf("y".repeat(16)));
  await output.write(bytesOf(""));
  assert.deepEqual(writes.texts, ["headbody", "x" + "y".repeat(15), "x", "y".repeat(16)]);
});

test("BufferedWriter: grows for a large head and is small again", async () => {
  const writes = new Writes();
  const output = new BufferedWriter(writes, 4);
  output.text("ab");
  output.text("c".repeat(1000));
  output.add(bytesOf("d".repeat(3000)));
  assert.equal(await output.flush(), 4002);
  assert.equal(output.available, 4);
  assert.deepEqual(writes.texts, ["ab" + "c".repeat(1000) + "d".repeat(3000)]);
});

test("BufferedWriter: characters up to U+00FF are one byte each, wherever they stand", async () => {
  const every = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join("");
  for (const capacityBytes of [1, 255, 256, 257, 300, 1024]) {
    const writes = new Writes();
    const output = new BufferedWriter(writes, capacityBytes);
    output.text("é");
    output.text(every);
    output.text("plain");
    output.text("ÿ".repeat(20));
    await output.flush();
    assert.equal(writes.texts.join(""), "é" + every + "plain" + "ÿ".repeat(20));
  }
});

test("withUnread(): unread bytes first, then the connection", async () => {
  const [here, there] = pipe();
  assert.equal(withUnread(here, new Uint8Array(0)), here);
  const conn = withUnread(here, bytesOf("hello"));
  await there.write(bytesOf("world"));
  const p = new Uint8Array(3);
  assert.equal(await conn.read(new Uint8Array(0)), 0);
  assert.equal(await conn.read(p), 3);
  assert.equal(textOf(p), "hel");
  assert.equal(await conn.read(p), 2);
  assert.equal(textOf(p.subarray(0, 2)), "lo");
  assert.equal(await conn.read(p), 3);
  assert.equal(textOf(p), "wor");
  await conn.write(bytesOf("back"));
  assert.equal(conn.bytesWritten, 4);
  assert.deepEqual(conn.remoteAddr, here.remoteAddr);
  await conn.closeWrite();
  assert.equal(await there.read(new Uint8Array(10)), 4);
  assert.equal(await there.read(p), null);
  there.close();
  conn.close();
  await rejectsWith(conn.read(p), "ERR_CLOSED");
});

test("withUnread(): nothing can be read after close(), unread or not", async () => {
  const [here, there] = pipe();
  const conn = withUnread(here, bytesOf("hello"));
  conn.close();
  await rejectsWith(conn.read(new Uint8Array(3)), "ERR_CLOSED");
  there.close();
});
