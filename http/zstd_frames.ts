/**
 * Where the frames of zstd content begin and end. The decoders of the runtimes stop behind the first
 * frame, or take content that was cut short for whole; this tells them apart without decoding.
 *
 * @module
 */

/** What the next bytes are. */
type Part = "magic" | "skippedSize" | "skipped" | "header" | "blockHeader" | "block" | "checksum";

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;

/**
 * Follows the frames of zstd content through its bytes, however they are cut.
 *
 * @see RFC 8878 section 3.1
 */
export class ZstdFrames {
  /** Whether the bytes so far end where a frame ends, or none has begun. */
  get atBoundary(): boolean {
    return this.#part === "magic" && this.#have === 0;
  }

  #part: Part = "magic";
  /** Of the part that is being collected: its bytes, how many there are and how many it takes. */
  readonly #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(14);
  readonly #view: DataView<ArrayBuffer> = new DataView(this.#bytes.buffer);
  #have = 0;
  #need = 4;
  /** Bytes of a block or of a skippable frame that are still to come. */
  #left = 0;
  #lastBlock = false;
  /** Whether the block is the last one and raw: its decoder gives it before all of it has come. */
  #copied = false;
  #hasChecksum = false;

  /**
   * Takes what a decoder may be given in one piece: up to the end of a block, of a checksum or of a
   * frame; the last byte of raw content that ends a frame is a piece too. Whatever is wrong with a
   * piece is then found before any of its content is given (docs/decisions/0069).
   *
   * @returns How many belong to the piece: 1..`bytes.length`; -1: they begin no frame, or contradict
   * its format.
   * @see RFC 8878 section 3.1.1
   */
  advance(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length) {
      if (this.#part === "block" || this.#part === "skipped") {
        const isAll = this.#part === "skipped" || !this.#copied || this.#left === 1;
        const n = Math.min(isAll ? this.#left : this.#left - 1, bytes.length - at);
        this.#left -= n;
        at += n;
        if (this.#left === 0) this.#blockEnded();
        return at;
      } else {
        this.#bytes[this.#have++] = bytes[at++];
        if (this.#have < this.#need) continue;
        const after = this.#collected();
        if (after === "malformed") return -1;
        if (after === "frameEnded") return at;
      }
    }
    return at;
  }

  /** A part is whole. */
  #collected(): "goesOn" | "frameEnded" | "malformed" {
    switch (this.#part) {
      case "magic":
        return this.#magic();
      case "skippedSize":
        this.#left = this.#view.getUint32(0, true);
        if (this.#left === 0) return this.#frameEnded();
        this.#part = "skipped";
        return "goesOn";
      case "header":
        return this.#header();
      case "blockHeader":
        return this.#blockHeader();
      default:
        return this.#frameEnded();
    }
  }

  #magic(): "goesOn" | "malformed" {
    const magic = this.#view.getUint32(0, true);
    if (magic === FRAME_MAGIC) this.#collect("header", 1);
    else if (((magic & 0xfffffff0) >>> 0) === SKIPPABLE_MAGIC) this.#collect("skippedSize", 4);
    else return "malformed";
    return "goesOn";
  }

  /** The first byte tells how long the header is. */
  #header(): "goesOn" {
    const descriptor = this.#bytes[0];
    const single = (descriptor & 0x20) !== 0;
    const sizeFlag = descriptor >> 6;
    const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag;
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 3];
    this.#need = 1 + (single ? 0 : 1) + dictionaryBytes + sizeBytes;
    if (this.#have < this.#need) return "goesOn";
    this.#hasChecksum = (descriptor & 4) !== 0;
    this.#collect("blockHeader", 3);
    return "goesOn";
  }

  #blockHeader(): "goesOn" | "frameEnded" | "malformed" {
    const header = this.#bytes[0] | (this.#bytes[1] << 8) | (this.#bytes[2] << 16);
    const type = (header >> 1) & 3;
    if (type === 3) return "malformed";
    this.#lastBlock = (header & 1) !== 0;
    this.#copied = this.#lastBlock && type === 0;
    // A run is one byte, however long it is.
    this.#left = type === 1 ? 1 : header >> 3;
    this.#part = "block";
    if (this.#left > 0) return "goesOn";
    return this.#blockEnded() ? "frameEnded" : "goesOn";
  }

  /** @returns Whether the frame has ended too. */
  #blockEnded(): boolean {
    if (this.#part === "block" && !this.#lastBlock) {
      this.#collect("blockHeader", 3);
      return false;
    }
    if (this.#part === "block" && this.#hasChecksum) {
      this.#collect("checksum", 4);
      return false;
    }
    this.#frameEnded();
    return true;
  }

  #frameEnded(): "frameEnded" {
    this.#collect("magic", 4);
    return "frameEnded";
  }

  #collect(part: Part, needBytes: number): void {
    this.#part = part;
    this.#have = 0;
    this.#need = needBytes;
  }
}
