/**
 * The body of a response as the caller reads it.
 *
 * @module
 */
import type { Reader } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import { makePiece } from "../../conn/piece.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { ContentDecoder } from "../../http/content_decoder.ts";
import type { ContentCoding } from "../../http/content_coding.ts";
import { decodesWhole, decodeWhole, MAX_WHOLE_CODED_BYTES } from "../../http/whole_decoder.ts";
import { loadedZlib, loadZlib } from "../../http/zlib.ts";
import type { IncomingContent } from "../../http/incoming_content.ts";
import type { BodyDigests } from "./body_digests.ts";
import { byteStream } from "./body_stream.ts";
import { GatheredContent } from "./gathered_content.ts";
import type { ProgressCounter } from "../progress.ts";

/** A body: bytes that are pulled, once. */
export interface ResponseBody extends AsyncIterable<Uint8Array> {
  /**
   * Reads at least one byte into `p`; the shape of `Reader` in `@std/io`.
   *
   * Cancel: `close()`, or the request's signal. A connection whose body was not read to its end is
   * drained or closed.
   *
   * @returns 1..`p.length`, or null at the end of the body.
   * @throws {HttpError} `ERR_INCOMPLETE_BODY`, `ERR_MALFORMED_RESPONSE`, `ERR_CONNECTION_LOST`,
   * `ERR_DECODE`, `ERR_BODY_TOO_LARGE`, `ERR_TIMEOUT`; `ERR_BODY_CLOSED` after `close()`. Or the signal's reason.
   */
  read(p: Uint8Array): Promise<number | null>;
  /**
   * Gives the rest up, also what has come already: whoever reads from then on gets `ERR_BODY_CLOSED`,
   * unless all of it was read before. At most 256 KiB are read and dropped, for at most 50 ms, so
   * that the connection can be reused; else it is closed. Idempotent; never rejects.
   */
  close(): Promise<void>;
  /** The same bytes as a byte stream; made when first asked for. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** What the body tells and asks of its exchange. */
export interface BodyExchange {
  /** Called once, when the body has ended, failed or been closed. */
  bodyDone(error: unknown, trailers: HttpHeaders | null): void;
  /** Why the exchange was ended before its body, null if it was not. */
  readonly failure: { error: unknown } | null;
  /** A read of the wire begins, and ends with that many bytes. */
  readBegan(): void;
  readEnded(wireBytes: number): void;
  /** Makes an error of the wire one of this exchange. */
  bodyError(error: unknown): unknown;
  /** Nobody reads the content for a while, perhaps: what comes of it may be taken meanwhile. */
  bodyRests?(content: IncomingContent): void;
  /**
   * Calls back, unless what is returned is called before, when whatever does not come within one go has
   * had its time. Absent: nothing is waited for that could be done without.
   */
  whenLate?(late: () => void): () => void;
  /** Runs `abandon` within the time that draining may take. */
  drain(abandon: () => Promise<void>): Promise<void>;
}

/**
 * Bytes. Room that is made for a piece of `stream` or iteration. More would cost more than fewer
 * reads save: from 128 KiB on common allocators map fresh memory for each array.
 */
const PIECE_BYTES = 120 * 1024;

/** Bytes. The same where reads bring no more than half of this: records of TLS, events. */
const SMALL_PIECE_BYTES = 32 * 1024;

/** Bytes. The same where it is decoded: a decoder gives no more at a time. */
const DECODED_PIECE_BYTES = 16 * 1024;

/** Bytes. Most that is set aside on the word of a `Content-Length`. */
const TRUSTED_BYTES = 1024 * 1024;

/** What is done to the content on its way to the reader. */
export interface BodySteps {
  /** To take off, as they were applied. */
  readonly codings: readonly ContentCoding[];
  /** Decoded bytes for one coded byte; Infinity: no limit. */
  readonly maxExpansionRatio: number;
  /** Bytes that are given at the most; Infinity: no limit, or known not to be reached. */
  readonly maxBytes: number;
  /** The same of bytes as they come. */
  readonly maxWireBytes: number;
  /** Why the content cannot be read at all, null if it can. */
  readonly refusal: HttpError | null;
  /** What it is checked against, or null. */
  readonly digests: BodyDigests | null;
  /** Told of what comes, or null. */
  readonly progress: ProgressCounter | null;
}

/** Of content that is given as it came. */
export const NO_STEPS: BodySteps = {
  codings: [],
  maxExpansionRatio: Infinity,
  maxBytes: Infinity,
  maxWireBytes: Infinity,
  refusal: null,
  digests: null,
  progress: null,
};

/** Whether the content is given as it came: whoever has it whole has nothing more to do. */
export function isGivenAsIs(steps: BodySteps): boolean {
  return !isChecked(steps) && steps.progress === null;
}

/** Whether giving the content can fail although all of it has come. */
export function isChecked({ codings, refusal, digests, maxBytes }: BodySteps): boolean {
  return codings.length > 0 || refusal !== null || digests !== null || maxBytes < Infinity;
}

/** What a read brings: a count, or an array of its own. */
type Brought = number | Uint8Array<ArrayBuffer> | null;

const NO_DECODERS: readonly ContentDecoder[] = [];

/** The body of one response. Owns: the content until it has ended. */
export class IncomingBody implements ResponseBody {
  readonly #content: IncomingContent;
  readonly #exchange: BodyExchange;
  readonly #steps: BodySteps;
  readonly #decoders: readonly ContentDecoder[];
  readonly #source: Reader | null;
  /** How long the whole was when it came: whoever was given it may have given it away. */
  readonly #wholeBytes: number;
  #wholeAt = 0;
  #wireBytes = 0;
  #givenBytes = 0;
  /** What the decoders read; null without. */
  #coded: GatheredContent | null = null;
  #pieceBytes = SMALL_PIECE_BYTES;
  #reading = false;
  /** Whether the exchange need not be told how the body ends. */
  #done = false;
  /** Whether all of it has been given. */
  #given = false;
  #consumed = false;
  #failure: { error: unknown } | null = null;
  #stream: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;

