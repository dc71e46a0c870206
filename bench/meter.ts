/**
 * Counts exchanges while they are measured: how many, how long each, at what cost.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { build, type Histogram } from "hdr-histogram-js";
import type { Figures } from "./samples.ts";

/** One closed loop's view of the meter. Call `next()` after each exchange. */
export interface Lap {
  /**
   * Counts one exchange; false: stop.
   *
   * @param resumed Whether its TLS session was taken up again, where that is known.
   */
  next(resumed?: boolean): boolean;
}

/** Latencies are recorded in tenths of a microsecond. */
const PER_MS = 10_000;

/** Measures all loops of one process: first they warm up, then they count. */
export class Meter {
  readonly #histogram: Histogram = build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600_000 * PER_MS,
    numberOfSignificantValueDigits: 3,
  });
  /** Exchanges of each loop. */
  readonly #counts: number[] = [];
  readonly #warmUp: number;
  readonly #ms: number;
  readonly #maxCount: number;
  #endAtMs = 0;
  /** Exchanges that are still to be made before it counts. */
  #warming: number;
  #startedAtMs = 0;
  #seconds = 0;
  #cpu: NodeJS.CpuUsage = { user: 0, system: 0 };
  #residentBytes = 0;
  #count = 0;
  #resumed = 0;
  #notResumed = 0;
  #state: "warming" | "measuring" | "ended" = "warming";

  /**
   * @param warmUp Exchanges before it counts; 0: it measures from the first moment. Not a time: a
   * slow client would be measured before its code is compiled.
   * @param maxCount Exchanges to count at most; 0: only the time ends it.
   */
  constructor(warmUp: number, ms: number, maxCount: number) {
    this.#warmUp = warmUp;
    this.#warming = warmUp;
    this.#ms = ms;
    this.#maxCount = maxCount === 0 ? Infinity : maxCount;
    if (warmUp === 0) this.#begin(performance.now());
  }

  /** The view of one more loop. */
  lap(): Lap {
    const loop = this.#counts.push(0) - 1;
    let before = performance.now();
    return {
      next: (resumed) => {
        const now = performance.now();
        const took = now - before;
        before = now;
        return this.#lap(loop, now, took, resumed);
      },
    };
  }

  /** Throws if fewer connections were opened than a client needs that uses each of them once. */
  checkConnections(opened: number): void {
    const exchanges = this.#warmUp + this.#count;
    if (opened < exchanges) throw new Error(`${opened} connections for ${exchanges} requests`);
  }

  /** What was measured. */
  figures(bytesPerExchange: number): Figures {
    const count = this.#count;
    if (this.#state !== "ended" || count === 0) throw new Error("Nothing was measured");
    const cpuMicros = this.#cpu.user + this.#cpu.system;
    const peakBytes = peakResidentBytes();
    const micros = (percentile: number): number =>
      this.#histogram.getValueAtPercentile(percentile) / PER_MS * 1_000;
    return {
      requestsPerSecond: count / this.#seconds,
      bytesPerSecond: count * bytesPerExchange / this.#seconds,
      cpuMicrosPerRequest: cpuMicros / count,
      p50Micros: micros(50),
      p99Micros: micros(99),
      p999Micros: micros(99.9),
      ...(this.#counts.length > 1
        ? { slowestLoopShare: Math.min(...this.#counts) * this.#counts.length / count }
        : {}),
      ...(this.#resumed + this.#notResumed > 0
        ? { sessionsResumedShare: this.#resumed / (this.#resumed + this.#notResumed) }
        : {}),
      residentBytes: process.memoryUsage().rss,
      ...(peakBytes === null
        ? {}
        : { residentGrowthBytes: Math.max(0, peakBytes - this.#residentBytes) }),
    };
  }

  #lap(loop: number, now: number, tookMs: number, resumed: boolean | undefined): boolean {
    if (this.#state === "measuring") {
      this.#histogram.recordValue(Math.max(1, Math.round(tookMs * PER_MS)));
      this.#counts[loop]++;
      if (resumed === true) this.#resumed++;
      else if (resumed === false) this.#notResumed++;
      if (++this.#count >= this.#maxCount || now >= this.#endAtMs) this.#end(now);
    } else if (this.#state === "warming" && --this.#warming <= 0) {
      this.#begin(now);
    }
    return this.#state !== "ended";
  }

  #begin(now: number): void {
    this.#state = "measuring";
    this.#residentBytes = resetPeakResident();
    this.#cpu = process.cpuUsage();
    this.#startedAtMs = now;
    this.#endAtMs = now + this.#ms;
  }

  #end(now: number): void {
    this.#state = "ended";
    this.#seconds = (now - this.#startedAtMs) / 1000;
    this.#cpu = process.cpuUsage(this.#cpu);
  }
}

/** Where Linux tells: the highest resident memory since it was last reset. */
function peakResidentBytes(): number | null {
  try {
    const [, kibibytes] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))!;
    return Number(kibibytes) * 1024;
  } catch {
    return null;
  }
}

/** Makes the present resident memory the highest, and returns it. */
function resetPeakResident(): number {
  const before = process.memoryUsage().rss;
  try {
    writeFileSync("/proc/self/clear_refs", "5");
    return peakResidentBytes() ?? before;
  } catch {
    return before;
  }
}
