/**
 * What a run of the benchmarks leaves behind, and the figures that are made of it.
 *
 * @module
 */

/** Figures of one client process, each optional; the unit is in the name. */
export interface Figures {
  requestsPerSecond?: number;
  bytesPerSecond?: number;
  /** User and system time of the client's process. */
  cpuMicrosPerRequest?: number;
  p50Micros?: number;
  p99Micros?: number;
  p999Micros?: number;
  /** Resident memory of the client's process at the end. */
  residentBytes?: number;
  /** Highest resident memory while measuring, less that at the beginning of it. */
  residentGrowthBytes?: number;
  residentBytesPerConnection?: number;
  heapBytesPerConnection?: number;
  /** Of array buffers; where the runtime does not tell them apart, of all memory outside the heap. */
  buffersBytesPerConnection?: number;
  /** Exchanges of the loop that made fewest, compared with the mean of all: 1 is fair. */
  slowestLoopShare?: number;
  /** How many of the TLS connections took a session up again. */
  sessionsResumedShare?: number;
  /** From before the import to the end of the first response. */
  firstRequestMs?: number;
  /** From then to the end of the second one. */
  secondRequestMs?: number;
  /** One take and one give back. */
  nanosWith10Hosts?: number;
  nanosWith10000Hosts?: number;
}

/** One measured process. Samples of one `run` were taken one after the other. */
export interface Sample {
  work: string;
  atOnce: number;
  /** `deno`, `bun`, `node` or `go`. */
  runtime: string;
  client: string;
  run: number;
  figures: Figures;
}

/** One or more runs of the command. */
export interface Measurement {
  machine: Record<string, string>;
  versions: Record<string, string>;
  commands: string[];
  samples: Sample[];
}

/** A value over the runs. */
export interface Spread {
  median: number;
  min: number;
  max: number;
  runs: number;
}

/** Which samples: of one work, one number at once, one runtime, one client. */
export interface Series {
  work: string;
  atOnce: number;
  runtime: string;
  client: string;
}

/** Median and extremes; null of nothing. The median of an even number is the mean of the middle two. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return {
    median: sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2,
    min: sorted[0],
    max: sorted[sorted.length - 1],
    runs: sorted.length,
  };
}

/** One figure of one series, by run. */
function figureByRun(
  samples: readonly Sample[],
  series: Series,
  figure: keyof Figures,
): Map<number, number> {
  const values = new Map<number, number>();
  for (const sample of samples) {
    const value = sample.figures[figure];
    if (
      value !== undefined && sample.work === series.work && sample.atOnce === series.atOnce &&
      sample.runtime === series.runtime && sample.client === series.client
    ) {
      values.set(sample.run, value);
    }
  }
  return values;
}

/** One figure of one series over the runs. */
export function figureOf(
  samples: readonly Sample[],
  series: Series,
  figure: keyof Figures,
): Spread | null {
  return spreadOf([...figureByRun(samples, series, figure).values()]);
}

/** `ours` compared with `theirs` run by run: only what was measured side by side is compared. */
export function compare(
  samples: readonly Sample[],
  ours: Series,
  theirs: Series,
  figure: keyof Figures,
  how: (ours: number, theirs: number) => number = (a, b) => a / b,
): Spread | null {
  const base = figureByRun(samples, theirs, figure);
  const values: number[] = [];
  for (const [run, value] of figureByRun(samples, ours, figure)) {
    const other = base.get(run);
    if (other !== undefined) values.push(how(value, other));
  }
  return spreadOf(values);
}

/** Every series that has samples, in the order in which they were first measured. */
export function seriesOf(samples: readonly Sample[]): Series[] {
  const found = new Map<string, Series>();
  for (const { work, atOnce, runtime, client } of samples) {
    const key = [work, atOnce, runtime, client].join(" ");
    if (!found.has(key)) found.set(key, { work, atOnce, runtime, client });
  }
  return [...found.values()];
}
