/**
 * Looks for what goes wrong with a program when its network does, and says how to see it again.
 *
 * @module
 */
import { callersOptions } from "../conn/callers_options.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import { loadMultiplexed } from "../transport/pool/multiplexed.ts";
import {
  amountOf,
  checkKinds,
  checkSchedule,
  checkSeed,
  FaultPlan,
  kindsOf,
  milder,
  shownFault,
  type SimulatedFault,
  type SimulatedFaultKind,
  type SimulationSchedule,
  withAmount,
} from "./fault_schedule.ts";
import {
  type FoundFailure,
  type ProgramRun,
  runSimulated,
  type SimulatedProgram,
  type SimulationFailureKind,
} from "./simulated_program.ts";
import {
  simulate as simulateTransport,
  type SimulationOptions,
  type SimulationResult,
} from "./simulation.ts";

/** How a program is simulated. */
export interface ProgramSimulationOptions {
  /**
   * How many seeds are tried, from the first one on. Integer from 1.
   *
   * @default {100}
   */
  runs?: number;
  /** What may go wrong. Default: everything that the version of HTTP has. */
  faults?: readonly SimulatedFaultKind[];
  /** Whether transports and server speak HTTP/2. @default {false} */
  http2?: boolean;
  /**
   * Occurrences (timers, arrivals) after which a program that has not ended is taken for one that
   * never will. Integer from 1.
   *
   * @default {10_000}
   */
  maxSteps?: number;
  /**
   * Where a script imports the program from, so that it is complete: the specifier of a module, and
   * the name under which it exports the program.
   */
  script?: { readonly module: string; readonly program: string };
}

/** What came of runs in which nothing was wrong. */
export interface ProgramSimulationResult {
  /** How many there were. */
  readonly runs: number;
  /** How many requests the server saw in all of them. */
  readonly requests: number;
  /** How many things went wrong in all of them. */
  readonly faults: number;
}

/** Something is wrong with a program. Its message has everything. */
export class SimulationFailure extends Error {
  /** Always `"SimulationFailure"`. */
  override readonly name: string = "SimulationFailure";
  /** What was found. */
  readonly kind: SimulationFailureKind;
  /** The schedule, shrunk: without any one of its faults it is another failure, or none. */
  readonly schedule: SimulationSchedule;
  /** A program in TypeScript that makes it happen again, on any runtime. */
  readonly script: string;

  /** Makes the error of a run. */
  constructor(
    found: FoundFailure,
    schedule: SimulationSchedule,
    script: string,
    log: readonly string[],
  ) {
    super(
      [
        `${found.message} (seed ${schedule.seed})`,
        ...log.slice(-LOG_LINES).map((line) => `  ${line}`),
        "This makes it happen again:",
        "",
        script,
      ].join("\n"),
      found.cause === undefined ? {} : { cause: found.cause },
    );
    this.kind = found.kind;
    this.schedule = schedule;
    this.script = script;
  }
}

const OPTIONS: ReadonlySet<string> = new Set<keyof ProgramSimulationOptions>([
  "runs",
  "faults",
  "http2",
  "maxSteps",
  "script",
]);

/** Lines of the log that are told. */
const LOG_LINES = 40;

/** Runs for which a schedule is shrunk at most. */
const MAX_SHRINKING_RUNS = 400;

/**
 * Runs a program on a clock and a network of our own, once for each seed, with faults that the seed
 * has drawn. Found is what {@linkcode SimulationFailureKind} lists; the faults that lead to it are reduced to
 * the few and mild ones that matter.
 *
 * The program has to take its transports, its waiting and its random numbers from the world it is
 * given: real timers, files and sockets have no place in the order of things there.
 *
 * @param from The first seed; or a schedule, which is run once and not shrunk.
 * @throws {SimulationFailure} Something is wrong. {@linkcode HttpError} `ERR_INVALID_REQUEST`: an option, a
 * seed or a schedule that cannot be.
 *
 * @example
 * ```ts
 * import { HttpRequest } from "@roundtrip/http";
 * import { simulate } from "@roundtrip/http/testing";
 *
 * const result = await simulate(1, { runs: 20, faults: ["unavailable"] }, async (world) => {
 *   const transport = world.transport();
 *   const response = await transport.roundTrip(new HttpRequest("http://a.test/"));
 *   await response.body.close();
 * });
 * console.log(result.runs, result.requests); // 20 20
 * ```
 */
export function simulate(
  from: number | SimulationSchedule,
  options: ProgramSimulationOptions,
  program: SimulatedProgram,
): Promise<ProgramSimulationResult>;
/**
 * Drives a transport through the world of one seed, and checks it after every step: how Roundtrip
 * tests itself.
 *
 * @throws {SimulationError} Something was wrong.
 */
export function simulate(options: SimulationOptions): Promise<SimulationResult>;
export function simulate(
  first: number | SimulationSchedule | SimulationOptions,
  options?: ProgramSimulationOptions,
  program?: SimulatedProgram,
): Promise<ProgramSimulationResult | SimulationResult> {
  return program === undefined && options === undefined
    ? simulateTransport(first as SimulationOptions)
    : simulateProgram(first as number | SimulationSchedule, options!, program!);
}

