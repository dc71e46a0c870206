/**
 * The exchanges that a tape of HTTP/2 holds, each by itself.
 *
 * @module
 */
import { BlockEncoder } from "../http2/block_encoder.ts";
import { ACK, RST_STREAM, SETTINGS } from "../http2/frame_types.ts";
import { bytesOf } from "./latin1.ts";
import { type SentStream, takeTaped } from "./sent_stream.ts";
import type { TapedConnection, TapeEvent } from "./tape.ts";
import { type FrameItem, TapeBlocks, TapeFrames } from "./tape_frames.ts";

/** A part of what came back. */
export interface TapedPart {
  readonly atMs: number;
  /** When the client had last written before it. */
  readonly outAtMs: number;
  /** How much the request had sent by then. */
  readonly blockCount: number;
  readonly sentBytes: number;
  readonly what: TapedWhat;
}

/** What came. `ended`: the connection did, before the response; with an error, or in order. */
export type TapedWhat =
  | { readonly kind: "fields"; readonly block: Uint8Array; readonly endStream: boolean }
  | {
    readonly kind: "content";
    readonly pieces: readonly Uint8Array[];
    readonly endStream: boolean;
  }
  | { readonly kind: "reset"; readonly errorCode: number }
  | { readonly kind: "ended"; readonly code: string | null };

/** A request of a tape with what came back. */
export interface TapedStream {
  readonly sent: SentStream;
  /** Names of fields whose values may be anything. */
  readonly maskedFields: ReadonlySet<string>;
  readonly parts: readonly TapedPart[];
  /** What the server said of itself on the connection: frames. */
  readonly settings: readonly Uint8Array[];
  /** Whether it was played, or is being played. */
  isUsed: boolean;
}

/**
 * The exchanges of a connection, in the order in which they began.
 *
 * @throws {TapeError} What it carried cannot be read.
 */
export function tapedStreams(connection: TapedConnection): TapedStream[] {
  const reader = new StreamReader(connection);
  for (const event of connection.events) reader.take(event);
  return reader.streams;
}

class StreamReader {
  readonly #maskedFields: ReadonlySet<string>;
  readonly #out: TapeFrames = new TapeFrames(true);
  readonly #in: TapeFrames = new TapeFrames(false);
  readonly #requests: TapeBlocks = new TapeBlocks("request");
  readonly #responses: TapeBlocks = new TapeBlocks("response");
  /** Without a table: each block can be read by itself. */
  readonly #encoder: BlockEncoder = new BlockEncoder(0);
  readonly #sent: Map<number, SentStream> = new Map();
  readonly #settings: Uint8Array[] = [];
  readonly #found: Map<number, TapedStream & { parts: TapedPart[] }> = new Map();
  readonly #over: Set<number> = new Set();
  /** The frame of content that is coming. */
  #data: { leftBytes: number; endStream: boolean; pieces: Uint8Array[] } | null = null;
  #outAtMs = -Infinity;

  constructor({ maskedFields = [] }: TapedConnection) {
    this.#maskedFields = new Set(maskedFields);
  }

  get streams(): TapedStream[] {
    return [...this.#found.values()];
  }

  take(event: TapeEvent): void {
    const { atMs } = event;
    switch (event.kind) {
      case "out": {
        const items = this.#out.push(bytesOf(event.bytes));
        for (
          const { streamId, stream } of takeTaped(this.#sent, items, this.#requests, event.masked)
        ) {
          if (this.#found.has(streamId)) continue;
          this.#found.set(streamId, {
            sent: stream,
            maskedFields: this.#maskedFields,
            parts: [],
            settings: this.#settings,
            isUsed: false,
          });
        }
        this.#outAtMs = atMs;
        return;
      }
      case "in":
        for (const item of this.#in.push(bytesOf(event.bytes))) this.#received(item, atMs);
        return;
      default: {
        const code = event.kind === "error" ? event.code : null;
        for (const streamId of this.#found.keys()) {
          if (!this.#over.has(streamId)) this.#add(streamId, atMs, { kind: "ended", code });
        }
      }
    }
  }

  #received(item: FrameItem, atMs: number): void {
    switch (item.kind) {
      case "block": {
        const { streamId, endStream } = item;
        this.#encoder.begin();
        for (const [name, value] of this.#responses.fields(item.block)) {
          this.#encoder.field(name, value, false);
        }
        const block = this.#encoder.end().slice();
        this.#add(streamId, atMs, { kind: "fields", block, endStream });
        if (endStream) this.#over.add(streamId);
        return;
      }
      case "dataBegins": {
        const { streamId, contentBytes, endStream } = item;
        const pieces: Uint8Array[] = [];
        this.#data = { leftBytes: contentBytes, endStream, pieces };
        this.#add(streamId, atMs, { kind: "content", pieces, endStream });
        if (endStream && contentBytes === 0) this.#over.add(streamId);
        return;
      }
      case "data": {
        const data = this.#data!;
        data.pieces.push(item.content.slice());
        data.leftBytes -= item.content.length;
        if (data.endStream && data.leftBytes === 0) this.#over.add(item.streamId);
        return;
      }
      case "other": {
        const { type, flags, streamId, payload } = item;
        if (type === SETTINGS && (flags & ACK) === 0) this.#settings.push(item.raw.slice());
        if (type !== RST_STREAM) return;
        const errorCode = new DataView(payload.slice().buffer).getUint32(0);
        this.#add(streamId, atMs, { kind: "reset", errorCode });
        this.#over.add(streamId);
      }
    }
  }

  #add(streamId: number, atMs: number, what: TapedWhat): void {
    const stream = this.#found.get(streamId);
    if (stream === undefined) return;
    const { blocks, content } = stream.sent;
    stream.parts.push({
      atMs,
      outAtMs: this.#outAtMs,
      blockCount: blocks.length,
      sentBytes: content.length,
      what,
    });
  }
}
