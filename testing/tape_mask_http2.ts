/**
 * Takes secrets out of what an HTTP/2 connection carried, before any of it is written: blocks of fields
 * are put together anew with what is masked. Pure.
 *
 * @module
 */
import { BlockEncoder } from "../http2/block_encoder.ts";
import {
  DATA,
  DEFAULT_MAX_FRAME_BYTES,
  END_STREAM,
  GOAWAY,
  PING,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../http2/frame_types.ts";
import { FrameWriter } from "../http2/frame_writer.ts";
import { concat } from "./joined_bytes.ts";
import { bytesOf, latin1 } from "./latin1.ts";
import { type TapedConnection, TapeError, type TapeEvent } from "./tape.ts";
import { type FrameItem, TapeBlocks, TapeFrames } from "./tape_frames.ts";
import { addByte, type MaskOptions, type Spans } from "./tape_mask.ts";

/** Types of frames that hold nothing of a message. Others, which a client has to pass over, are left out. */
const PLAIN_TYPES: ReadonlySet<number> = new Set([
  GOAWAY,
  PING,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
]);

/** Bytes of GOAWAY in front of a text for people. */
const GOAWAY_BYTES = 8;

const ASTERISK = 0x2a;

/**
 * The connection without its secrets. Frames stay in the event in which they were complete; those of DATA are
 * cut as they were, without padding; a block that is cut off is left out.
 *
 * @throws {TapeError} What it carried is not known well enough.
 */
export function maskHttp2(connection: TapedConnection, options: MaskOptions): TapedConnection {
  const maskedFields = new Set<string>();
  const masked = {
    out: new MaskedDirection("out", options, maskedFields),
    in: new MaskedDirection("in", options, maskedFields),
  };
  for (const [i, event] of connection.events.entries()) {
    if (event.kind === "out" || event.kind === "in") masked[event.kind].take(i, event.bytes);
  }
  masked.out.maskContent();
  masked.in.maskContent();
  const events = connection.events.flatMap((event, i): TapeEvent[] => {
    if (event.kind !== "out" && event.kind !== "in") return [event];
    const { bytes, spans } = masked[event.kind].of(i);
    if (bytes.length === 0) return [];
    return event.kind === "in"
      ? [{ ...event, bytes: latin1(bytes) }]
      : [{ ...event, bytes: latin1(bytes), masked: spans }];
  });
  return { ...connection, events, maskedFields: [...maskedFields].sort() };
}

/** The content of one stream, in the parts in which it came. */
interface StreamContent {
  contentType: string | null;
  readonly parts: { readonly event: number; readonly at: number; readonly bytes: Uint8Array }[];
}

class MaskedDirection {
  readonly #direction: "out" | "in";
  readonly #options: MaskOptions;
  readonly #maskedFields: Set<string>;
  readonly #frames: TapeFrames;
  readonly #blocks: TapeBlocks;
  /** Without a table: each block can be read by itself. */
  readonly #encoder: BlockEncoder = new BlockEncoder(0);
  readonly #events: Map<number, { pieces: Uint8Array[]; length: number; spans: Spans }> = new Map();
  readonly #contents: Map<number, StreamContent> = new Map();

  constructor(direction: "out" | "in", options: MaskOptions, maskedFields: Set<string>) {
    this.#direction = direction;
    this.#options = options;
    this.#maskedFields = maskedFields;
    this.#frames = new TapeFrames(direction === "out");
    this.#blocks = new TapeBlocks(direction === "out" ? "request" : "response");
  }

  /** What event `i` is now. */
  of(i: number): { bytes: Uint8Array; spans: Spans } {
    const { pieces, spans } = this.#events.get(i)!;
    return { bytes: concat(pieces), spans };
  }

  take(i: number, bytes: string): void {
    const event = { pieces: [], length: 0, spans: [] };
    this.#events.set(i, event);
    for (const item of this.#frames.push(bytesOf(bytes))) this.#add(i, item);
  }

  maskContent(): void {
    const { maskBody } = this.#options;
    for (const { contentType, parts } of this.#contents.values()) {
      const content = concat(parts.map(({ bytes }) => bytes));
      if (content.length === 0) continue;
      const direction = this.#direction;
      if (maskBody === null) {
        const what = direction === "out" ? "sent" : "received";
        throw new TapeError(`A body was ${what}: give maskBody, or secrets: "keep"`);
      }
      const masked = maskBody(content.slice(), { direction, contentType });
      if (masked.length !== content.length) {
        throw new TapeError(`maskBody gave ${masked.length} bytes for ${content.length}`);
      }
      let from = 0;
      for (const { event, at, bytes } of parts) {
        for (let i = 0; i < bytes.length; i++) {
          if (bytes[i] === masked[from + i]) continue;
          bytes[i] = masked[from + i];
          addByte(this.#events.get(event)!.spans, at + i);
        }
        from += bytes.length;
      }
    }
  }

  #add(i: number, item: FrameItem): void {
    switch (item.kind) {
      case "preface":
        return this.#put(i, item.raw);
      case "block":
        return this.#put(i, this.#masked(item));
      case "dataBegins": {
        const { contentBytes: n, streamId: id, endStream } = item;
        const head = [n >> 16, n >> 8, n, DATA, endStream ? END_STREAM : 0];
        return this.#put(i, Uint8Array.of(...head, id >> 24, id >> 16, id >> 8, id));
      }
      case "data": {
        const bytes = item.content.slice();
        const at = this.#events.get(i)!.length;
        this.#content(item.streamId).parts.push({ event: i, at, bytes });
        return this.#put(i, bytes);
      }
      case "other": {
        if (!PLAIN_TYPES.has(item.type)) return;
        const raw = item.raw.slice();
        if (item.type === GOAWAY) {
          raw.fill(ASTERISK, raw.length - item.payload.length + GOAWAY_BYTES);
        }
        return this.#put(i, raw);
      }
    }
  }

  /** The frames of a block, its secrets masked. */
  #masked({ streamId, block, endStream }: FrameItem & { kind: "block" }): Uint8Array {
    const fields = this.#blocks.fields(block);
    if (fields.some(([name, value]) => name === ":method" && value === "CONNECT")) {
      throw new TapeError(
        'It carried a tunnel, in which secrets cannot be masked: secrets: "keep" keeps them',
      );
    }
    this.#encoder.begin();
    for (const [name, value] of fields) {
      const isSecret = this.#options.secretFields.has(name);
      if (isSecret) this.#maskedFields.add(name);
      this.#encoder.field(name, isSecret ? "*".repeat(value.length) : value, isSecret);
      if (name === "content-type") this.#content(streamId).contentType ??= value;
    }
    const writer = new FrameWriter();
    writer.headers(streamId, this.#encoder.end(), endStream, DEFAULT_MAX_FRAME_BYTES);
    return writer.take().slice();
  }

  #content(streamId: number): StreamContent {
    let content = this.#contents.get(streamId);
    if (content === undefined) {
      this.#contents.set(streamId, content = { contentType: null, parts: [] });
    }
    return content;
  }

  #put(i: number, bytes: Uint8Array): void {
    const event = this.#events.get(i)!;
    event.pieces.push(bytes);
    event.length += bytes.length;
  }
}
