/**
 * What is measured: the works, and who takes part in each.
 *
 * @module
 */

/** How a body is read. */
export type ReadStyle = "bytes" | "json" | "read" | "stream" | "events";

/** A server that is measured over HTTP/2: one writes answers by themselves, the other in batches. */
export type Http2Server = "nginx" | "nghttpd";

/**
 * Works that are run together. The table of goals needs all but `sizes` and `more`: `everyday` is what
 * programs do, `small` the small requests, `bulk` large bodies, `own` what the others do not have.
 */
export const groups = ["everyday", "small", "bulk", "http2", "own", "sizes", "more"] as const;

/** One kind of work. */
export interface Work {
  readonly name: string;
  /** In words, for the tables. */
  readonly what: string;
  /** In few words, if it stands on the page that people read first. */
  readonly headline?: string;
  readonly group: typeof groups[number];
  /** `loop`: requests in closed loops; the others are programs of their own. */
  readonly kind: "loop" | "hosts" | "idle" | "cold" | "pool";
  /** What a loop repeats, if it is not one request. */
  readonly style?: "redirects" | "aborts";
  /** Path on the server. */
  readonly path: string;
  /** Who serves: `own` is the server in `server.ts`, `tickets` gives sessions that can be taken up. */
  readonly server?: "own" | "tickets" | Http2Server;
  /** How many loops at once; each is measured. */
  readonly atOnce: readonly number[];
  readonly clients: readonly string[];
  readonly tls?: boolean;
  /** Over HTTP/2, on TLS. */
  readonly http2?: boolean;
  /** Through an HTTP proxy. */
  readonly proxied?: boolean;
  /** Bytes of the request's body. */
  readonly postBytes?: number;
  /** Whether it is sent as a stream of pieces. */
  readonly streamed?: boolean;
  readonly read?: ReadStyle;
  /** A connection for each request. */
  readonly close?: boolean;
  /** Exchanges of all loops together before they count: compilers need so many, whatever the time. */
  readonly warmUp?: number;
  /** Ends after so many exchanges, if the time has not ended it before. */
  readonly maxExchanges?: number;
}

/** Clients that only Node runs. */
const NODE_ONLY: readonly string[] = ["undici", "http", "http2"];

/** Clients that only Deno runs: ours from the source, as JSR has it. */
const DENO_ONLY: readonly string[] = ["roundtrip-source", "before-source"];

const MIB = 1024 * 1024;

const ALL = ["roundtrip", "createFetch", "raw", "fetch", "undici", "http", "go"];
const NO_HTTP = ["roundtrip", "createFetch", "raw", "fetch", "undici", "go"];
/** For a body that undici's `request()` and `node:http` would leave packed. */
const UNPACKING = ["roundtrip", "createFetch", "raw", "fetch", "go"];
const HTTP2_PEERS = ["fetch", "undici", "http2", "go"];

/** A closed loop of GETs: what most works are. */
const LOOP = { kind: "loop", path: "/small", clients: ALL, atOnce: [50], warmUp: 60_000 } as const;

const NEW_CONNECTION = {
  ...LOOP,
  atOnce: [10],
  close: true,
  clients: ["roundtrip", "raw", "fetch", "undici", "http", "go"],
  maxExchanges: 2_000,
} as const;

const ONCE = { ...LOOP, atOnce: [1], warmUp: 0, maxExchanges: 1 } as const;

