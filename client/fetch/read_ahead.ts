/**
 * The body of a `Request`, which shows it only as a stream: gathered if it is there already.
 *
 * What was bytes, text, a `Blob` or a form then goes out with its length, which some servers insist
 * on, and again where a redirect asks for that. What a program still makes stays a stream.
 *
 * @module
 */
import { realTime } from "../../conn/real_time.ts";

/** How much is gathered, and how small the pieces may be of what is. */
export interface GatherLimits {
  /** Most that is gathered. */
  readonly maxBytes: number;
  /** A read that brings less is a small one. */
  readonly pieceBytes: number;
  /** Small reads in a row that are made of any body; more only of the first `pieceBytes`. */
  readonly maxSmallReads: number;
  /** Turns of the event loop within which those first `pieceBytes` must be there. */
  readonly maxTurns: number;
}

/**
 * Runtimes hand over what is whole in one piece, or in pieces of 2 MiB after a first one of 16 KiB;
 * a form in many small ones. A program's own source gives small pieces, or takes its time.
 */
const LIMITS: GatherLimits = {
  maxBytes: 256 * 1024 * 1024,
  pieceBytes: 1024 * 1024,
  maxSmallReads: 16,
  maxTurns: 16,
};

/** Turns of the event loop that one read may take: the pieces of a `Blob` take two on Node. */
const READ_TURNS = 2;

/** Reads. However small, so many are not made without a look at the limits: they may be microtasks. */
const MAX_READS = 4096;

type Reading = ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>;

/**
 * Reads a stream to its end as long as what it gives is there at once. Otherwise a stream of all
 * that it gave and will give.
 *
 * Cancel: the signal cancels the stream and rejects with its reason.
 *
 * @throws What the stream fails with.
 */
export async function readAhead(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal | null = null,
  limits: GatherLimits = LIMITS,
): Promise<Uint8Array | ReadableStream<Uint8Array>> {
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  const turns = new Turns();
  let length = 0;
  let smallReads = 0;
  try {
    for (;;) {
      const read = reader.read();
      const result = await Promise.race([read, turns.pass(READ_TURNS)]);
      if (signal?.aborted) {
        read.catch(() => {});
        reader.cancel(signal.reason).catch(() => {});
        throw signal.reason;
      }
      if (result === null) return rest(pieces, read, reader);
      if (result.done) return joined(pieces, length);
      const { value } = result;
      pieces.push(value);
      // What is no Uint8Array is refused where it is sent.
      if (!(value instanceof Uint8Array)) return rest(pieces, null, reader);
      length += value.length;
      smallReads = value.length < limits.pieceBytes ? smallReads + 1 : 0;
      const isQuick = length <= limits.pieceBytes && turns.count <= limits.maxTurns &&
        pieces.length <= MAX_READS;
      if (length > limits.maxBytes || (smallReads > limits.maxSmallReads && !isQuick)) {
        return rest(pieces, null, reader);
      }
    }
  } finally {
    turns.stop();
  }
}

/** Counts turns of the event loop. Owns: its timer. */
class Turns {
  /** How many have passed. */
  count = 0;
  #timer: ReturnType<typeof setTimeout>;
  #endsAt = 0;
  #end: ((nothing: null) => void) | null = null;

  constructor() {
    this.#timer = realTime.setTimeout(this.#turned);
  }

  /** Settles when so many whole turns have passed, unless it is called again before. */
  pass(turns: number): Promise<null> {
    // One of them is under way.
    this.#endsAt = this.count + turns + 1;
    return new Promise((resolve) => this.#end = resolve);
  }

  stop(): void {
    realTime.clearTimeout(this.#timer);
  }

  #turned = (): void => {
    this.#timer = realTime.setTimeout(this.#turned);
    if (++this.count === this.#endsAt) this.#end?.(null);
  };
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** The pieces that were read, the one that is being read if any, and what comes behind. */
function rest(
  pieces: Uint8Array[],
  read: Reading | null,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  // It is waited for when it is its turn.
  read?.catch(() => {});
  let i = 0;
  let pending = read;
  return new ReadableStream({
    pull: async (controller) => {
      if (i < pieces.length) {
        controller.enqueue(pieces[i]);
        // There may be much of it.
        delete pieces[i++];
        return;
      }
      const { done, value } = await (pending ?? reader.read());
      pending = null;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
