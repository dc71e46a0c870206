/**
 * A measurement as the page `docs/performance.md`: what a user asks first. The tables behind it are
 * another page.
 *
 * @module
 */
import { bytes, markdownTable, short, withSpread } from "./format.ts";
import { goalRows, oursOf } from "./report.ts";
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
import { type Work, works } from "./works.ts";

const RUNTIMES = ["deno", "bun", "node"];

const NAMES: Record<string, string> = {
  deno: "Deno",
  bun: "Bun",
  node: "Node",
  http: "node:http",
  http2: "node:http2",
  go: "Go",
  "roundtrip-source": "roundtrip, from JSR",
  "before-source": "before, from JSR",
};

const PEERS = ["raw", "fetch", "undici", "http", "http2", "go"];

/** Shown in this order; those of a group as they are listed. */
const ORDER: readonly Work["group"][] = ["small", "everyday", "more", "bulk", "http2"];

const headlines: readonly Work[] = ORDER.flatMap((group) =>
  works.filter((work) => work.group === group && work.headline !== undefined)
);

function nameOf(name: string): string {
  return NAMES[name] ?? name;
}

/** How many of ours the processor does while it does one of a peer's. */
function byCpu(samples: readonly Sample[], ours: Series, peer: string): Spread | null {
  const theirs = { ...ours, runtime: peer === "go" ? "go" : ours.runtime, client: peer };
  return compare(samples, ours, theirs, "cpuMicrosPerRequest", (a, b) => b / a);
}

function times(spread: Spread | null): string {
  return spread === null ? "" : withSpread(spread, (value) => value.toFixed(2));
}

function figure(
  samples: readonly Sample[],
  series: Series,
  name: keyof Figures,
  format: (value: number) => string,
): string {
  const spread = figureOf(samples, series, name);
  return spread === null ? "" : format(spread.median);
}

/** Ours of each work on a runtime, and the ratio to each peer. */
function speedTable(samples: readonly Sample[], runtime: string): string {
  const series = seriesOf(samples);
  const rows = headlines.flatMap((work) => {
    const ours = oursOf(series.filter((one) => one.work === work.name), runtime);
    if (ours === undefined) return [];
    const isBulk = (figureOf(samples, ours, "bytesPerSecond")?.median ?? 0) > 0;
    const speed = isBulk
      ? figure(samples, ours, "bytesPerSecond", (value) => `${short(value / 1e6)} MB`)
      : figure(samples, ours, "requestsPerSecond", short);
    return [[
      work.headline!,
      speed,
      figure(samples, ours, "cpuMicrosPerRequest", short),
      figure(samples, ours, "residentBytes", bytes),
      ...PEERS.map((peer) => times(byCpu(samples, ours, peer))),
    ]];
  });
  return tableOf(["", "per second", "CPU µs", "memory", ...PEERS.map(nameOf)], rows);
}

/** A table without its empty columns; "" if nothing is left. */
function tableOf(head: string[], rows: string[][]): string {
  if (rows.length === 0) return "";
  const kept = head.map((_, column) => rows.some((row) => row[column] !== ""));
  return markdownTable([head, ...rows].map((row) => row.filter((_, column) => kept[column])));
}

/** `createFetch` beside the runtime's `fetch`. */
function fetchTable(samples: readonly Sample[]): string {
  const rows = headlines.map(({ name: work, headline, atOnce: [atOnce] }) => [
    headline!,
    ...RUNTIMES.map((runtime) =>
      times(byCpu(samples, { work, atOnce, runtime, client: "createFetch" }, "fetch"))
    ),
  ]);
  const measured = rows.filter(([, ...ratios]) => ratios.some((ratio) => ratio !== ""));
  return tableOf(["", ...RUNTIMES.map(nameOf)], measured);
}