const everyday: readonly Work[] = [
  {
    ...LOOP,
    name: "chunked-16k",
    what: "GET, 16 KiB, chunked",
    headline: "GET, 16 KiB chunked",
    group: "everyday",
    path: "/chunked/16k",
    warmUp: 30_000,
  },
  {
    ...LOOP,
    name: "tiny-chunks",
    what: "GET, 2,000 chunks of 8 bytes",
    headline: "GET, 2,000 chunks of 8 bytes",
    group: "everyday",
    path: "/tiny",
    server: "own",
    atOnce: [10],
    clients: NO_HTTP,
    warmUp: 1_000,
  },
  {
    ...LOOP,
    name: "get-64k",
    what: "GET, 64 KiB",
    headline: "GET, 64 KiB",
    group: "everyday",
    path: "/64k",
    atOnce: [10],
    warmUp: 30_000,
  },
  {
    ...LOOP,
    name: "json-10k",
    what: "GET, 10 KiB of JSON, parsed (by raw too)",
    headline: "GET, 10 KiB of JSON, parsed",
    group: "everyday",
    path: "/json",
    clients: NO_HTTP,
    read: "json",
    warmUp: 25_000,
  },
  {
    ...LOOP,
    name: "gzip-4k",
    what: "GET, 4 KiB, gzip, decoded (by raw too)",
    headline: "GET, 4 KiB, gzip",
    group: "everyday",
    path: "/gzip/4k",
    atOnce: [10],
    clients: UNPACKING,
    warmUp: 20_000,
  },
  {
    ...LOOP,
    name: "gzip-100k",
    what: "GET, 100 KiB, gzip, decoded (by raw too)",
    headline: "GET, 100 KiB, gzip",
    group: "everyday",
    path: "/gzip/100k",
    atOnce: [10],
    clients: UNPACKING,
    warmUp: 1_500,
  },
  {
    ...NEW_CONNECTION,
    name: "new-connection",
    what: "small GET, a connection for each",
    headline: "GET, a new connection",
    group: "everyday",
    warmUp: 24_000,
  },
  {
    ...NEW_CONNECTION,
    name: "new-connection-tls",
    what: "the same over TLS, whole handshakes",
    headline: "GET, a new TLS connection",
    group: "everyday",
    tls: true,
    warmUp: 3_000,
  },
  {
    ...NEW_CONNECTION,
    name: "new-connection-tickets",
    what: "the same over TLS, sessions taken up again where the client can",
    headline: "GET, a TLS connection taken up again",
    group: "everyday",
    server: "tickets",
    clients: ["roundtrip", "fetch", "undici", "http", "go"],
    tls: true,
    warmUp: 3_000,
  },
  {
    name: "cold-start",
    what: "import, first and second request in a new process",
    group: "everyday",
    kind: "cold",
    path: "/small",
    atOnce: [1],
    clients: ["roundtrip", "roundtrip-source", "fetch", "undici", "http"],
  },
  {
    name: "idle-after-64k",
    what: "1,000 connections that idle after 64 KiB each: bytes for each",
    group: "everyday",
    kind: "idle",
    path: "/64k",
    atOnce: [1_000],
    clients: ["roundtrip", "raw"],
  },
];

const small: readonly Work[] = [
  {
    ...LOOP,
    name: "get-small",
    what: "GET, 13 bytes, kept connections",
    headline: "small GET",
    group: "small",
  },
  {
    ...LOOP,
    name: "get-small-tls",
    what: "the same over TLS",
    headline: "small GET over TLS",
    group: "small",
    clients: ["roundtrip", "raw", "fetch", "undici", "http", "go"],
    tls: true,
  },
  {
    ...LOOP,
    name: "get-small-1",
    what: "small GET, one after the other",
    group: "small",
    atOnce: [1],
    clients: ["roundtrip", "raw"],
    warmUp: 20_000,
  },
  {
    ...LOOP,
    name: "get-small-500",
    what: "small GET, 500 at once",
    headline: "small GET, 500 at once",
    group: "small",
    atOnce: [500],
    clients: ["roundtrip", "raw", "undici"],
  },
  {
    name: "idle-memory",
    what: "1,000 idle connections: bytes for each",
    group: "small",
    kind: "idle",
    path: "/small",
    atOnce: [1_000],
    clients: ["roundtrip", "raw"],
  },
];

const large: readonly Work[] = [
  {
    ...ONCE,
    name: "down-1g",
    what: "GET, 1 GiB (a quarter of it for clients that collect it)",
    headline: "GET, 1 GiB",
    group: "bulk",
    path: "/bulk",
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
  },
  {
    ...ONCE,
    name: "up-1g",
    what: "POST of 1 GiB from a stream of 64 KiB pieces",
    headline: "POST, 1 GiB from a stream",
    group: "bulk",
    path: "/up",
    server: "own",
    clients: ["roundtrip", "roundtrip-stream", "raw", "fetch", "go"],
    postBytes: 1024 * MIB,
    streamed: true,
  },
];

