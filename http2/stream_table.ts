/**
 * The streams of a connection by their numbers.
 *
 * @module
 */

/** Rows. A power of two; as many streams as most servers take have one each. */
const ROWS = 128;

/** What has a number. `nextInRow` is the table's alone. @see RFC 9113 section 5.1.1 */
export interface NumberedStream<S> {
  /** Integer from 1. */
  readonly id: number;
  /** The stream behind it in its row. */
  nextInRow: S | null;
}

/**
 * Streams under way. No `Map`: V8's leaves its old storage pointing at its new one each time it makes
 * room, so that one storage that has grown old keeps the streams of all that follow it: with 50
 * streams at once a fifth of Node's time went into collecting them.
 *
 * @see RFC 9113 section 5.1.1
 */
export class StreamTable<S extends NumberedStream<S>> {
  readonly #rows: (S | null)[] = new Array<S | null>(ROWS).fill(null);
  #size = 0;

  /** How many streams there are. */
  get size(): number {
    return this.#size;
  }

  /** The stream of that number. */
  get(id: number): S | undefined {
    for (let one = this.#rows[rowOf(id)]; one !== null; one = one.nextInRow) {
      if (one.id === id) return one;
    }
    return undefined;
  }

  /** Adds a stream; its number must be new. */
  add(stream: S): void {
    const row = rowOf(stream.id);
    stream.nextInRow = this.#rows[row];
    this.#rows[row] = stream;
    this.#size++;
  }

  /** Takes a stream out; nothing happens if it is not there. */
  delete(stream: S): void {
    const row = rowOf(stream.id);
    let before: S | null = null;
    for (let one = this.#rows[row]; one !== null; one = one.nextInRow) {
      if (one === stream) {
        if (before === null) this.#rows[row] = one.nextInRow;
        else before.nextInRow = one.nextInRow;
        one.nextInRow = null;
        this.#size--;
        return;
      }
      before = one;
    }
  }

  /** All of them now, the oldest first. */
  values(): S[] {
    const found: S[] = [];
    for (const first of this.#rows) {
      for (let one = first; one !== null; one = one.nextInRow) found.push(one);
    }
    return found.sort((a, b) => a.id - b.id);
  }
}

/** Of one end all numbers are odd, or even. */
function rowOf(id: number): number {
  return (id >>> 1) & (ROWS - 1);
}
