/**
 * The mark of the connections that this package makes itself, and whose conduct is known.
 *
 * @module
 */

/**
 * Is lent what came, all of it at once, or told of the end of the stream by null. The bytes are
 * valid, and may be written over, until it returns; it must not throw.
 *
 * @param isAll Whether nothing else had come when they were read.
 */
export type Lent = (bytes: Uint8Array<ArrayBuffer> | null, isAll: boolean) => void;

/**
 * What such connections are derived from. The mark is a private field: neither a `Proxy` nor an
 * object that inherits from one has it.
 */
export class KnownConn {
  readonly #isKnown = true;

  /** Whether a value is such a connection, with none of its methods replaced. */
  static is(value: object): value is KnownConn {
    return #isKnown in value && value.#isKnown && !Object.hasOwn(value, "read") &&
      !Object.hasOwn(value, "write") && !Object.hasOwn(value, "close");
  }

  /**
   * As `startRead`, into an array that is not the reader's: none is held while it waits, and nothing
   * is copied that the reader has no use for.
   *
   * @returns False: this connection has none to lend, and nothing was begun.
   */
  startLoan(_lent: Lent, _failed: (error: unknown) => void): boolean {
    return false;
  }
}
