/**
 * A measurement as tables: of each work, and of the goals.
 *
 * @module
 */
import {
  compare,
  figureOf,
  type Figures,
  type Measurement,
  type Sample,
  type Series,
  seriesOf,
  type Spread,
} from "./samples.ts";
import { bytes, markdownTable, padded, short, units, withSpread } from "./format.ts";
import { type Goal, goals } from "./goals.ts";
import { works } from "./works.ts";

/** What a column shows of a series. */
interface Column {
  readonly title: string;
  readonly figure: keyof Figures;
  readonly format: (value: number) => string;
}

const columns: readonly Column[] = [
  { title: "req/s", figure: "requestsPerSecond", format: short },
  { title: "MB/s", figure: "bytesPerSecond", format: (value) => short(value / 1e6) },
  { title: "CPU µs/req", figure: "cpuMicrosPerRequest", format: short },
  { title: "p50 µs", figure: "p50Micros", format: short },
  { title: "p99 µs", figure: "p99Micros", format: short },
  { title: "p99.9 µs", figure: "p999Micros", format: short },
  { title: "slowest loop", figure: "slowestLoopShare", format: units.percent },
  { title: "taken up", figure: "sessionsResumedShare", format: units.percent },
  { title: "first, ms", figure: "firstRequestMs", format: short },
  { title: "second, ms", figure: "secondRequestMs", format: short },
  { title: "resident", figure: "residentBytes", format: bytes },
  { title: "growth", figure: "residentGrowthBytes", format: bytes },
  { title: "resident/conn", figure: "residentBytesPerConnection", format: bytes },
  { title: "heap/conn", figure: "heapBytesPerConnection", format: bytes },
  { title: "buffers/conn", figure: "buffersBytesPerConnection", format: bytes },
  { title: "ns, 10 hosts", figure: "nanosWith10Hosts", format: short },
  { title: "ns, 10,000 hosts", figure: "nanosWith10000Hosts", format: short },
];

/** Columns that say nothing of one long exchange. */
const ofManyRequests: readonly (keyof Figures)[] = [
  "requestsPerSecond",
  "p50Micros",
  "p99Micros",
  "p999Micros",
];

/** What ratios are made of: speed, or else time, or else memory. */
function mainFigure(samples: readonly Sample[]): keyof Figures {
  const figures: (keyof Figures)[] = [
    "bytesPerSecond",
    "requestsPerSecond",
    "firstRequestMs",
    "residentBytesPerConnection",
    "nanosWith10000Hosts",
  ];
  return figures.find((figure) => samples.some((sample) => (sample.figures[figure] ?? 0) > 0)) ??
    "requestsPerSecond";
}

/** The first of ours in a group of series of one work and number at once. */
export function oursOf(group: readonly Series[], runtime: string): Series | undefined {
  return group.find((series) =>
    series.runtime === runtime && series.client.startsWith("roundtrip")
  );
}

/** Ours to a series: to its own runtime's, or to each runtime's where it has none. */
function ratios(
  samples: readonly Sample[],
  group: readonly Series[],
  series: Series,
  figure: keyof Figures,
): string {
  const own = oursOf(group, series.runtime);
  if (own === series) return "";
  const runtimes = own ? [series.runtime] : [...new Set(group.map(({ runtime }) => runtime))];
  return runtimes.flatMap((runtime) => {
    const ours = oursOf(group, runtime);
    const ratio = ours ? compare(samples, ours, series, figure) : null;
    if (ratio === null) return [];
    return own
      ? withSpread(ratio, (value) => value.toFixed(2))
      : `${runtime} ${ratio.median.toFixed(2)}`;
  }).join(", ");
}

/** A table of one work, and the ratios of ours to each other client. */
function table(samples: readonly Sample[], group: readonly Series[]): string[][] {
  const figure = mainFigure(samples);
  const shown = columns.filter((column) =>
    samples.some(({ figures }) => figures[column.figure] !== undefined) &&
    !(column.figure === "bytesPerSecond" && figure !== "bytesPerSecond") &&
    !(figure === "bytesPerSecond" && ofManyRequests.includes(column.figure))
  );
  const hasCpu = samples.some(({ figures }) => figures.cpuMicrosPerRequest !== undefined);
  const rows = group.map((series) => {
    return [
      series.runtime,
      series.client,
      ...shown.map((column) => {
        const value = figureOf(samples, series, column.figure);
        return value === null ? "" : column.format(value.median);
      }),
      ratios(samples, group, series, figure),
      ...(hasCpu ? [ratios(samples, group, series, "cpuMicrosPerRequest")] : []),
    ];
  });
  const name = group.find(({ client }) => client.startsWith("roundtrip"))?.client ?? "ours";
  const head = ["runtime", "client", ...shown.map(({ title }) => title), `${name} : this`];
  return [hasCpu ? [...head, "CPU, the same"] : head, ...rows];
}

