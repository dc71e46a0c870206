/**
 * The goals: what is demanded of our figures, alone or beside those of others.
 *
 * @module
 */
import type { Figures } from "./samples.ts";
import { works } from "./works.ts";

/** One demand on a figure of ours, alone or compared with a peer's. */
export interface Goal {
  readonly work: string;
  readonly atOnce: number;
  readonly runtime: string;
  readonly client: string;
  /** In words: what is demanded. */
  readonly says: string;
  readonly figure: keyof Figures;
  /** A client of the same runtime, or `go`; null: our figure itself. */
  readonly against: string | null;
  /** How the two make one value. @default {"ratio"} */
  readonly by?: "ratio" | "inverse" | "difference";
  readonly atLeast?: number;
  readonly atMost?: number;
  /** How the value is written. */
  readonly unit: "percent" | "times" | "bytes" | "nanos" | "ms";
}

const MIB = 1024 * 1024;

/** How many at once, where a goal says nothing else. */
function atOnceOf(work: string): number {
  return works.find(({ name }) => name === work)!.atOnce[0];
}

function demand(client: string, against: string, atLeast: number): string {
  return against === "raw"
    ? `${client}: ≥ ${Math.round(atLeast * 100)} % of raw`
    : `${client}: ≥ ${atLeast} × ${against}`;
}

function rate(
  work: string,
  client: string,
  runtime: string,
  against: string,
  atLeast: number,
): Goal {
  return {
    work,
    atOnce: atOnceOf(work),
    runtime,
    client,
    says: demand(client, against, atLeast),
    figure: work === "down-1g" || work === "up-1g" ? "bytesPerSecond" : "requestsPerSecond",
    against,
    atLeast,
    unit: against === "raw" ? "percent" : "times",
  };
}

/**
 * How many requests of ours the processor does in the time that it takes for one of a peer's: what a
 * busy server or neighbour disturbs less than speed.
 */
function cpu(
  work: string,
  client: string,
  runtime: string,
  against: string,
  atLeast: number,
): Goal {
  return {
    work,
    atOnce: atOnceOf(work),
    runtime,
    client,
    says: `${demand(client, against, atLeast)}, by CPU`,
    figure: "cpuMicrosPerRequest",
    against,
    by: "inverse",
    atLeast,
    unit: against === "raw" ? "percent" : "times",
  };
}

/** A demand on a figure of ours alone. */
function atMost(
  work: string,
  client: string,
  runtime: string,
  figure: keyof Figures,
  most: number,
  unit: Goal["unit"],
  says: string,
): Goal {
  const atOnce = atOnceOf(work);
  return { work, atOnce, runtime, client, says, figure, against: null, atMost: most, unit };
}

