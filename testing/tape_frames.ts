/**
 * The frames of one direction of an HTTP/2 connection, as a tape needs them: each with its bytes as
 * they were, field blocks put together.
 *
 * @module
 */
import { BlockDecoder } from "../http2/block_decoder.ts";
import { FrameReader } from "../http2/frame_reader.ts";
import {
  CONTINUATION,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  LARGEST_MAX_FRAME_BYTES,
  PUSH_PROMISE,
} from "../http2/frame_types.ts";
import { PREFACE } from "../http2/preface.ts";
import { concat } from "./joined_bytes.ts";
import { TapeError } from "./tape.ts";

/** Something of a direction. `raw` are all of its bytes. */
export type FrameItem =
  | { readonly kind: "preface"; readonly raw: Uint8Array }
  | {
    readonly kind: "block";
    readonly raw: Uint8Array;
    readonly streamId: number;
    readonly block: Uint8Array;
    readonly endStream: boolean;
  }
  | {
    readonly kind: "dataBegins";
    readonly raw: Uint8Array;
    readonly streamId: number;
    /** What it costs in windows. */
    readonly windowBytes: number;
    readonly contentBytes: number;
    readonly endStream: boolean;
  }
  | {
    readonly kind: "data";
    readonly raw: Uint8Array;
    readonly streamId: number;
    readonly content: Uint8Array;
  }
  | {
    readonly kind: "other";
    readonly raw: Uint8Array;
    readonly type: number;
    readonly flags: number;
    readonly streamId: number;
    readonly payload: Uint8Array;
  };

/** Takes the bytes of a direction as they come. Owns: what is not a whole frame yet. */
export class TapeFrames {
  readonly #reader: FrameReader = new FrameReader(LARGEST_MAX_FRAME_BYTES);
  #waitsForPreface: boolean;
  #rest: Uint8Array = new Uint8Array(0);
  /** A block that is not complete, with its frames. */
  #block: { streamId: number; endStream: boolean; raw: Uint8Array[]; parts: Uint8Array[] } | null =
    null;

  /** @param isClient Whether it is the client's direction, which begins with a preface. */
  constructor(isClient: boolean) {
    this.#waitsForPreface = isClient;
  }

  /** Bytes that are of no item yet. */
  get rest(): Uint8Array {
    return concat([...this.#block?.raw ?? [], this.#rest]);
  }

  /**
   * Takes the next bytes.
   *
   * @throws {TapeError} They are not frames.
   */
  push(bytes: Uint8Array): FrameItem[] {
    const all = this.#rest.length === 0 ? bytes.slice() : concat([this.#rest, bytes]);
    const items: FrameItem[] = [];
    let at = 0;
    if (this.#waitsForPreface) {
      if (all.length < PREFACE.length) {
        this.#rest = all;
        return [];
      }
      this.#waitsForPreface = false;
      at = PREFACE.length;
      items.push({ kind: "preface", raw: all.subarray(0, at) });
    }
    const reader = this.#reader;
    for (;;) {
      const event = attempt(() => reader.read(all, at, all.length));
      if (event === "none") break;
      const raw = all.subarray(at, at + reader.used);
      const payload = all.subarray(reader.from, reader.to);
      at += reader.used;
      const { type, flags, streamId } = reader;
      const endStream = (flags & END_STREAM) !== 0;
      if (event === "dataBegins") {
        const { length: windowBytes, contentBytes } = reader;
        items.push({ kind: event, raw, streamId, windowBytes, contentBytes, endStream });
      } else if (event === "dataPart") {
        items.push({ kind: "data", raw, streamId, content: payload });
      } else if (type === HEADERS || type === CONTINUATION) {
        const block = this.#block ??= { streamId, endStream, raw: [], parts: [] };
        block.raw.push(raw);
        block.parts.push(payload);
        if ((flags & END_HEADERS) === 0) continue;
        this.#block = null;
        items.push({
          kind: "block",
          raw: concat(block.raw),
          streamId: block.streamId,
          block: concat(block.parts),
          endStream: block.endStream,
        });
      } else if (type === PUSH_PROMISE) {
        throw new TapeError("It carried a pushed response, which a tape does not know");
      } else items.push({ kind: "other", raw, type, flags, streamId, payload });
    }
    this.#rest = all.subarray(at);
    return items;
  }
}

/** Names of pseudo-fields, in the order in which the decoder gives their values. */
const PSEUDO_NAMES = [":status", ":method", ":scheme", ":authority", ":path", ":protocol"];

/** Reads the field blocks of one direction, each once and in their order. Owns: the decoder. */
export class TapeBlocks {
  readonly #decoder: BlockDecoder = new BlockDecoder();
  readonly #section: "request" | "response";

  /** Makes it for a direction. */
  constructor(section: "request" | "response") {
    this.#section = section;
  }

  /**
   * The fields of the next block.
   *
   * @throws {TapeError} It cannot be read, or has what no message may have.
   */
  fields(block: Uint8Array): [name: string, value: string][] {
    const { fields, pseudo, violation } = attempt(() =>
      this.#decoder.decode(block, 0, block.length, {
        limitBytes: Infinity,
        mode: "lenient",
        section: this.#section,
        deviations: [],
      })
    );
    if (violation !== null) throw unreadable(violation);
    const found = pseudo.flatMap((value, i): [string, string][] =>
      value === undefined ? [] : [[PSEUDO_NAMES[i], value]]
    );
    const { text, offsets } = fields;
    for (let i = 0; i < offsets.length; i += 4) {
      const name = text.slice(offsets[i], offsets[i + 1]);
      found.push([name, text.slice(offsets[i + 2], offsets[i + 3])]);
    }
    return found;
  }
}

function attempt<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(error: unknown): TapeError {
  const what = (error as Error).message;
  return new TapeError(
    `It carried frames that cannot be read (${what}): secrets: "keep" keeps them`,
  );
}