/** What the compilers do for the first bodies is as much as what a body costs. */
const WARM_BULK = { ...ONCE, warmUp: 2, maxExchanges: 2 } as const;

const overHttp2: readonly Work[] = [
  ...(["nginx", "nghttpd"] as const).map((server): Work => ({
    ...LOOP,
    name: `get-small-h2-${server}`,
    what: `GET, 13 bytes, over HTTP/2 on TLS, ${server}`,
    headline: `small GET over HTTP/2, ${server}`,
    group: "http2",
    clients: ["roundtrip", ...server === "nginx" ? ["roundtrip-http1"] : [], ...HTTP2_PEERS],
    server,
    tls: true,
    http2: true,
    // As many answers come in one read, Bun's last compiler comes late.
    warmUp: server === "nghttpd" ? 100_000 : 60_000,
  })),
  {
    ...WARM_BULK,
    name: "down-256m-h2",
    what: "GET, 256 MiB, over HTTP/2 on TLS, nghttpd (ours over HTTP/1.1: nginx)",
    headline: "GET, 256 MiB over HTTP/2",
    group: "http2",
    path: "/collected",
    clients: ["roundtrip-read", "roundtrip-stream", "roundtrip-http1", ...HTTP2_PEERS],
    server: "nghttpd",
    tls: true,
    http2: true,
  },
  {
    ...WARM_BULK,
    name: "up-256m-h2",
    what: "POST of 256 MiB from a stream of 64 KiB pieces, over HTTP/2 on TLS, nghttpd",
    headline: "POST, 256 MiB over HTTP/2",
    group: "http2",
    clients: ["roundtrip", ...HTTP2_PEERS],
    server: "nghttpd",
    tls: true,
    http2: true,
    postBytes: 256 * MIB,
    streamed: true,
  },
];

const own: readonly Work[] = [
  ...["trace", "deadlines"].map((what): Work => ({
    ...LOOP,
    name: `${what}-on`,
    what: what === "trace"
      ? "small GET with every hook of a trace"
      : "small GET with every deadline set",
    group: "own",
    clients: ["roundtrip", `roundtrip-${what}`],
  })),
  {
    name: "pool",
    what: "take and give back, in memory",
    group: "own",
    kind: "pool",
    path: "",
    atOnce: [1],
    clients: ["roundtrip"],
  },
];

/** Lengths of bodies by name, with the exchanges to warm up. */
const LENGTHS: readonly [name: string, warmUp: number][] = [
  ["1k", 10_000],
  ["4k", 10_000],
  ["15k", 8_000],
  ["16k", 10_000],
  ["17k", 8_000],
  ["32k", 8_000],
  ["64k", 8_000],
  ["256k", 1_500],
  ["1m", 300],
];

const sizes: readonly Work[] = LENGTHS.flatMap(([name, warmUp]): Work[] => {
  const what = `GET, ${parseInt(name)} ${name.endsWith("m") ? "MiB" : "KiB"}`;
  const one = { ...LOOP, group: "sizes", atOnce: [10], clients: NO_HTTP, warmUp } as const;
  const byLength = { ...one, name: `get-${name}`, what, path: `/${name}` };
  const chunked = {
    ...one,
    name: `chunked-${name}`,
    what: `${what}, chunked`,
    path: `/chunked/${name}`,
  };
  // Those that have a goal are measured with the works of every day.
  return [byLength, chunked].filter((work) => !everyday.some(({ name }) => name === work.name));
});

/** Lengths of uploads, with the exchanges to warm up. */
const UPLOADS: readonly [name: string, bytes: number, warmUp: number][] = [
  ["1k", 1024, 20_000],
  ["64k", 64 * 1024, 3_000],
  ["1m", MIB, 300],
];

