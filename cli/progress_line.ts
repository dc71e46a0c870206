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

/**
 * The line while it goes on.
 *
 * @param came `lengthBytes`: of the whole body, or null: unknown.
 * @param room Characters, at most.
 */
export function progressLine(came: Came & { lengthBytes: number | null }, room: number): string {
  const { bytes, elapsedMs, lengthBytes: total } = came;
  const amount = total === null ? bytesText(bytes) : `${bytesText(bytes)} of ${bytesText(total)}`;
  const parts = [amount, rateText(came)];
  if (total !== null && total > 0 && bytes > 0) {
    parts.push(`${durationText(elapsedMs * Math.max(0, total - bytes) / bytes)} left`);
  }
  const text = parts.join("  ");
  if (total === null || total === 0) return text.slice(0, room);
  const share = Math.min(1, bytes / total);
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const barRoom = Math.min(30, room - percent.length - text.length - 6);
  if (barRoom < 5) return `${percent}  ${text}`.slice(0, room);
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
