/**
 * Bytes and times for people. Pure.
 *
 * @module
 */

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A count of bytes in decimal units: `13 B`, `1.5 kB`, `1.1 GB`. */
export function bytesText(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  // What would be shown as 1000.0 belongs to the next unit.
  while (amount >= (unit === 0 ? 1000 : 999.95) && unit < UNITS.length - 1) {
    amount /= 1000;
    unit++;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${UNITS[unit]}`;
}

/** Milliseconds with as many digits as mean something: `0.08`, `3.4`, `120`; null is `-`. */
export function msText(ms: number | null): string {
  if (ms === null) return "-";
  return ms.toFixed(ms < 1 ? 2 : ms < 100 ? 1 : 0);
}

/** Seconds as a person says them: `0.8 s`, `42 s`, `3:05`, `1:02:03`. */
export function durationText(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${two(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}
