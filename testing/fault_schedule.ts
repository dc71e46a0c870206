/**
 * What goes wrong in a simulated run, and when: drawn from a seed, or as it is written down.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { SeededRandom } from "./seeded_random.ts";
import { faults, type WireFault } from "./wire_fault.ts";

/** What can go wrong, by name; docs/testing.md says what each of them does. */
export type SimulatedFaultKind =
  | "dialRefused"
  | "dialLost"
  | "dialLate"
  | "requestLost"
  | "requestLate"
  | "responseLate"
  | "unavailable"
  | "reset"
  | "halfClose"
  | "stall"
  | "slow"
  | "wrongLength"
  | "badChunk"
  | "garbage"
  | "goAway"
  | "rstStream";

/** One thing that goes wrong. */
export interface SimulatedFault {
  /** Integer from 1: which dial of the run, or which request, in the order in which they reach the server. */
  readonly nth: number;
  /** What happens to it; names that begin with `dial` are about dials, all others about requests. */
  readonly kind: SimulatedFaultKind;
  /** Of the late kinds: by how many milliseconds. Integer from 1. */
  readonly ms?: number;
  /** Of `reset`, `halfClose` and `stall`: after how many bytes; of `wrongLength`: how many are missing. */
  readonly bytes?: number;
  /** Of `slow`. Integer from 1. */
  readonly bytesPerSecond?: number;
}

/** A run as it is written down: two runs of one schedule take the same course, on every runtime. */
export interface SimulationSchedule {
  /** Decides what {@linkcode SimulatedWorld.random} gives. Integer. */
  readonly seed: number;
  /** All that goes wrong. */
  readonly faults: readonly SimulatedFault[];
}

type Measure = "ms" | "bytes" | "bytesPerSecond";

interface Kind {
  readonly on: "dial" | "request";
  readonly measure: Measure | null;
  /** The mildest that it can be, to which a schedule is shrunk. */
  readonly least: number;
  /** Most that is drawn; that of the late kinds is the weather's. */
  readonly most: number;
  /** The version of HTTP that alone has it; null: both. */
  readonly version: 1 | 2 | null;
  /** What the server does; null: it is not done by bytes of a response. */
  readonly wire: ((value: number) => WireFault) | null;
}

const DIAL = { on: "dial", measure: null, least: 0, most: 0, version: null, wire: null } as const;
const REQUEST = { ...DIAL, on: "request" } as const;
const BYTES = { ...REQUEST, measure: "bytes", most: 400 } as const;
const LATE = { measure: "ms", least: 1 } as const;

const KINDS: Readonly<Record<SimulatedFaultKind, Kind>> = {
  dialRefused: DIAL,
  dialLost: DIAL,
  dialLate: { ...DIAL, ...LATE },
  requestLost: REQUEST,
  requestLate: { ...REQUEST, ...LATE },
  responseLate: { ...REQUEST, ...LATE },
  unavailable: REQUEST,
  reset: { ...BYTES, wire: (value) => faults.reset(value) },
  halfClose: { ...BYTES, wire: (value) => faults.halfClose(value) },
  stall: { ...BYTES, wire: (value) => faults.stall(value) },
  slow: {
    ...REQUEST,
    measure: "bytesPerSecond",
    least: 1,
    most: 10_000,
    wire: (value) => faults.slow(value),
  },
  wrongLength: { ...BYTES, least: 1, wire: (value) => faults.wrongLength(value) },
  badChunk: { ...REQUEST, version: 1, wire: () => faults.badChunk() },
  garbage: { ...REQUEST, wire: () => faults.garbage() },
  goAway: { ...REQUEST, version: 2, wire: () => faults.goAway() },
  rstStream: { ...REQUEST, version: 2, wire: () => faults.rstStream() },
};

const LATE_KINDS: ReadonlySet<SimulatedFaultKind> = new Set([
  "dialLate",
  "requestLate",
  "responseLate",
]);

/** The kinds that a version of HTTP has. */
export function kindsOf(http2: boolean): SimulatedFaultKind[] {
  const version = http2 ? 2 : 1;
  return (Object.keys(KINDS) as SimulatedFaultKind[]).filter((kind) =>
    KINDS[kind].version === null || KINDS[kind].version === version
  );
}

/**
 * Checks kinds that a caller has named.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: one that is not known, or that the version does not have.
 */
export function checkKinds(kinds: readonly SimulatedFaultKind[], http2: boolean): void {
  const known = kindsOf(http2);
  for (const kind of kinds) {
    if (known.includes(kind)) continue;
    throw invalid(`HTTP/${http2 ? 2 : 1.1} has no simulated fault "${printable(`${kind}`)}"`);
  }
}

/**
 * Checks a schedule that a caller has written.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: what it says cannot happen.
 */
