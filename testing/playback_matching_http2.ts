/**
 * Plays the exchanges of a tape of HTTP/2 in whatever order they are asked for, on whatever stream.
 *
 * Of what a tape says about connections the server's settings are played; acknowledgements and windows are
 * given as this connection needs them.
 *
 * @module
 */
import {
  ACK,
  DEFAULT_MAX_FRAME_BYTES,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../http2/frame_types.ts";
import { FrameWriter } from "../http2/frame_writer.ts";
import { concat } from "./joined_bytes.ts";
import { PeerWindows } from "./peer_windows.ts";
import type { Playback, PlayedStep } from "./playback.ts";
import { compareSent, type SentStream, shown, take } from "./sent_stream.ts";
import { TapeError } from "./tape.ts";
import { type FrameItem, TapeBlocks, TapeFrames } from "./tape_frames.ts";
import type { TapedStream, TapedWhat } from "./taped_stream.ts";

/** An exchange that is played. */
interface Playing {
  readonly taped: TapedStream;
  /** Which of its parts comes next. */
  next: number;
  /** How much of that was sent already. */
  sentOfPart: number;
  lastAtMs: number;
}

/** One connection on which exchanges are played. Owns: those at hand. */
export class Http2MatchingPlayback implements Playback {
  readonly #streams: readonly TapedStream[];
  readonly #frames: TapeFrames = new TapeFrames(true);
  readonly #blocks: TapeBlocks = new TapeBlocks("request");
  readonly #written: Map<number, SentStream> = new Map();
  readonly #playing: Map<number, Playing> = new Map();
  readonly #windows: PeerWindows = new PeerWindows();
  /** About the connection, and before all else. */
  readonly #told: FrameWriter = new FrameWriter();
  #hasTold = false;

  /** @param streams Those of the address, which all of its connections share. */
  constructor(streams: readonly TapedStream[]) {
    this.#streams = streams;
  }

  next(): PlayedStep | null {
    if (this.#hasTold) {
      this.#hasTold = false;
      return { kind: "in", afterMs: 0, bytes: this.#told.take().slice() };
    }
    for (const [streamId, playing] of this.#playing) {
      const step = this.#nextOf(streamId, playing);
      if (step !== null) return step;
    }
    return null;
  }

  #nextOf(streamId: number, playing: Playing): PlayedStep | null {
    const part = playing.taped.parts[playing.next];
    if (part === undefined) return null;
    const { blocks, content } = this.#written.get(streamId)!;
    if (blocks.length < part.blockCount || content.length < part.sentBytes) return null;
    const afterMs = Math.max(0, part.atMs - Math.max(playing.lastAtMs, part.outAtMs));
    const { what } = part;
    if (what.kind === "content") {
      const bytes = this.#content(streamId, playing, what);
      if (bytes === null) return null;
      playing.lastAtMs = part.atMs;
      return { kind: "in", afterMs, bytes };
    }
    playing.lastAtMs = part.atMs;
    playing.next++;
    if (what.kind === "ended") {
      const { code } = what;
      return code === null ? { kind: "end", afterMs } : { kind: "error", afterMs, code };
    }
    const frames = new FrameWriter();
    if (what.kind === "reset") frames.rstStream(streamId, what.errorCode);
    else frames.headers(streamId, what.block, what.endStream, DEFAULT_MAX_FRAME_BYTES);
    return { kind: "in", afterMs, bytes: frames.take().slice() };
  }

  /** A frame with as much of it as the windows allow; null: nothing. */
  #content(
    streamId: number,
    playing: Playing,
    { pieces, endStream }: TapedWhat & { kind: "content" },
  ): Uint8Array | null {
    const rest = concat([...pieces]).subarray(playing.sentOfPart);
    const content = rest.subarray(0, Math.max(0, this.#windows.room(streamId)));
    if (content.length === 0 && rest.length > 0) return null;
    this.#windows.take(streamId, content.length);
    const isAll = content.length === rest.length;
    playing.sentOfPart = isAll ? 0 : playing.sentOfPart + content.length;
    if (isAll) playing.next++;
    const frames = new FrameWriter();
    frames.data(streamId, content, endStream && isAll);
    return frames.take().slice();
  }

  wrote(p: Uint8Array): void {
    for (const item of this.#frames.push(p)) {
      if (item.kind === "preface") this.#tell((told) => this.#introduce(told));
      else if (item.kind === "other") this.#heed(item);
      else {
        const stream = take(this.#written, item, this.#blocks)!;
        if (item.kind === "data") this.#allowMore(item.streamId, item.content.length);
        this.#match(item.streamId, stream);
      }
    }
  }

  /** The first frame of a server is SETTINGS, empty where the tape has none. */
  #introduce(told: FrameWriter): void {
    const { settings } = this.#streams[0];
    if (settings.length === 0) told.settings([]);
    for (const frame of settings) told.raw(frame);
  }

  #tell(write: (told: FrameWriter) => void): void {
    write(this.#told);
    this.#hasTold = true;
  }

  #heed({ type, flags, streamId, payload }: FrameItem & { kind: "other" }): void {
    if (type === SETTINGS && (flags & ACK) === 0) {
      this.#windows.settings(payload);
      this.#tell((told) => told.settingsAck());
    } else if (type === WINDOW_UPDATE) this.#windows.update(streamId, payload);
    else if (type === PING && (flags & ACK) === 0) {
      this.#tell((told) => told.ping(payload, true));
    } else if (type === RST_STREAM) this.#playing.delete(streamId);
  }

  #allowMore(streamId: number, bytes: number): void {
    if (bytes === 0) return;
    this.#tell((told) => {
      told.windowUpdate(0, bytes);
      told.windowUpdate(streamId, bytes);
    });
  }

  /** Goes on with the exchange at hand, or with another one that is the same so far. */
  #match(streamId: number, written: SentStream): void {
    const playing = this.#playing.get(streamId);
    let failure: unknown = null;
    if (playing !== undefined) {
      try {
        return compareSent(playing.taped.sent, written, playing.taped.maskedFields);
      } catch (error) {
        // What has been answered is that exchange, and no other.
        if (playing.next > 0 || playing.sentOfPart > 0) throw error;
        failure = error;
        playing.taped.isUsed = false;
      }
    }
    for (const taped of this.#streams) {
      if (taped.isUsed || taped === playing?.taped) continue;
      written.comparedBlocks = written.comparedBytes = 0;
      try {
        compareSent(taped.sent, written, taped.maskedFields);
      } catch (error) {
        failure ??= error;
        continue;
      }
      taped.isUsed = true;
      this.#playing.set(streamId, { taped, next: 0, sentOfPart: 0, lastAtMs: -Infinity });
      return;
    }
    throw failure ?? new TapeError(`The tape has no further request: ${shown(written.blocks[0])}`);
  }
}
