/**
 * How an HTTP/2 connection of a tape goes on. Compared is what requests say, stream by stream, not their
 * bytes: blocks of fields depend on what was sent before, and frames about the connection on times.
 *
 * @module
 */
import { ACK, SETTINGS, WINDOW_UPDATE } from "../http2/frame_types.ts";
import { concat } from "./joined_bytes.ts";
import { bytesOf } from "./latin1.ts";
import { PeerWindows } from "./peer_windows.ts";
import { type Playback, type PlayedStep, tooMuch } from "./playback.ts";
import { compareSent, type SentStream, shown, take, takeTaped } from "./sent_stream.ts";
import type { TapedConnection } from "./tape.ts";
import { type FrameItem, TapeBlocks, TapeFrames } from "./tape_frames.ts";

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
  readonly #windows: PeerWindows = new PeerWindows();

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
        const items = out.push(bytesOf(one.bytes));
        for (const { streamId, stream } of takeTaped(this.#taped, items, blocks, one.masked)) {
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
      this.#windows.take(unit.streamId, unit.windowBytes);
    }
    return { kind: "in", afterMs, bytes: concat(pieces) };
  }

  wrote(p: Uint8Array): void {
    for (const item of this.#frames.push(p)) {
      if (item.kind === "other") this.#heed(item);
      const stream = take(this.#written, item, this.#blocks);
      if (stream !== null) this.#compare((item as FrameItem & { kind: "data" }).streamId, stream);
    }
  }

  #heed({ type, flags, streamId, payload }: FrameItem & { kind: "other" }): void {
    if (type === SETTINGS && (flags & ACK) === 0) {
      this.#windows.settings(payload);
    } else if (type === WINDOW_UPDATE) this.#windows.update(streamId, payload);
  }

  #isDue({ needs, streamId, windowBytes }: Unit): boolean {
    for (const need of needs) {
      const stream = this.#written.get(need.streamId);
      if (stream === undefined || stream.blocks.length < need.blockCount) return false;
      if (stream.content.length < need.contentBytes) return false;
    }
    return windowBytes === 0 || windowBytes <= this.#windows.room(streamId);
  }

  #compare(streamId: number, written: SentStream): void {
    const taped = this.#taped.get(streamId);
    if (taped === undefined) throw tooMuch(shown(written.blocks.at(-1) ?? []));
    compareSent(taped, written, this.#maskedFields);
  }
}