async function simulateProgram(
  from: number | SimulationSchedule,
  options: ProgramSimulationOptions,
  program: SimulatedProgram,
): Promise<ProgramSimulationResult> {
  const { runs = 100, http2 = false, maxSteps = 10_000, script, faults = kindsOf(http2) } =
    callersOptions(
      options,
      OPTIONS,
      (name) => invalid(`Unknown option of simulate "${printable(name)}"`),
    );
  if (typeof program !== "function") throw invalid("There is no program to simulate");
  for (const [name, value] of [["runs", runs], ["maxSteps", maxSteps]] as const) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw invalid(`${name} is not an integer from 1 on`);
    }
  }
  checkKinds(faults, http2);
  // Files come when they come, in no turn of a world; a transport of the program may speak HTTP/2 too.
  await loadMultiplexed();
  const run = (seed: number, plan: FaultPlan): Promise<ProgramRun> =>
    runSimulated(seed, plan, { http2, maxSteps }, program);
  const failure = (found: FoundFailure, schedule: SimulationSchedule, log: readonly string[]) =>
    new SimulationFailure(found, schedule, scriptOf(schedule, { http2, script }), log);
  if (typeof from === "object" && from !== null) {
    checkSchedule(from, http2);
    const plan = FaultPlan.written(from.faults);
    const { failure: found, requestCount, log } = await run(from.seed, plan);
    if (found !== null) throw failure(found, from, log);
    return { runs: 1, requests: requestCount, faults: plan.taken.length };
  }
  checkSeed(from);
  const sum = { runs, requests: 0, faults: 0 };
  for (let seed = from; seed < from + runs; seed++) {
    const plan = FaultPlan.drawn(seed, faults);
    const { failure: found, requestCount } = await run(seed, plan);
    if (found !== null) {
      const shrunk = await shrink(
        plan.taken,
        signature(found),
        (list) => run(seed, FaultPlan.written(list)),
      );
      const again = await run(seed, FaultPlan.written(shrunk));
      throw failure(again.failure ?? found, { seed, faults: shrunk }, again.log);
    }
    sum.requests += requestCount;
    sum.faults += plan.taken.length;
  }
  return sum;
}

/** What must stay while a schedule shrinks, or another failure would be told of than the one that was found. */
function signature({ kind, cause }: FoundFailure): string {
  const { name, code } = (cause ?? {}) as { name?: unknown; code?: unknown };
  return [kind, name, code].join(" ");
}

/** Leaves out faults, by halves and then one by one, and makes those that are left milder. */
async function shrink(
  faults: readonly SimulatedFault[],
  wanted: string,
  run: (faults: readonly SimulatedFault[]) => Promise<ProgramRun>,
): Promise<readonly SimulatedFault[]> {
  let left = faults;
  let runs = 0;
  const stillFails = async (tried: readonly SimulatedFault[]): Promise<boolean> => {
    if (++runs > MAX_SHRINKING_RUNS) return false;
    const { failure } = await run(tried);
    if (failure === null || signature(failure) !== wanted) return false;
    left = tried;
    return true;
  };
  for (let size = Math.ceil(left.length / 2); size >= 1;) {
    let isSmaller = false;
    // From the end: what comes last depends on what was before, not the other way.
    for (let at = left.length - size; at > -size; at -= size) {
      const from = Math.max(0, at);
      if (await stillFails([...left.slice(0, from), ...left.slice(at + size)])) isSmaller = true;
    }
    if (size > 1) size = Math.ceil(size / 2);
    else if (!isSmaller) break;
  }
  for (let i = 0; i < left.length; i++) {
    const failsWith = (one: SimulatedFault): Promise<boolean> =>
      stillFails([...left.slice(0, i), one, ...left.slice(i + 1)]);
    let enough = 0;
    for (const one of milder(left[i])) {
      if (await failsWith(one)) break;
      enough = amountOf(one);
    }
    // Between the last that was too mild and the one that is not: where it begins.
    while (amountOf(left[i]) - enough > 1) {
      const middle = Math.floor((amountOf(left[i]) + enough) / 2);
      if (!await failsWith(withAmount(left[i], middle))) enough = middle;
    }
  }
  return left;
}

function scriptOf(
  { seed, faults }: SimulationSchedule,
  { http2, script }: Pick<ProgramSimulationOptions, "http2" | "script">,
): string {
  const list = faults.map((fault) => `    ${shownFault(fault)},\n`).join("");
  const shownFaults = list === "" ? "[]" : `[\n${list}  ]`;
  const imports = ['import { simulate } from "@roundtrip/http/testing";'];
  if (script !== undefined) {
    imports.push(`import { ${script.program} } from ${JSON.stringify(script.module)};`);
  }
  return [
    ...imports,
    "",
    "await simulate({",
    `  seed: ${seed},`,
    `  faults: ${shownFaults},`,
    `}, ${http2 ? "{ http2: true }" : "{}"}, ${script?.program ?? "program"});`,
    "",
  ].join("\n");
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
