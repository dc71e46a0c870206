/**
 * How far a body has come, in one line of text. Pure.
 *
 * @module
 */
import { bytesText, durationText } from "./amounts.ts";

/** Milliseconds. A body that is there sooner needs no bar. */
export const QUIET_MS = 500;

/** What has come, and in which time. */
export interface Came {
  readonly bytes: number;
  readonly elapsedMs: number;
}

/** Characters of an amount, and of a time that is left, where lines stand below each other. */
const AMOUNT_ROOM = 8;
const TIME_ROOM = 5;

/**
 * The line while it goes on.
 *
 * @param came `lengthBytes`: of the whole body, or null: unknown.
 * @param room Characters, at most.
 * @param isAligned Whether others stand below it: amounts are as wide then, and so are bars.
 */
export function progressLine(
  came: Came & { lengthBytes: number | null },
  room: number,
  isAligned = false,
): string {
  const { bytes, elapsedMs, lengthBytes: total } = came;
  const wide = (text: string, width: number): string => isAligned ? text.padStart(width) : text;
  const amountOf = (count: number): string => wide(bytesText(count), AMOUNT_ROOM);
  const amount = total === null ? bytesText(bytes) : `${amountOf(bytes)} of ${amountOf(total)}`;
  const parts = [amount, total === null ? rateText(came) : wide(rateText(came), AMOUNT_ROOM + 2)];
  if (total !== null && total > 0 && bytes > 0) {
    const left = durationText(elapsedMs * Math.max(0, total - bytes) / bytes);
    parts.push(`${wide(left, TIME_ROOM)} left`);
  }
  const text = parts.join("  ");
  if (total === null || total === 0) return text.slice(0, room);
  const share = Math.min(1, bytes / total);
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const barRoom = Math.min(30, room - percent.length - text.length - 6);
  if (barRoom < 5) {
    return isAligned ? progressLine(came, room) : `${percent}  ${text}`.slice(0, room);
  }
  const filled = Math.round(share * barRoom);
  return `${percent} [${"#".repeat(filled)}${"-".repeat(barRoom - filled)}]  ${text}`;
}

/** The line that is left. */
export function summaryLine(came: Came): string {
  return `${bytesText(came.bytes)} in ${durationText(came.elapsedMs)}, ${rateText(came)}`;
}

function rateText({ bytes, elapsedMs }: Came): string {
  return `${bytesText(Math.round(bytes / Math.max(elapsedMs, 1) * 1000))}/s`;
}
