/**
 * How an HTTP/2 connection of a tape goes on. Compared is what requests say, stream by stream, not their
 * bytes: blocks of fields depend on what was sent before, and frames about the connection on times.
 *
 * @module
 */
import { ACK, SETTINGS, WINDOW_UPDATE } from "../http2/frame_types.ts";
import { PeerSettings } from "../http2/settings.ts";
import { DEFAULT_WINDOW_BYTES } from "../http2/window_sizes.ts";
import { concat } from "./joined_bytes.ts";
import { bytesOf, latin1 } from "./latin1.ts";
import { different, isMasked, type Playback, type PlayedStep, tooMuch } from "./playback.ts";
import { type TapedConnection, TapeError } from "./tape.ts";
import { addByte } from "./tape_mask.ts";
import { type FrameItem, TapeBlocks, TapeFrames } from "./tape_frames.ts";

type Fields = [name: string, value: string][];

/** What a stream of the tape has sent: all of it, or so far. */
class SentStream {
  readonly blocks: Fields[] = [];
  content = "";
  /** Which bytes of the content may be anything: pairs of an offset and a length. */
  readonly masked: [number, number][] = [];
  /** Bytes of content that were announced, with those that have come. */
  announcedBytes = 0;
  /** How much of the content was compared. */
  comparedBytes = 0;
  isAtEnd = false;
}

/** Has to be written before something comes. */
interface Need {
  readonly streamId: number;
  readonly blockCount: number;
  readonly contentBytes: number;
}

/** A part of what the server sent that comes whole or not yet; or how it ended. */
interface Unit {
  readonly atMs: number;
  /** When the client had last written before it. */
  readonly outAtMs: number;
  /** Units of one event come together. */
  readonly event: number;
  readonly needs: readonly Need[];
  readonly streamId: number;
  /** What it costs in windows. */
  readonly windowBytes: number;
  readonly raw: Uint8Array | null;
  /** Null: the end of the server's side. */
  readonly code: string | null;
}

/** A connection of HTTP/2 that is played. Owns: what was written so far. */
export class Http2Playback implements Playback {
  readonly #maskedFields: ReadonlySet<string>;
  readonly #taped: Map<number, SentStream> = new Map();
  readonly #units: Unit[] = [];
  #next = 0;
  #lastAtMs: number;
  readonly #frames: TapeFrames = new TapeFrames(true);
  readonly #blocks: TapeBlocks = new TapeBlocks("request");
  readonly #written: Map<number, SentStream> = new Map();
  readonly #settings: PeerSettings = new PeerSettings();
  /** By stream, 0 for the connection: octets that may come beyond what was allowed in the beginning. */
  readonly #windows: Map<number, number> = new Map();

