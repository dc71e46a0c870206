/**
 * What a client has sent on a stream of HTTP/2, on a tape or so far, and whether the two are the same.
 *
 * @module
 */
import { latin1 } from "./latin1.ts";
import { different, isMasked, tooMuch } from "./playback.ts";
import { TapeError } from "./tape.ts";
import type { FrameItem, TapeBlocks } from "./tape_frames.ts";
import { addByte, type Spans } from "./tape_mask.ts";

/** Of a block, pseudo-fields first. */
export type Fields = [name: string, value: string][];

/** What a stream has sent: all of it, or so far. */
export class SentStream {
  readonly blocks: Fields[] = [];
  content = "";
  /** Which bytes of the content may be anything: pairs of an offset and a length. */
  readonly masked: Spans = [];
  /** Bytes of content that were announced, with those that have come. */
  announcedBytes = 0;
  /** How much was compared with that of a tape. */
  comparedBlocks = 0;
  comparedBytes = 0;
  isAtEnd = false;
}

/** Keeps what an item says of its stream. @returns That stream; null: it says nothing of a message. */
export function take(
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

/**
 * Keeps what the items of one event of a tape say.
 *
 * @param masked Which bytes of the event may be anything.
 * @returns The streams that they are of, one for each item that says something of a message.
 */
export function takeTaped(
  streams: Map<number, SentStream>,
  items: readonly FrameItem[],
  blocks: TapeBlocks,
  masked: readonly (readonly [number, number])[],
): { streamId: number; stream: SentStream }[] {
  const taken: { streamId: number; stream: SentStream }[] = [];
  let at = 0;
  for (const item of items) {
    const stream = take(streams, item, blocks);
    if (item.kind === "data") {
      const start = stream!.content.length - item.content.length;
      for (let i = 0; i < item.content.length; i++) {
        if (isMasked(masked, at + i)) addByte(stream!.masked, start + i);
      }
    }
    at += item.raw.length;
    if (stream !== null) taken.push({ streamId: (item as { streamId: number }).streamId, stream });
  }
  return taken;
}

/**
 * Compares what has been written since it was compared last.
 *
 * @param maskedFields Their values may be anything.
 * @throws {TapeError} It is not what stands on the tape.
 */
export function compareSent(
  taped: SentStream,
  written: SentStream,
  maskedFields: ReadonlySet<string>,
): void {
  const { blocks, content, announcedBytes, isAtEnd } = written;
  for (; written.comparedBlocks < blocks.length; written.comparedBlocks++) {
    const fields = blocks[written.comparedBlocks];
    const expected = taped.blocks[written.comparedBlocks];
    if (expected === undefined) throw tooMuch(shown(fields));
    if (isSame(expected, fields, maskedFields)) continue;
    throw new TapeError(
      "Other fields are written than on the tape\n" +
        `  on the tape: ${shown(expected)}\n  written:     ${shown(fields)}`,
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
    throw new TapeError("A request ends before that on the tape");
  }
}

function isSame(taped: Fields, written: Fields, masked: ReadonlySet<string>): boolean {
  return taped.length === written.length &&
    taped.every(([name, value], i) =>
      name === written[i][0] && (value === written[i][1] || masked.has(name))
    );
}

/** Fields in a message for people. */
export function shown(fields: Fields): string {
  return fields.map(([name, value]) => `${name}: ${value}`).join(", ");
}