  constructor(content: IncomingContent, steps: BodySteps, exchange: BodyExchange) {
    this.#content = content;
    this.#wholeBytes = content.whole?.length ?? 0;
    this.#steps = steps;
    this.#exchange = exchange;
    this.#decoders = steps.codings.length === 0 ? NO_DECODERS : this.#decode(steps);
    this.#source = this.#decoders.length === 0 ? null : this.#decoders[0];
    // The exchange has already been told of a body that came whole and cannot fail.
    this.#done = content.whole !== null && !isChecked(steps);
  }

  /** Decoders one behind the other; the first gives the content itself. */
  #decode({ codings, maxExpansionRatio }: BodySteps): ContentDecoder[] {
    const coded = new GatheredContent({
      read: (p) => this.#readWire(p) as Promise<number | null>,
    });
    this.#coded = coded;
    let source: Reader = coded;
    const wireBytes = () => this.#wireBytes - coded.aheadBytes;
    const limit = { maxRatio: maxExpansionRatio, wireBytes };
    const decoders: ContentDecoder[] = [];
    for (let i = codings.length - 1; i >= 0; i--) {
      const decoder = new ContentDecoder(source, codings[i], limit);
      decoders.unshift(decoder);
      source = decoder;
    }
    return decoders;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#pull(p) as Promise<number | null>;
  }

