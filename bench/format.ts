/**
 * Numbers and tables as text.
 *
 * @module
 */
import type { Goal } from "./goals.ts";
import type { Spread } from "./samples.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** A number with few digits that still tell. */
export function short(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en");
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}

/** A size in memory. */
export function bytes(value: number): string {
  return Math.abs(value) < MIB ? `${short(value / KIB)} KiB` : `${short(value / MIB)} MiB`;
}

/** How the value of a goal is written. */
export const units: Record<Goal["unit"], (value: number) => string> = {
  percent: (value) => `${Math.round(value * 100)} %`,
  times: (value) => `${value.toFixed(2)} ×`,
  bytes,
  nanos: (value) => `${Math.round(value)} ns`,
  ms: (value) => `${value.toFixed(1)} ms`,
};

/** The median, and the extremes where there is more than one value. */
export function withSpread(spread: Spread, format: (value: number) => string): string {
  const median = format(spread.median);
  return spread.runs === 1 ? median : `${median} (${format(spread.min)}–${format(spread.max)})`;
}

/** A table for a terminal. */
export function padded(rows: readonly string[][], leftColumns: number): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, column) =>
      column < leftColumns ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ").trimEnd()
  ).join("\n");
}

/** A table for a page. */
export function markdownTable(rows: readonly string[][]): string {
  const widths = rows[0].map((_, column) =>
    Math.max(3, ...rows.map((row) => [...row[column]].length))
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, n) => cell + " ".repeat(widths[n] - [...cell].length)).join(" | ")} |`;
  const [head, ...rest] = rows;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}
