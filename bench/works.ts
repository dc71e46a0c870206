/**
 * What is measured: the works, who takes part in each, and the goals.
 *
 * @module
 */
import type { Figures } from "./samples.ts";

/** How a body is read. */
export type ReadStyle = "bytes" | "json" | "read" | "stream";

/** A server that is measured over HTTP/2: one writes answers by themselves, the other in batches. */
export type Http2Server = "nginx" | "nghttpd";

/** One kind of work. */
export interface Work {
  readonly name: string;
  /** In words, for the report. */
  readonly what: string;
  /** `loop`: requests in closed loops; the others are programs of their own. */
  readonly kind: "loop" | "hosts" | "idle" | "cold" | "pool";
  /** Path on the server; `/up` is served by the server that takes bodies. */
  readonly path: string;
  /** How many loops at once; each is measured. */
  readonly atOnce: readonly number[];
  readonly clients: readonly string[];
  /** Whether a row of the table of goals needs it. */
  readonly hasGoal: boolean;
  readonly tls?: boolean;
  /** Over TLS and HTTP/2, from that server. */
  readonly http2?: Http2Server;
  /** Bytes of the request's body. */
  readonly postBytes?: number;
  /** Whether it is sent as a stream of pieces. */
  readonly streamed?: boolean;
  readonly read?: ReadStyle;
  /** A connection for each request. */
  readonly close?: boolean;
  /** Ends after so many exchanges, if the time has not ended it before. */
  readonly maxExchanges?: number;
}

/** Clients that only Node runs. */
const NODE_ONLY: readonly string[] = ["undici", "http", "http2"];

const SMALL = ["roundtrip", "createFetch", "raw", "fetch", "undici", "http", "go"];
const BODIES = ["roundtrip", "raw", "fetch", "undici", "http", "go"];

const HTTP2_PEERS = ["fetch", "undici", "http2", "go"];

/** All works, those with goals first. */
export const works: readonly Work[] = [
  {
    name: "get-small",
    what: "GET, 13 bytes, kept connections",
    kind: "loop",
    path: "/small",
    atOnce: [50, 1, 10, 500],
    clients: SMALL,
    hasGoal: true,
  },
  {
    name: "get-small-tls",
    what: "the same over TLS",
    kind: "loop",
    path: "/small",
    atOnce: [50],
    clients: SMALL,
    hasGoal: true,
    tls: true,
  },
  {
    name: "down-1g",
    what: "GET, 1 GiB (a quarter of it for clients that collect it)",
    kind: "loop",
    path: "/bulk",
    atOnce: [1],
    clients: [
      "roundtrip-read",
      "roundtrip-stream",
      "raw",
      "fetch",
      "undici",
      "http",
      "go",
      "roundtrip-bytes",
      "fetch-bytes",
    ],
    hasGoal: true,
    maxExchanges: 1,
  },
  {
    name: "up-1g",
    what: "POST of 1 GiB from a stream of 64 KiB pieces",
    kind: "loop",
    path: "/up",
    atOnce: [1],
    clients: ["roundtrip", "roundtrip-stream", "raw", "fetch", "go"],
    hasGoal: true,
    maxExchanges: 1,
  },
  ...(["nginx", "nghttpd"] as const).map((server): Work => ({
    name: `get-small-h2-${server}`,
    what: `GET, 13 bytes, over HTTP/2 on TLS, ${server}`,
    kind: "loop",
    path: "/small",
    atOnce: [50],
    clients: ["roundtrip", ...server === "nginx" ? ["roundtrip-http1"] : [], ...HTTP2_PEERS],
    hasGoal: true,
    tls: true,
    http2: server,
  })),
  {
    name: "down-256m-h2",
    what: "GET, 256 MiB, over HTTP/2 on TLS, nghttpd",
    kind: "loop",
    path: "/collected",
    atOnce: [1],
    clients: ["roundtrip-read", "roundtrip-stream", ...HTTP2_PEERS],
    hasGoal: true,
    tls: true,
    http2: "nghttpd",
    maxExchanges: 1,
  },
  {
    name: "up-256m-h2",
    what: "POST of 256 MiB from a stream of 64 KiB pieces, over HTTP/2 on TLS, nghttpd",
    kind: "loop",
    path: "/small",
    atOnce: [1],
    clients: ["roundtrip", ...HTTP2_PEERS],
    hasGoal: true,
    tls: true,
    http2: "nghttpd",
    postBytes: 256 * 1024 * 1024,
    streamed: true,
    maxExchanges: 1,
  },
  {
    name: "idle-memory",
    what: "1,000 idle connections: bytes for each",
    kind: "idle",
    path: "/small",
    atOnce: [1_000],
    clients: ["roundtrip", "raw"],
    hasGoal: true,
  },
  {
    name: "trace-on",
    what: "small GET with every hook of a trace",
    kind: "loop",
    path: "/small",
    atOnce: [50],
    clients: ["roundtrip", "roundtrip-trace"],
    hasGoal: true,
  },
  {
    name: "deadlines-on",
    what: "small GET with every deadline set",
    kind: "loop",
    path: "/small",
    atOnce: [50],
    clients: ["roundtrip", "roundtrip-deadlines"],
    hasGoal: true,
  },
  {
    name: "pool",
    what: "take and give back, in memory",
    kind: "pool",
    path: "",
    atOnce: [1],
    clients: ["roundtrip"],
    hasGoal: true,
  },
  {
    name: "post-1k",
    what: "POST of 1 KiB, 13 bytes back",
    kind: "loop",
    path: "/post",
    atOnce: [50],
    clients: BODIES,
    hasGoal: false,
    postBytes: 1024,
  },
  {
    name: "json-10k",
    what: "GET, 10 KiB of JSON, parsed",
    kind: "loop",
    path: "/json",
    atOnce: [50],
    clients: BODIES,
    hasGoal: false,
    read: "json",
  },
  {
    name: "get-64k",
    what: "GET, 64 KiB",
    kind: "loop",
    path: "/64k",
    atOnce: [10],
    clients: BODIES,
    hasGoal: false,
  },
  {
    name: "get-1m",
    what: "GET, 1 MiB",
    kind: "loop",
    path: "/1m",
    atOnce: [10],
    clients: BODIES,
    hasGoal: false,
  },
  {
    name: "chunked",
    what: "GET, 16 KiB, chunked",
    kind: "loop",
    path: "/chunked",
    atOnce: [50],
    clients: BODIES,
    hasGoal: false,
  },
  {
    name: "gzip-100k",
    what: "GET, 100 KiB, gzip, decoded (raw: not decoded)",
    kind: "loop",
    path: "/gzip",
    atOnce: [10],
    clients: ["roundtrip", "raw", "fetch", "go"],
    hasGoal: false,
  },
  {
    name: "new-connection",
    what: "small GET, a connection for each",
    kind: "loop",
    path: "/small",
    atOnce: [10],
    clients: ["roundtrip", "raw", "fetch", "undici", "http", "go"],
    hasGoal: false,
    close: true,
    maxExchanges: 2_000,
  },
  {
    name: "new-connection-tls",
    what: "the same over TLS",
    kind: "loop",
    path: "/small",
    atOnce: [10],
    clients: ["roundtrip", "raw", "fetch", "undici", "http", "go"],
    hasGoal: false,
    tls: true,
    close: true,
    maxExchanges: 2_000,
  },
  {
    name: "many-hosts",
    what: "10,000 hosts, one request each",
    kind: "hosts",
    path: "/small",
    atOnce: [50],
    clients: ["roundtrip", "raw", "fetch"],
    hasGoal: false,
  },
  {
    name: "cold-start",
    what: "import and first request in a new process",
    kind: "cold",
    path: "/small",
    atOnce: [1],
    clients: ["roundtrip", "fetch", "undici", "http"],
    hasGoal: false,
  },
];