  /** @throws {TapeError} What the client wrote cannot be read. */
  constructor({ events, maskedFields = [] }: TapedConnection) {
    this.#maskedFields = new Set(maskedFields);
    this.#lastAtMs = events[0]?.atMs ?? 0;
    const out = new TapeFrames(true);
    const blocks = new TapeBlocks("request");
    const into = new TapeFrames(false);
    let needs: Need[] = [];
    let outAtMs = -Infinity;
    let restIsTaken = false;
    const add = (unit: Partial<Unit> & Pick<Unit, "atMs" | "event">): void => {
      const none = { streamId: 0, windowBytes: 0, raw: null, code: null };
      this.#units.push({ ...none, outAtMs, needs, ...unit });
      needs = [];
    };
    for (const [event, one] of events.entries()) {
      const { atMs } = one;
      if (one.kind === "out") {
        let at = 0;
        for (const item of out.push(bytesOf(one.bytes))) {
          const stream = took(this.#taped, item, blocks);
          if (item.kind === "data") {
            const start = stream!.content.length - item.content.length;
            for (let i = 0; i < item.content.length; i++) {
              if (isMasked(one.masked, at + i)) addByte(stream!.masked, start + i);
            }
          }
          at += item.raw.length;
          if (stream === null) continue;
          const { streamId } = item as FrameItem & { kind: "data" };
          const contentBytes = stream.content.length;
          needs.push({ streamId, blockCount: stream.blocks.length, contentBytes });
        }
        outAtMs = atMs;
      } else if (one.kind === "in") {
        for (const item of into.push(bytesOf(one.bytes))) {
          const { raw } = item;
          const cost = item.kind === "dataBegins"
            ? { streamId: item.streamId, windowBytes: item.windowBytes }
            : {};
          add({ atMs, event, raw, ...cost });
        }
      } else {
        restIsTaken = true;
        if (into.rest.length > 0) add({ atMs, event, raw: into.rest });
        add({ atMs, event: event + 0.5, code: one.kind === "error" ? one.code : null });
      }
    }
    const { length } = events;
    if (!restIsTaken && into.rest.length > 0) {
      add({ atMs: events[length - 1].atMs, event: length, raw: into.rest });
    }
  }

  next(): PlayedStep | null {
    const first = this.#units[this.#next];
    if (first === undefined || !this.#isDue(first)) return null;
    const afterMs = first.atMs - Math.max(this.#lastAtMs, first.outAtMs);
    this.#lastAtMs = first.atMs;
    if (first.raw === null) {
      this.#next++;
      const { code } = first;
      return code === null ? { kind: "end", afterMs } : { kind: "error", afterMs, code };
    }
    const pieces: Uint8Array[] = [];
    for (;;) {
      const unit = this.#units[this.#next];
      if (unit?.event !== first.event || unit.raw === null || !this.#isDue(unit)) break;
      this.#next++;
      pieces.push(unit.raw);
      this.#open(0, -unit.windowBytes);
      this.#open(unit.streamId, -unit.windowBytes);
    }
    return { kind: "in", afterMs, bytes: concat(pieces) };
  }

  wrote(p: Uint8Array): void {
    for (const item of this.#frames.push(p)) {
      if (item.kind === "other") this.#heed(item);
      const stream = took(this.#written, item, this.#blocks);
      if (stream !== null) this.#compare((item as FrameItem & { kind: "data" }).streamId, stream);
    }
  }

  #heed({ type, flags, streamId, payload }: FrameItem & { kind: "other" }): void {
    if (type === SETTINGS && (flags & ACK) === 0) {
      this.#settings.apply(payload, 0, payload.length, false);
    } else if (type === WINDOW_UPDATE) {
      const [a, b, c, d] = payload;
      this.#open(streamId, (a & 0x7f) << 24 | b << 16 | c << 8 | d);
    }
  }

  #open(streamId: number, bytes: number): void {
    this.#windows.set(streamId, (this.#windows.get(streamId) ?? 0) + bytes);
  }

  #isDue({ needs, streamId, windowBytes }: Unit): boolean {
    for (const need of needs) {
      const stream = this.#written.get(need.streamId);
      if (stream === undefined || stream.blocks.length < need.blockCount) return false;
      if (stream.content.length < need.contentBytes) return false;
    }
    if (windowBytes === 0) return true;
    const { initialWindowBytes } = this.#settings;
    return windowBytes <= DEFAULT_WINDOW_BYTES + (this.#windows.get(0) ?? 0) &&
      windowBytes <= initialWindowBytes + (this.#windows.get(streamId) ?? 0);
  }

  #compare(streamId: number, written: SentStream): void {
    const taped = this.#taped.get(streamId);
    const { blocks, content, announcedBytes, isAtEnd } = written;
    const last = blocks.length - 1;
    if (taped === undefined || last >= taped.blocks.length) {
      throw tooMuch(shown(blocks[last] ?? []));
    }
    if (!this.#isSame(taped.blocks[last], blocks[last])) {
      throw new TapeError(
        "Other fields are written than on the tape\n" +
          `  on the tape: ${shown(taped.blocks[last])}\n  written:     ${shown(blocks[last])}`,
      );
    }
    if (content.length > taped.content.length) throw tooMuch(content.slice(taped.content.length));
    for (let i = written.comparedBytes; i < content.length; i++) {
      if (content[i] !== taped.content[i] && !isMasked(taped.masked, i)) {
        throw different(taped.content, content, i);
      }
    }
    written.comparedBytes = content.length;
    // What is announced beyond that is found when it comes.
    if (isAtEnd && (!taped.isAtEnd || announcedBytes < taped.announcedBytes)) {
      throw new TapeError(`The request of stream ${streamId} ends before that on the tape`);
    }
  }

  #isSame(taped: Fields, written: Fields): boolean {
    return taped.length === written.length &&
      taped.every(([name, value], i) =>
        name === written[i][0] && (value === written[i][1] || this.#maskedFields.has(name))
      );
  }
}

/** Keeps what an item says of its stream. @returns That stream; null: it says nothing of a message. */
function took(
  streams: Map<number, SentStream>,
  item: FrameItem,
  blocks: TapeBlocks,
): SentStream | null {
  if (item.kind === "preface" || item.kind === "other") return null;
  let stream = streams.get(item.streamId);
  if (stream === undefined) streams.set(item.streamId, stream = new SentStream());
  if (item.kind === "block") stream.blocks.push(blocks.fields(item.block));
  else if (item.kind === "data") stream.content += latin1(item.content);
  else stream.announcedBytes += item.contentBytes;
  if (item.kind !== "data" && item.endStream) stream.isAtEnd = true;
  return stream;
}

function shown(fields: Fields): string {
  return fields.map(([name, value]) => `${name}: ${value}`).join(", ");
}
