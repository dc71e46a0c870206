/**
 * What one end of a connection says: frames gather while a write is under way, and go together in
 * the next one.
 *
 * @module
 */
import { startWrite } from "../conn/by_callback.ts";
import type { Conn } from "../conn/conn.ts";
import { FrameWriter } from "./frame_writer.ts";
import { realTime } from "../conn/real_time.ts";

/** Octets. What waits to be written at the most before content has to wait. */
const OUTPUT_BYTES = 64 * 1024;

/** The connection, as its output sees it. @see RFC 9113 section 4 */
export interface FrameOutputOwner {
  /** A write is about to begin: what waits for its turn puts frames in, as long as there is room. */
  fillOutput(): void;
  /** The frames are handed over in this step. */
  outputHanded?(): void;
  /** The runtime has accepted them. */
  outputWritten(): void;
  /** What was to be the last has been written. */
  outputEnded(): void;
  /** Nothing more can be written. */
  outputFailed(error: unknown): void;
}

/**
 * Writes frames, one write at a time. Owns: the frames that wait.
 *
 * @see RFC 9113 section 4
 */
export class FrameOutput {
  /** What waits to be written. */
  readonly frames: FrameWriter = new FrameWriter();
  readonly #conn: Conn;
  readonly #owner: FrameOutputOwner;
  #isWriting = false;
  #willFlush = false;
  #isEnding = false;
  #isStopped = false;
  #hasBegun = false;

  /** Makes the output of a connection; it writes nothing by itself. */
  constructor(conn: Conn, owner: FrameOutputOwner) {
    this.#conn = conn;
    this.#owner = owner;
  }

  /** Whether content may be put into frames now. */
  readonly hasRoom = (): boolean => this.frames.length < OUTPUT_BYTES;

  /** Whether what is written now is the last. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Writes what is there, and what comes in this step, once it is over. */
  soon(): void {
    if (this.#willFlush || this.#isWriting) return;
    this.#willFlush = true;
    realTime.queueMicrotask(this.#flush);
  }

  /** Whether anything was handed over. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** What there is now is the last. */
  end(): void {
    this.#isEnding = true;
    this.soon();
  }

  /** Writes nothing any more. */
  stop(): void {
    this.#isStopped = true;
  }

  readonly #flush = (): void => {
    this.#willFlush = false;
    if (this.#isWriting || this.#isStopped) return;
    this.#owner.fillOutput();
    if (this.frames.length === 0) {
      if (this.#isEnding) this.#owner.outputEnded();
      return;
    }
    this.#isWriting = true;
    this.#hasBegun = true;
    this.#owner.outputHanded?.();
    startWrite(this.#conn, this.frames.take(), this.#wrote, this.#failed);
  };

  readonly #wrote = (): void => {
    this.#isWriting = false;
    this.#owner.outputWritten();
    if (this.frames.length > 0 || this.#isEnding) this.soon();
  };

  readonly #failed = (error: unknown): void => {
    this.#isWriting = false;
    this.#owner.outputFailed(error);
  };
}
