/**
 * The table of a connection's streams.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type NumberedStream, StreamTable } from "../../http2/stream_table.ts";
import { seededRandom } from "../support/feed.ts";
import { test } from "../support/harness.ts";

interface Stream extends NumberedStream<Stream> {
  readonly id: number;
}

test("streams by number: as a Map has them, in the order of their numbers", () => {
  const random = seededRandom(3);
  const table = new StreamTable<Stream>();
  const map = new Map<number, Stream>();
  let nextId = 1;
  for (let step = 0; step < 20_000; step++) {
    // Now few and now more than there are rows; some stay for long.
    const wanted = step % 4_000 < 2_000 ? 50 : 400;
    if (map.size < wanted && random() < 0.7) {
      const stream: Stream = { id: nextId, nextInRow: null };
      nextId += 2;
      table.add(stream);
      map.set(stream.id, stream);
    } else if (map.size > 0) {
      const all = [...map.values()];
      const stream = all[Math.floor(random() ** 3 * all.length)];
      table.delete(stream);
      map.delete(stream.id);
      assert.equal(table.get(stream.id), undefined);
      assert.equal(stream.nextInRow, null, "nothing leads from it to others");
      // Once more: it is not there.
      table.delete(stream);
    }
    assert.equal(table.size, map.size);
    const id = 1 + 2 * Math.floor(random() * nextId / 2);
    assert.equal(table.get(id), map.get(id));
    if (step % 500 === 0) assert.deepEqual(table.values(), [...map.values()]);
  }
});