  /** Reads into `p`, or (null) an array of the connection's making. */
  async #pull(p: Uint8Array | null): Promise<Brought> {
    if (this.#reading) {
      throw new HttpError("ERR_INVALID_REQUEST", "Cannot read: a read is already under way", {
        phase: "body",
      });
    }
    this.#checkFailure();
    this.#reading = true;
    const roomBytes = p?.length;
    const { refusal, digests, maxBytes } = this.#steps;
    try {
      if (refusal !== null) throw refusal;
      if (digests !== null && !digests.loaded) await digests.load();
      const brought = await (this.#source === null ? this.#readWire(p) : this.#source.read(p!));
      // Closed meanwhile: this end is not the body's.
      this.#checkFailure();
      if (brought !== null) {
        this.#givenBytes += typeof brought === "number" ? brought : brought.length;
        if (this.#givenBytes > maxBytes) throw tooLarge(maxBytes);
        digests?.content(bytesOf(brought, p));
      }
      if (brought === null || (this.#source === null && this.#wireEnded)) {
        if (!this.#done) {
          digests?.verify(this.#content.trailers);
          this.#finish(undefined);
        }
        this.#given = true;
      }
      return brought;
    } catch (error) {
      // Whatever it says: what came was lost with the array.
      throw this.#fail(p?.length === roomBytes ? error : arrayLost());
    } finally {
      this.#reading = false;
    }
  }

  /** Whether all of the body has been read, and found good. */
  get isAtEnd(): boolean {
    return this.#done && this.#failure === null &&
      (this.#content.whole === null || this.#wholeAt === this.#wholeBytes);
  }

  /** As {@linkcode read}, into an array that is the caller's. */
  async readPiece(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#source === null && this.#content.bringsChunks === true) {
      return await this.#pull(null) as Uint8Array<ArrayBuffer> | null;
    }
    const p = makePiece(this.#roomBytes);
    const n = await this.read(p);
    if (n === null) return null;
    this.#pieceBytes = n <= SMALL_PIECE_BYTES / 2 ? SMALL_PIECE_BYTES : PIECE_BYTES;
    return n === p.length ? p : p.subarray(0, n);
  }

  /** Whom to tell that only the error is left to read of it. */
  whenBroken(broken: () => void): void {
    this.#content.whenBroken?.(broken);
  }

  /** Perhaps nothing is read for a while: what comes may be taken meanwhile. */
  rest(): void {
    if (!this.#done) this.#exchange.bodyRests?.(this.#content);
  }

  /** How much room the next piece is given. */
  get #roomBytes(): number {
    if (this.#source !== null) return DECODED_PIECE_BYTES;
    const { framing } = this.#content;
    const leftBytes = framing.kind === "length" ? framing.bytes - this.#wireBytes : Infinity;
    return Math.max(1, Math.min(this.#pieceBytes, leftBytes));
  }

  async close(): Promise<void> {
    if (this.#given || this.#failure !== null) return;
    this.#failure = { error: closedError() };
    this.#finish(this.#failure.error);
    if (!this.#content.complete) {
      await this.#exchange.drain(() => this.#content.abandon());
    }
  }

  get stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (this.#stream !== null) return this.#stream;
    this.#use();
    return this.#stream = byteStream(this);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array<ArrayBuffer>> {
    this.#use();
    try {
      for (;;) {
        const piece = await this.readPiece();
        if (piece === null) return;
        yield piece;
      }
    } finally {
      await this.close();
    }
  }

  /**
   * All that is left of the body, in an array of its own.
   *
   * @param lengthBytes What the head declared, or null.
   * @throws {HttpError} As `read`; `ERR_BODY_CLOSED`: it was asked for before.
   */
  async bytes(lengthBytes: number | null): Promise<Uint8Array<ArrayBuffer>> {
    const whole = this.takeWhole();
    if (whole !== null) return whole;
    this.#use();
    const rest = this.#readRest();
    if (rest !== null) return await rest;
    if (this.#mayDecodeAtOnce) {
      const decoded = await this.#decodeAtOnce();
      if (decoded !== null) return decoded;
    }
    let room = new Uint8Array(Math.min(lengthBytes ?? PIECE_BYTES, TRUSTED_BYTES));
    let length = 0;
    for (;;) {
      if (length === room.length) {
        if (length === lengthBytes) {
          const probe = await this.read(new Uint8Array(1));
          if (probe === null) return room;
        }
        // A length that a quarter has come of is believed.
        const wanted = lengthBytes !== null && length < lengthBytes
          ? Math.min(4 * length, lengthBytes)
          : Math.max(2 * length, PIECE_BYTES);
        const larger = new Uint8Array(wanted);
        larger.set(room);
        room = larger;
      }
      const n = await this.read(length === 0 ? room : room.subarray(length));
      if (n === null) return length === room.length ? room : room.slice(0, length);
      length += n;
    }
  }

  /** The same from the connection at once; null where it has to be read piece by piece. */
  #readRest(): Promise<Uint8Array<ArrayBuffer>> | null {
    const mayRead = !this.#reading && !this.#done && this.#failure === null &&
      this.#exchange.failure === null && isGivenAsIs(this.#steps);
    if (!mayRead) return null;
    const content = this.#content;
    if (content.readRest === undefined || content.whole !== null) return null;
    this.#exchange.readBegan();
    const reading = content.readRest((bytes) => this.#restCame(bytes));
    if (reading === null) this.#exchange.readEnded(0);
    return reading === null ? null : this.#restOf(reading);
  }

  async #restOf(reading: Promise<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
    this.#reading = true;
    try {
      const rest = await reading;
      // Closed meanwhile: this end is not the body's.
      this.#checkFailure();
      this.#finish(undefined);
      this.#given = true;
      return rest;
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#reading = false;
      this.#exchange.readEnded(0);
    }
  }

  /** More of the rest has come: whoever waits for the next of it has waited for this. */
  #restCame(bytes: number): void {
    this.#wireBytes += bytes;
    this.#exchange.readEnded(bytes);
    this.#exchange.readBegan();
  }

  /**
   * The body in an array of its own, if all of it is there and nothing is to be done to it; else
   * null, and not used. Order: it is in use then, as after `bytes`.
   */
  takeWhole(): Uint8Array<ArrayBuffer> | null {
    const { whole } = this.#content;
    const mayGive = whole !== null && this.#wholeAt === 0 && !this.#consumed && !this.#reading &&
      this.#failure === null && isGivenAsIs(this.#steps);
    if (!mayGive) return null;
    this.#use();
    this.#wholeAt = whole.length;
    this.#given = true;
    return whole;
  }

  /** Whether it may be small coded content, of which nothing has been read. */
  get #mayDecodeAtOnce(): boolean {
    const { framing, whole } = this.#content;
    const leastBytes = framing.kind === "length" ? framing.bytes : whole?.length ?? 0;
    return this.#coded !== null && this.#steps.refusal === null && !this.#reading &&
      this.#wireBytes === 0 && leastBytes <= MAX_WHOLE_CODED_BYTES &&
      (whole !== null || this.#exchange.whenLate !== undefined);
  }

  /**
   * All of the body, with each coding taken off in one call; null where it is too large, does not come
   * soon, or anything is in doubt: then the decoders get the same bytes.
   */
  async #decodeAtOnce(): Promise<Uint8Array<ArrayBuffer> | null> {
    this.#checkFailure();
    this.#reading = true;
    const { codings, digests, maxBytes } = this.#steps;
    try {
      if (digests !== null && !digests.loaded) await digests.load();
      const zlib = loadedZlib() ?? await loadZlib();
      this.#checkFailure();
      if (!decodesWhole(zlib, codings)) return null;
      const { whole } = this.#content;
      const hasCome = whole === null ? await this.#gather() : this.#hold(whole);
      this.#checkFailure();
      const decoded = hasCome ? decodeWhole(zlib, codings, this.#coded!.all) : null;
      if (decoded === null) return null;
      if (decoded.length > maxBytes) throw tooLarge(maxBytes);
      digests?.content(decoded);
      digests?.verify(this.#content.trailers);
      this.#finish(undefined);
      this.#given = true;
      return decoded;
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#reading = false;
    }
  }

  /** Content that came with the head. */
  #hold(whole: Uint8Array<ArrayBuffer>): true {
    this.#wholeAt = this.#wholeBytes;
    this.#coded!.hold(whole);
    this.#came(whole);
    return true;
  }

  /**
   * Has coded content gathered.
   *
   * @returns Whether all of it came soon. What is wrong with the beginning of content that goes on must
   * not wait for its end, which may never come.
   */
  async #gather(): Promise<boolean> {
    const { framing } = this.#content;
    const coded = this.#coded!;
    const late = Promise.withResolvers<false>();
    const forget = this.#exchange.whenLate!(() => {
      coded.stop();
      late.resolve(false);
    });
    const lengthBytes = framing.kind === "length" ? framing.bytes : null;
    const gathering = coded.gather(lengthBytes, MAX_WHOLE_CODED_BYTES, () => this.#wireEnded)
      .then(() => this.#wireEnded);
    try {
      return await Promise.race([gathering, late.promise]);
    } finally {
      forget();
    }
  }

  async #readWire(p: Uint8Array | null): Promise<Brought> {
    const { whole } = this.#content;
    if (whole === null) {
      this.#exchange.readBegan();
      let wireBytes = 0;
      try {
        const brought = await (p === null ? this.#content.readChunk!() : this.#content.read(p));
        if (brought !== null) {
          wireBytes = typeof brought === "number" ? brought : brought.length;
          this.#came(bytesOf(brought, p));
        }
        return brought;
      } finally {
        this.#exchange.readEnded(wireBytes);
      }
    }
    if (this.#wholeAt === this.#wholeBytes) return null;
    const room = p!;
    const n = Math.min(room.length, this.#wholeBytes - this.#wholeAt);
    room.set(whole.subarray(this.#wholeAt, this.#wholeAt + n));
    this.#wholeAt += n;
    this.#came(room.subarray(0, n));
    return n;
  }

  get #wireEnded(): boolean {
    const { whole } = this.#content;
    return whole === null ? this.#content.complete : this.#wholeAt === this.#wholeBytes;
  }

  /** Content came over the wire. */
  #came(bytes: Uint8Array): void {
    this.#wireBytes += bytes.length;
    const { digests, progress, maxBytes, maxWireBytes } = this.#steps;
    digests?.wire(bytes);
    progress?.add(bytes.length);
    if (this.#wireBytes > maxWireBytes) throw tooLarge(maxBytes);
  }

  #checkFailure(): void {
    if (this.#failure === null && !this.#done && this.#exchange.failure !== null) {
      this.#failure = this.#exchange.failure;
      this.#finish(this.#failure.error);
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  #use(): void {
    if (this.#consumed) {
      throw new HttpError("ERR_BODY_CLOSED", "The body was asked for before", { phase: "body" });
    }
    this.#consumed = true;
  }

  #fail(error: unknown): unknown {
    if (this.#failure === null) {
      this.#failure = { error: this.#exchange.bodyError(error) };
      this.#finish(this.#failure.error);
      // Content that cannot be decoded: the connection must not stay leased.
      if (!this.#content.complete) this.#exchange.drain(() => this.#content.abandon());
    }
    return this.#failure.error;
  }

  #finish(error: unknown): void {
    if (this.#done) return;
    this.#done = true;
    for (const decoder of this.#decoders) decoder.close();
    this.#exchange.bodyDone(error, this.#content.trailers);
  }
}

/** What comes next of any body, in an array that is the caller's. */
export async function readPiece(body: ResponseBody): Promise<Uint8Array<ArrayBuffer> | null> {
  if (body instanceof IncomingBody) return await body.readPiece();
  const p = makePiece(PIECE_BYTES);
  const n = await body.read(p);
  return n === null ? null : p.subarray(0, n);
}

/** More comes, or is declared, than was wanted. */
export function tooLarge(maxBytes: number): HttpError {
  const message = `The body of the response is more than ${maxBytes} bytes`;
  return new HttpError("ERR_BODY_TOO_LARGE", message, { phase: "body" });
}

function arrayLost(): HttpError {
  return new HttpError(
    "ERR_INVALID_REQUEST",
    "Cannot read: the array was detached or resized meanwhile",
    { phase: "body" },
  );
}

function closedError(): HttpError {
  return new HttpError("ERR_BODY_CLOSED", "The body was closed before its end", { phase: "body" });
}

/** What a read has brought, into `p` if that is not null. */
function bytesOf(brought: number | Uint8Array, p: Uint8Array | null): Uint8Array {
  return typeof brought === "number" ? p!.subarray(0, brought) : brought;
}