interface WorkTable {
  readonly title: string;
  readonly rows: string[][];
}

function workTables(samples: readonly Sample[]): WorkTable[] {
  const found: WorkTable[] = [];
  for (const work of works) {
    for (
      const atOnce of new Set(samples.filter((s) => s.work === work.name).map((s) => s.atOnce))
    ) {
      const some = samples.filter((s) => s.work === work.name && s.atOnce === atOnce);
      const runs = new Set(some.map(({ run }) => run)).size;
      found.push({
        title: `${work.name}: ${work.what}; ${atOnce} at once, ${runs} ${
          runs === 1 ? "run" : "runs"
        }`,
        rows: table(some, seriesOf(some)),
      });
    }
  }
  return found;
}

/** What a goal's value was; null: not measured. */
export function reached(samples: readonly Sample[], goal: Goal): Spread | null {
  const peer = peerOf(goal);
  if (peer === null) return figureOf(samples, goal, goal.figure);
  const how = {
    ratio: undefined,
    inverse: (ours: number, theirs: number) => theirs / ours,
    difference: (ours: number, theirs: number) => ours - theirs,
  }[goal.by ?? "ratio"];
  return compare(samples, goal, peer, goal.figure, how);
}

function peerOf(goal: Goal): Series | null {
  const { against } = goal;
  if (against === null) return null;
  return { ...goal, runtime: against === "go" ? "go" : goal.runtime, client: against };
}

/** What a goal about speed would be if only our own processor time counted. */
function byProcessorTime(samples: readonly Sample[], goal: Goal): string {
  const peer = peerOf(goal);
  if (peer === null || !goal.figure.endsWith("PerSecond")) return "";
  const value = compare(
    samples,
    goal,
    peer,
    "cpuMicrosPerRequest",
    (ours, theirs) => theirs / ours,
  );
  return value === null ? "" : units[goal.unit](value.median);
}

function isMet(goal: Goal, { median }: Spread): boolean {
  return median >= (goal.atLeast ?? -Infinity) && median <= (goal.atMost ?? Infinity);
}

/** A row for each goal. `all`: also for those that were not measured, unless they need another tree. */
export function goalRows(samples: readonly Sample[], all: boolean): string[][] {
  const rows = [["work", "runtime", "goal", "measured: median (min–max)", "by CPU", "runs", "met"]];
  for (const goal of goals) {
    const value = reached(samples, goal);
    const needsTree = goal.against?.startsWith("before") === true;
    if (value === null && (!all || needsTree)) continue;
    rows.push([
      goal.atOnce === 1 ? goal.work : `${goal.work}, ${goal.atOnce}`,
      goal.runtime,
      goal.says,
      value === null ? "not measured" : withSpread(value, units[goal.unit]),
      byProcessorTime(samples, goal),
      value === null ? "" : String(value.runs),
      value === null ? "" : isMet(goal, value) ? "yes" : "no",
    ]);
  }
  return rows;
}

/** The whole measurement for a terminal. */
export function textReport({ samples }: Measurement): string {
  const parts = workTables(samples).map(({ title, rows }) => `\n${title}\n${padded(rows, 2)}`);
  const rows = goalRows(samples, false);
  if (rows.length > 1) parts.push(`\nGoals\n${padded(rows, 4)}`);
  return parts.join("\n");
}

/** Every work as a page. */
export function tablesPage({ samples }: Measurement, front: string): string {
  const tables = workTables(samples)
    .map(({ title, rows }) => `## ${title}\n\n${markdownTable(rows)}`);
  return `# Performance, every work

<!-- Written by \`deno task bench --markdown\`. Change bench/report.ts, not this page. -->

Medians over the runs. The last columns are the ratios of ours, in the first row of the runtime, to the row's client:
median (min–max), of speed and of processor time per request, which neighbours disturb less. “resident” is the client's
process at the end; “growth” is how far it rose while measuring; “slowest loop” is what the loop got that got least of
all, compared with the mean. How it was measured, and what it comes to: [${front}](${front}).

${tables.join("\n\n")}`.trimEnd() + "\n";
}
