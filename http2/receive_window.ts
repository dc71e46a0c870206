/**
 * How much the peer may still send, and when it is told that it may send more. Numbers only.
 *
 * @module
 */

/** Of a window: what was used up is gathered until it is this part, then told at once. */
const GATHERED_PART = 4;

/** Octets. Under this a window is so small that its sender waits: what was used is told at once. */
const SMALL_WINDOW_BYTES = 16 * 1024;

/** Octets. Except if it is less than this, which would bring small frames. */
const SMALL_STEP_BYTES = 512;

/**
 * The window of a stream, or of the connection, at its receiving end.
 *
 * @see RFC 9113 section 6.9
 */
export class ReceiveWindow {
  /** Octets that the peer may still send. */
  left: number;
  /** Octets that it may have sent without any of them having been used. */
  sizeBytes: number;
  /** Octets that were used and of which the peer has not been told. */
  #untoldBytes = 0;

  /** Makes a window of which the peer knows. */
  constructor(sizeBytes: number) {
    this.left = sizeBytes;
    this.sizeBytes = sizeBytes;
  }

  /**
   * The peer has sent `bytes`.
   *
   * @returns False: it may not.
   */
  received(bytes: number): boolean {
    this.left -= bytes;
    // Nothing can be sent at any time: the window may be below 0 after a change of settings.
    return bytes === 0 || this.left >= 0;
  }

  /**
   * `bytes` of what came were used: there is room for as many.
   *
   * @returns What the peer is to be told now; 0: nothing.
   */
  used(bytes: number): number {
    return this.gathered(bytes) ? this.tell() : 0;
  }

  /**
   * As {@linkcode used}, for those who tell the peer later.
   *
   * @returns Whether enough has been gathered to be told.
   */
  gathered(bytes: number): boolean {
    this.#untoldBytes += bytes;
    const part = this.sizeBytes / GATHERED_PART;
    const enough = this.sizeBytes < SMALL_WINDOW_BYTES ? Math.min(part, SMALL_STEP_BYTES) : part;
    return this.#untoldBytes >= enough;
  }

  /**
   * Makes the window larger.
   *
   * @returns What the peer is to be told now, with what it had not been told.
   */
  grow(toBytes: number): number {
    this.#untoldBytes += toBytes - this.sizeBytes;
    this.sizeBytes = toBytes;
    return this.tell();
  }

  /**
   * Both ends have agreed on a window that is larger or, below 0, smaller by so much.
   *
   * @returns As {@linkcode used}: of a smaller window less has to be gathered.
   */
  move(bytes: number): number {
    this.left += bytes;
    this.sizeBytes += bytes;
    return this.used(0);
  }

  /** What the peer is told now. */
  tell(): number {
    const bytes = this.#untoldBytes;
    this.#untoldBytes = 0;
    this.left += bytes;
    return bytes;
  }
}

/**
 * What streams may hold beyond their first windows. Whoever reads a long body borrows; all loans and
 * first windows together never exceed the window of the connection, so that it never runs dry
 * because of bodies that nobody reads.
 *
 * @see RFC 9113 section 6.9
 */
export class WindowPurse {
  #bytes: number;

  /** Makes a purse. */
  constructor(bytes: number) {
    this.#bytes = Math.max(0, bytes);
  }

  /** Octets that can be lent. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Lends as much, or what there is. @returns How much; 0: too little to be of use. */
  lend(bytes: number): number {
    const lent = Math.min(bytes, this.#bytes);
    if (lent < bytes && lent < SMALL_WINDOW_BYTES) return 0;
    this.#bytes -= lent;
    return lent;
  }

  /** Takes a loan back. */
  giveBack(bytes: number): void {
    this.#bytes += bytes;
  }
}