/** One process to measure in each run. */
export interface Participant {
  readonly runtime: string;
  readonly client: string;
}

/**
 * Who takes part in a work.
 *
 * @param peers Names of clients to compare ours with; `fetch` stands for `fetch-bytes` too.
 */
export function participants(
  work: Work,
  runtimes: readonly string[],
  peers: readonly string[],
): Participant[] {
  const chosen = work.clients.filter((client) =>
    client.startsWith("roundtrip") || peers.includes(client.split("-")[0])
  );
  const found = runtimes.flatMap((runtime) =>
    chosen
      .filter((client) => client !== "go" && (runtime === "node" || !NODE_ONLY.includes(client)))
      .map((client) => ({ runtime, client }))
  );
  return chosen.includes("go") ? [...found, { runtime: "go", client: "go" }] : found;
}

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
  readonly by?: "ratio" | "difference";
  readonly atLeast?: number;
  readonly atMost?: number;
  /** How the value is written. */
  readonly unit: "percent" | "times" | "bytes" | "nanos";
}

const MIB = 1024 * 1024;

function rate(
  work: string,
  client: string,
  runtime: string,
  against: string,
  atLeast: number,
): Goal {
  const unit = atLeast < 1 ? "percent" : "times";
  const demand = unit === "percent" ? `${Math.round(atLeast * 100)} % of` : `${atLeast} ×`;
  return {
    work,
    atOnce: work === "down-1g" || work === "up-1g" ? 1 : 50,
    runtime,
    client,
    says: `${client}: ≥ ${demand} ${against}`,
    figure: work === "down-1g" || work === "up-1g" ? "bytesPerSecond" : "requestsPerSecond",
    against,
    atLeast,
    unit,
  };
}

/** How much less of the processor a request takes than one of a peer's; `against` is the peer. */
function cpu(work: string, client: string, runtime: string, against: string, times: number): Goal {
  return {
    work,
    atOnce: work.startsWith("get-") ? 50 : 1,
    runtime,
    client,
    says: `${client}: CPU ≤ ${against} / ${times}`,
    figure: "cpuMicrosPerRequest",
    against,
    atMost: 1 / times,
    unit: "percent",
  };
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
  ];
}

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
      work: "get-small",
      client: "roundtrip",
      says: "roundtrip, p50: ≤ 110 % of raw",
      figure: "p50Micros",
      against: "raw",
      atMost: 1.1,
    },
    {
      ...alone,
      work: "get-small",
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
    ...["roundtrip-read", "roundtrip-stream"].map((client): Goal => ({
      ...alone,
      work: "down-1g",
      client,
      says: `${client}: memory grows ≤ 32 MiB`,
      figure: "residentGrowthBytes",
      against: null,
      atMost: 32 * MIB,
      unit: "bytes",
    })),
    rate("up-1g", "roundtrip", runtime, "raw", 0.8),
    {
      ...alone,
      work: "up-1g",
      client: "roundtrip",
      says: "roundtrip: memory grows ≤ 32 MiB",
      figure: "residentGrowthBytes",
      against: null,
      atMost: 32 * MIB,
      unit: "bytes",
    },
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
    {
      ...alone,
      work: "pool",
      client: "roundtrip",
      says: "10,000 hosts: ≤ 1 µs",
      figure: "nanosWith10000Hosts",
      against: null,
      atMost: 1_000,
      unit: "nanos",
    },
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
  ...goalsOf(runtime),
  ...http2GoalsOf(runtime),
]);
