/**
 * Puts a content coding on, pulled by the sender.
 *
 * @module
 */
import type { ContentCoding } from "./content_coding.ts";
import type { ContentSource } from "./outgoing_request.ts";
import type { Zlib } from "./zlib.ts";

/** What codes. */
type Engine = ReturnType<
  Zlib["createGzip" | "createDeflate" | "createBrotliCompress" | "createZstdCompress"]
>;

/** Of brotli, 0 to 11. Its own default is the last: what is sent once is not worth a second a megabyte. */
const BROTLI_QUALITY = 5;

/**
 * Content that is coded as it is sent. Holds what one piece of its source has become.
 *
 * Owns: the source, and the engine from the first piece on.
 *
 * @see RFC 9110 section 8.4.1
 */
export class ContentEncoder implements ContentSource {
  readonly #zlib: Zlib;
  readonly #coding: ContentCoding;
  readonly #source: ContentSource;
  #engine: Engine | null = null;
  readonly #coded: Uint8Array[] = [];
  #ended = false;

  /** Makes an encoder; it reads nothing until it is asked. */
  constructor(zlib: Zlib, coding: ContentCoding, source: ContentSource) {
    this.#zlib = zlib;
    this.#coding = coding;
    this.#source = source;
  }

  /**
   * The next piece, which may be empty; null at the end.
   *
   * @throws What the source throws.
   */
  async next(): Promise<Uint8Array | null> {
    const engine = this.#engine ??= this.#start();
    for (;;) {
      const coded = this.#coded.shift();
      if (coded !== undefined) return coded;
      if (this.#ended) return null;
      const piece = await this.#read(engine);
      // As from the source itself, whoever reads counts those.
      if (piece?.length === 0) return piece;
      if (piece === null) {
        await finished(engine);
        this.#ended = true;
      } else {
        await written(engine, piece);
      }
    }
  }

  /** Lets source and engine go. Never throws but what the source does. */
  cancel(): void {
    this.#engine?.destroy();
    this.#source.cancel();
  }

  async #read(engine: Engine): Promise<Uint8Array | null> {
    try {
      return await this.#source.next();
    } catch (error) {
      // Nobody cancels what has failed.
      engine.destroy();
      throw error;
    }
  }

  #start(): Engine {
    const engine = makeEngine(this.#zlib, this.#coding);
    engine.on("data", (coded: Uint8Array) => void this.#coded.push(coded));
    // Whoever waits is told by his own callback.
    engine.on("error", () => {});
    return engine;
  }
}

/**
 * Codes content that is all there, beside the event loop.
 *
 * @param bytes Not to be changed or given away meanwhile.
 * @see RFC 9110 section 8.4.1
 */
export function encodeWhole(
  zlib: Zlib,
  coding: ContentCoding,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, coded: Uint8Array): void =>
      error === null ? resolve(coded) : reject(error);
    switch (coding) {
      case "gzip":
        return zlib.gzip(bytes, done);
      case "deflate":
        return zlib.deflate(bytes, done);
      case "br":
        return zlib.brotliCompress(bytes, brotliOptions(zlib), done);
      case "zstd":
        return zlib.zstdCompress(bytes, done);
    }
  });
}

function makeEngine(zlib: Zlib, coding: ContentCoding): Engine {
  switch (coding) {
    case "gzip":
      return zlib.createGzip();
    case "deflate":
      return zlib.createDeflate();
    case "br":
      return zlib.createBrotliCompress(brotliOptions(zlib));
    case "zstd":
      return zlib.createZstdCompress();
  }
}

function brotliOptions({ constants }: Zlib): { params: Record<number, number> } {
  return { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } };
}

/** @param piece Copied: whose it is may give it away while another thread reads it. */
function written(engine: Engine, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    engine.write(new Uint8Array(piece), (error) => error ? reject(error) : resolve());
  });
}

function finished(engine: Engine): Promise<void> {
  return new Promise((resolve, reject) => {
    engine.once("end", resolve);
    engine.once("error", reject);
    engine.end();
  });
}