/** Of what programs do every day. */
function everydayGoalsOf(runtime: string): Goal[] {
  const of = <T>(deno: T, bun: T, node: T): T =>
    runtime === "deno" ? deno : runtime === "bun" ? bun : node;
  const ours = (work: string, against: string, atLeast: number): Goal =>
    cpu(work, "roundtrip", runtime, against, atLeast);
  const drop = (work: string, atLeast: number): Goal =>
    cpu(work, "createFetch", runtime, "fetch", atLeast);
  const cold = { work: "cold-start", atOnce: 1, runtime, client: "roundtrip" };
  return [
    ours("chunked-16k", "raw", of(0.6, 0.5, 0.6)),
    ours("chunked-16k", of("fetch", "fetch", "undici"), of(2, 1, 2)),
    ...of([], [ours("tiny-chunks", "fetch", 0.8)], [ours("tiny-chunks", "undici", 3.5)]),
    of(
      ours("get-64k", "raw", 0.6),
      ours("get-64k", "fetch", 0.9),
      ours("get-64k", "undici", 3),
    ),
    ours("gzip-100k", "fetch", of(1.5, 0.6, 3)),
    ours("gzip-4k", "before", 3),
    ...of([], [ours("json-10k", "fetch", 0.95)], []),
    drop("chunked-16k", of(1.3, 0.9, 3.7)),
    drop("get-64k", of(1.3, 0.65, 3.7)),
    ours("new-connection", "raw", of(0.7, 0.62, 0.55)),
    ...of([], [], [ours("new-connection", "undici", 1.3)]),
    ...of([], [ours("new-connection-tls", "raw", 0.625)], []),
    ...of([], [ours("new-connection-tickets", "fetch", 0.55)], [
      ours("new-connection-tickets", "http", 1.1),
    ]),
    ...(runtime === "deno" ? [] : [{
      work: "new-connection-tickets",
      atOnce: 10,
      runtime,
      client: "roundtrip",
      says: "roundtrip: every session taken up again",
      figure: "sessionsResumedShare" as const,
      against: null,
      atLeast: 1,
      unit: "percent" as const,
    }]),
    {
      ...cold,
      says: of(
        "roundtrip: ≤ 50 % of before",
        "roundtrip: ≤ 50 % of before",
        "roundtrip: ≤ 115 % of http",
      ),
      figure: "firstRequestMs",
      against: of("before", "before", "http"),
      atMost: of(0.5, 0.5, 1.15),
      unit: "percent",
    },
    ...(runtime === "node"
      ? [{
        ...cold,
        says: "roundtrip, second request: ≤ 2 ms more than http",
        figure: "secondRequestMs" as const,
        against: "http",
        by: "difference" as const,
        atMost: 2,
        unit: "ms" as const,
      }]
      : []),
    ours("get-small-500", "raw", of(0.8, 0.65, 0.8)),
    {
      work: "get-small-500",
      atOnce: 500,
      runtime,
      client: "roundtrip",
      says: "roundtrip, p99: ≤ 150 % of raw",
      figure: "p99Micros",
      against: "raw",
      atMost: 1.5,
      unit: "percent",
    },
    atMost(
      "idle-after-64k",
      "roundtrip",
      runtime,
      "buffersBytesPerConnection",
      22 * 1024,
      "bytes",
      "roundtrip: array buffers, ≤ 22 KiB each",
    ),
    ours("get-small", "before", 0.98),
    ours("get-small-tls", "before", 0.98),
    cpu("down-1g", "roundtrip-read", runtime, "before-read", 0.98),
  ];
}

function flat(work: string, client: string, runtime: string): Goal {
  const says = `${client}: memory grows ≤ 32 MiB`;
  return atMost(work, client, runtime, "residentGrowthBytes", 32 * MIB, "bytes", says);
}

/** Over HTTP/2. */
function http2GoalsOf(runtime: string): Goal[] {
  const nginx = "get-small-h2-nginx";
  const nghttpd = "get-small-h2-nghttpd";
  const bulk = ["down-256m-h2", "up-256m-h2"];
  const peers: Record<string, [peer: string, small: [number, number], bulk: [number, number]][]> = {
    deno: [["fetch", [3, 6], [1.5, 1.3]]],
    bun: [["fetch", [1.2, 3], [1, 1.2]]],
    // Zero: nothing is demanded.
    node: [["http2", [2.2, 5], [1.4, 0]], ["undici", [3.5, 9], [0, 1]]],
  };
  return [
    ...peers[runtime].flatMap(([peer, small, [down, up]]): Goal[] => [
      cpu(nginx, "roundtrip", runtime, peer, small[0]),
      cpu(nghttpd, "roundtrip", runtime, peer, small[1]),
      ...down === 0 ? [] : [cpu(bulk[0], "roundtrip-read", runtime, peer, down)],
      ...up === 0 ? [] : [cpu(bulk[1], "roundtrip", runtime, peer, up)],
    ]),
    cpu(nginx, "roundtrip", runtime, "go", 1.1),
    cpu(nghttpd, "roundtrip", runtime, "go", 2),
    cpu(nginx, "roundtrip", runtime, "roundtrip-http1", runtime === "bun" ? 1.2 : 1.7),
    // At most 1.4 × the processor's time.
    cpu(bulk[0], "roundtrip-read", runtime, "roundtrip-http1", 0.71),
    flat(bulk[0], "roundtrip-read", runtime),
    flat(bulk[1], "roundtrip", runtime),
  ];
}