const more: readonly Work[] = [
  {
    ...LOOP,
    name: "get-small-10",
    what: "small GET, 10 at once",
    group: "more",
    atOnce: [10],
  },
  ...UPLOADS.map(([name, postBytes, warmUp]): Work => ({
    ...LOOP,
    name: `post-${name}`,
    what: `POST of ${parseInt(name)} ${name.endsWith("m") ? "MiB" : "KiB"}, 13 bytes back`,
    headline: `POST, ${parseInt(name)} ${name.endsWith("m") ? "MiB" : "KiB"}`,
    group: "more",
    path: "/post",
    server: "own",
    atOnce: [postBytes > 1024 ? 10 : 50],
    postBytes,
    warmUp,
  })),
  {
    ...LOOP,
    name: "events",
    what: "GET, 100 server-sent events in chunks, parsed (by the same parser for every client)",
    headline: "GET, 100 server-sent events",
    group: "more",
    path: "/events",
    server: "own",
    atOnce: [10],
    clients: ["roundtrip", "createFetch", "fetch", "undici"],
    read: "events",
    warmUp: 2_000,
  },
  {
    ...LOOP,
    name: "redirects",
    what: "GET, a redirect that sets a cookie, and the page that wants it (peers: tough-cookie)",
    headline: "a redirect with a cookie",
    group: "more",
    style: "redirects",
    path: "/login",
    server: "own",
    atOnce: [10],
    clients: ["roundtrip", "createFetch", "fetch", "undici"],
    warmUp: 3_000,
  },
  {
    ...LOOP,
    name: "proxy",
    what: "small GET through an HTTP proxy, kept connections",
    headline: "small GET through a proxy",
    group: "more",
    proxied: true,
    warmUp: 20_000,
  },
  {
    ...LOOP,
    name: "aborts",
    what: "a GET given up while it waits for an answer, and one that is answered after it",
    headline: "a GET given up, and another",
    group: "more",
    style: "aborts",
    path: "/small",
    server: "own",
    clients: ["roundtrip", "createFetch", "fetch", "undici", "http"],
    warmUp: 2_000,
    maxExchanges: 4_000,
  },
  {
    name: "many-hosts",
    what: "10,000 hosts, one request each, on a connection that is closed after it",
    group: "more",
    kind: "hosts",
    path: "/small",
    atOnce: [50],
    clients: ["roundtrip", "raw", "fetch", "undici", "http"],
    close: true,
    warmUp: 2_000,
    maxExchanges: 10_000,
  },
];

/** All works, group by group. */
export const works: readonly Work[] = [
  ...everyday,
  ...small,
  ...large,
  ...overHttp2,
  ...own,
  ...sizes,
  ...more,
];

/** Whether the table of goals needs a work. */
export function hasGoal({ group }: Work): boolean {
  return group !== "sizes" && group !== "more";
}

/** One process to measure in each run. */
export interface Participant {
  readonly runtime: string;
  readonly client: string;
}

/**
 * Who takes part in a work.
 *
 * @param peers Names of clients to compare ours with; `fetch` stands for `fetch-bytes` too, and
 * `before` for ours of another tree.
 */
export function participants(
  work: Work,
  runtimes: readonly string[],
  peers: readonly string[],
): Participant[] {
  const isOurs = (client: string): boolean => client.startsWith("roundtrip");
  const chosen = work.clients
    .flatMap((client) =>
      isOurs(client) ? [client, client.replace("roundtrip", "before")] : [client]
    )
    // The pool is measured by a program that reaches into the tree.
    .filter((client) => work.kind !== "pool" || isOurs(client))
    .filter((client) => isOurs(client) || peers.includes(client.split("-")[0]));
  const found = runtimes.flatMap((runtime) =>
    chosen
      .filter((client) => client !== "go")
      .filter((client) => runtime === "node" || !NODE_ONLY.includes(client))
      .filter((client) => runtime === "deno" || !DENO_ONLY.includes(client))
      .map((client) => ({ runtime, client }))
  );
  return chosen.includes("go") ? [...found, { runtime: "go", client: "go" }] : found;
}