export function checkSchedule({ seed, faults: list }: SimulationSchedule, http2: boolean): void {
  checkSeed(seed);
  if (!Array.isArray(list)) throw invalid("A schedule has no list of faults");
  for (const fault of list as readonly SimulatedFault[]) {
    checkKinds([fault.kind], http2);
    const { measure, least } = KINDS[fault.kind];
    const isCounted = Number.isSafeInteger(fault.nth) && fault.nth >= 1;
    const isMeasured = measure === null ||
      (Number.isSafeInteger(fault[measure]) && fault[measure]! >= least);
    if (isCounted && isMeasured) continue;
    const wanted = measure === null ? "" : `, and ${measure}, an integer from ${least} on`;
    throw invalid(
      `"${fault.kind}" of a schedule takes nth, an integer from 1 on${wanted}: ${
        shownFault(fault)
      }`,
    );
  }
}

/**
 * Checks a seed.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: not an integer.
 */
export function checkSeed(seed: number): void {
  if (!Number.isSafeInteger(seed)) throw invalid(`The seed ${printable(`${seed}`)} is no integer`);
}

/** The fault as it is written in a schedule. */
export function shownFault(fault: SimulatedFault): string {
  const parts = Object.entries(fault).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return `{ ${parts.join(", ")} }`;
}

/** The fault for a test server; null: it is not one of the bytes of a response. */
export function wireFaultOf(fault: SimulatedFault): WireFault | null {
  const { wire, measure } = KINDS[fault.kind];
  return wire?.(measure === null ? 0 : fault[measure]!) ?? null;
}

/** How strong a fault is, by its measure; 0 where it has none. */
export function amountOf(fault: SimulatedFault): number {
  const { measure } = KINDS[fault.kind];
  return measure === null ? 0 : fault[measure]!;
}

/** The fault with another amount. */
export function withAmount(fault: SimulatedFault, amount: number): SimulatedFault {
  const { measure } = KINDS[fault.kind];
  return measure === null ? fault : { ...fault, [measure]: amount };
}

/** Milder forms of a fault, the mildest first; none: it is as mild as can be. */
export function milder(fault: SimulatedFault): SimulatedFault[] {
  const { measure, least } = KINDS[fault.kind];
  if (measure === null) return [];
  const rounds = [least, 1, 10, 100, 1_000, 10_000];
  return [...new Set(rounds)].filter((one) => one >= least && one < amountOf(fault))
    .map((one) => withAmount(fault, one));
}

/** Says what goes wrong with each dial and request of one run, and keeps what it has said. */
export class FaultPlan {
  /** What it has said so far. */
  readonly taken: SimulatedFault[] = [];
  readonly #of: (on: Kind["on"], nth: number) => SimulatedFault[];

  /** @param of What goes wrong with the nth of them. */
  private constructor(of: (on: Kind["on"], nth: number) => SimulatedFault[]) {
    this.#of = of;
  }

  /** As a schedule has it. */
  static written(list: readonly SimulatedFault[]): FaultPlan {
    return new FaultPlan((on, nth) =>
      list.filter((fault) => fault.nth === nth && KINDS[fault.kind].on === on)
    );
  }

  /** As a seed has it: how much goes wrong is drawn too. */
  static drawn(seed: number, kinds: readonly SimulatedFaultKind[]): FaultPlan {
    const random = new SeededRandom(seed);
    const faultChance = random.pick([0.05, 0.2, 0.5]);
    const lateChance = random.pick([0, 0.3, 0.8]);
    const mostMs = random.pick([5, 50, 2_000, 60_000]);
    const labels = { dial: random.fork(1), request: random.fork(2) };
    return new FaultPlan((on, nth) => {
      const draws = labels[on].fork(nth);
      const own = kinds.filter((kind) => KINDS[kind].on === on);
      const found = own.filter((kind) => LATE_KINDS.has(kind) && draws.chance(lateChance))
        .map((kind): SimulatedFault => ({ nth, kind, ms: draws.integer(1, mostMs) }));
      const others = own.filter((kind) => !LATE_KINDS.has(kind));
      if (others.length > 0 && draws.chance(faultChance)) {
        const kind = draws.pick(others);
        const { measure, least, most } = KINDS[kind];
        // Many things go wrong at the very beginning.
        const value = measure === null || draws.chance(0.3) ? least : draws.integer(least, most);
        found.push(measure === null ? { nth, kind } : { nth, kind, [measure]: value });
      }
      return found;
    });
  }

  /** What goes wrong with the nth dial, or request. */
  take(on: "dial" | "request", nth: number): SimulatedFault[] {
    const found = this.#of(on, nth);
    this.taken.push(...found);
    return found;
  }
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