/** Of small requests, large bodies, and what only ours does. */
function goalsOf(runtime: string): Goal[] {
  const of = <T>(deno: T, bun: T, node: T): T =>
    runtime === "deno" ? deno : runtime === "bun" ? bun : node;
  const alone = { atOnce: 1, runtime, unit: "percent" as const };
  return [
    rate("get-small", "roundtrip", runtime, "raw", of(0.7, 0.6, 0.6)),
    rate("get-small", "roundtrip", runtime, of("fetch", "fetch", "undici"), of(5, 1.4, 2.5)),
    rate("get-small", "roundtrip", runtime, "go", 1.4),
    ...(runtime === "node" ? [] : [
      rate("get-small-tls", "roundtrip", runtime, "raw", of(0.7, 0.6, 0)),
      rate("get-small-tls", "roundtrip", runtime, "fetch", of(5, 1.3, 0)),
    ]),
    rate("get-small-tls", "roundtrip", runtime, "go", 1.5),
    {
      ...alone,
      work: "get-small-1",
      client: "roundtrip",
      says: "roundtrip, p50: ≤ 110 % of raw",
      figure: "p50Micros",
      against: "raw",
      atMost: 1.1,
    },
    {
      ...alone,
      work: "get-small-1",
      client: "roundtrip",
      says: "roundtrip, p99: ≤ 125 % of raw",
      figure: "p99Micros",
      against: "raw",
      atMost: 1.25,
    },
    rate("get-small", "createFetch", runtime, "fetch", of(2.5, 1, 2.5)),
    rate("down-1g", "roundtrip-read", runtime, "raw", 0.9),
    rate("down-1g", "roundtrip-read", runtime, "fetch", 1.8),
    rate("down-1g", "roundtrip-stream", runtime, "fetch", 1),
    flat("down-1g", "roundtrip-read", runtime),
    flat("down-1g", "roundtrip-stream", runtime),
    rate("up-1g", "roundtrip", runtime, "raw", 0.8),
    flat("up-1g", "roundtrip", runtime),
    {
      ...alone,
      work: "idle-memory",
      atOnce: 1_000,
      client: "roundtrip",
      says: "roundtrip: resident, ≤ 24 KiB each beyond raw",
      figure: "residentBytesPerConnection",
      against: "raw",
      by: "difference",
      atMost: 24 * 1024,
      unit: "bytes",
    },
    // A heap that is warm has room that is resident already: its own growth counts too.
    {
      ...alone,
      work: "idle-memory",
      atOnce: 1_000,
      client: "roundtrip",
      says: "roundtrip: heap, ≤ 24 KiB each beyond raw",
      figure: "heapBytesPerConnection",
      against: "raw",
      by: "difference",
      atMost: 24 * 1024,
      unit: "bytes",
    },
    atMost(
      "pool",
      "roundtrip",
      runtime,
      "nanosWith10000Hosts",
      1_000,
      "nanos",
      "10,000 hosts: ≤ 1 µs",
    ),
    ...["trace", "deadlines"].map((what): Goal => ({
      ...alone,
      work: `${what}-on`,
      atOnce: 50,
      client: `roundtrip-${what}`,
      says: `with ${what}: ≥ 90 % of without`,
      figure: "requestsPerSecond",
      against: "roundtrip",
      atLeast: 0.9,
    })),
  ];
}

/** Every goal, runtime by runtime. */
export const goals: readonly Goal[] = ["deno", "bun", "node"].flatMap((runtime) => [
  ...everydayGoalsOf(runtime),
  ...goalsOf(runtime),
  ...http2GoalsOf(runtime),
]);