/** What is asked of memory: a work, a client, a figure. */
const MEMORY: readonly [what: string, work: string, client: string, figure: keyof Figures][] = [
  ["an idle connection: heap", "idle-memory", "roundtrip", "heapBytesPerConnection"],
  ["the same, a bare socket", "idle-memory", "raw", "heapBytesPerConnection"],
  ["idle after 64 KiB: buffers", "idle-after-64k", "roundtrip", "buffersBytesPerConnection"],
  ["1 GiB down, `read(p)`: growth", "down-1g", "roundtrip-read", "residentGrowthBytes"],
  ["1 GiB down, `stream`: growth", "down-1g", "roundtrip-stream", "residentGrowthBytes"],
  ["the same, `fetch`", "down-1g", "fetch", "residentGrowthBytes"],
  ["1 GiB up from a stream: growth", "up-1g", "roundtrip", "residentGrowthBytes"],
  ["the process after small GETs, 50 at once", "get-small", "roundtrip", "residentBytes"],
  ["the same, `fetch`", "get-small", "fetch", "residentBytes"],
  ["the same, undici", "get-small", "undici", "residentBytes"],
  ["the same, `node:http`", "get-small", "http", "residentBytes"],
];

function memoryTable(samples: readonly Sample[]): string {
  const rows = MEMORY.map(([what, work, client, name]) => {
    const [atOnce] = works.find((one) => one.name === work)!.atOnce;
    return [
      what,
      ...RUNTIMES.map((runtime) => figure(samples, { work, atOnce, runtime, client }, name, bytes)),
    ];
  }).filter(([, ...values]) => values.some((value) => value !== ""));
  return tableOf(["", ...RUNTIMES.map(nameOf)], rows);
}

function startTable(samples: readonly Sample[]): string {
  const some = samples.filter(({ work }) => work === "cold-start");
  const clients = [...new Set(some.map(({ client }) => client))];
  const both = (runtime: string, client: string): string => {
    const series = { work: "cold-start", atOnce: 1, runtime, client };
    const first = figure(some, series, "firstRequestMs", short);
    return first === "" ? "" : `${first} + ${figure(some, series, "secondRequestMs", short)}`;
  };
  const rows = clients.map((client) => [
    nameOf(client),
    ...RUNTIMES.map((runtime) => both(runtime, client)),
  ]);
  return tableOf(["", ...RUNTIMES.map(nameOf)], rows);
}

function section(title: string, text: string, table: string): string {
  return table === "" ? "" : `## ${title}\n\n${text}\n\n${table}\n\n`;
}

/**
 * The page.
 *
 * @param chart File of the chart, or null.
 * @param tables File of the tables behind it.
 */
export function frontPage(measurement: Measurement, chart: string | null, tables: string): string {
  const { machine, versions, commands, samples } = measurement;
  const facts = [
    ...Object.entries(machine),
    [
      "versions",
      Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", "),
    ],
  ].map(([name, value]) => `- ${name}: ${value}`.trimEnd());
  const image = chart === null ? "" : `![Requests per second](${chart.split("/").at(-1)})\n\n`;
  const speeds = RUNTIMES.map((runtime) => [runtime, speedTable(samples, runtime)])
    .filter(([, table]) => table !== "")
    .map(([runtime, table]) => `### ${nameOf(runtime)}\n\n${table}`);
  return `# Performance

<!-- Written by \`deno task bench --markdown\`. Change bench/page.ts, not this page. -->

How fast it is, compared with what, and at what memory. Each client was measured in a process of its own, in turn with
the others (A B C A B C …), and each ratio is made of two measurements of the same turn: the ratios are what counts,
absolute figures are those of one machine. All works, with speed and latencies, are in [${tables}](${tables}).

${image}## How fast

The columns of names are **how many requests of ours the processor does in the time of one of theirs**: above 1, ours
is cheaper; median (min–max) over the runs. “raw” writes the same request and reads the same response on the runtime's
own sockets without looking at them (it parses JSON and unpacks gzip where the others do): it is the limit. “memory” is
our process at the end.

${speeds.join("\n\n")}

${
    section(
      "The drop-in \`fetch\`",
      "`createFetch` and the runtime's own `fetch`, compared in the same way.",
      fetchTable(samples),
    )
  }${
    section(
      "At what memory",
      "Medians. “growth” is how far the process rose while it worked.",
      memoryTable(samples),
    )
  }${
    section(
      "How soon",
      "Milliseconds of import and first request in a new process + those of the second request, of what\nnpm packs; “from JSR” is the source, which Deno loads file by file.",
      startTable(samples),
    )
  }## Goals

“by CPU” is the same ratio made of processor time per request, which a busy machine disturbs less.

${markdownTable(goalRows(samples, true))}

## Where and how

${facts.join("\n")}

\`\`\`sh
${commands.join("\n")}
\`\`\`
`;
}
