/**
 * What the command tells its servers and clients.
 *
 * @module
 */
import { join } from "node:path";
import { root } from "../scripts/run_program.ts";
import { expectedAt } from "./bodies.ts";
import type { Http2Server, ReadStyle, Work } from "./works.ts";

const caFile = join(root, "tests", "certs", "ca.pem");

/** What makes every client trust the servers. */
export const clientEnvironment: Record<string, string> = {
  NODE_EXTRA_CA_CERTS: caFile,
  DENO_CERT: caFile,
};

/** Where the servers listen. */
export interface ServerPorts {
  /** Which server it is. */
  name: string;
  port: number;
  tlsPort: number;
  /** Over TLS, with sessions that can be taken up again. */
  ticketPort: number;
  /** Of the server that is ours, whatever `name` is. */
  ownPort: number;
  /** Of servers that speak HTTP/2 over TLS, besides HTTP/1.1 or not; 0: not installed. */
  http2Ports: Record<Http2Server, number>;
}

/** One measurement, as a client's process gets it: one argument of JSON. */
export interface Task {
  readonly client: string;
  /** Our package: the module to import. */
  readonly module: string;
  readonly url: string;
  /** What a loop repeats. */
  readonly style: "request" | "redirects" | "aborts";
  /** Fetched once before measuring, for work that has one exchange; else "". */
  readonly warmUrl: string;
  /** URL of the proxy; "": none. */
  readonly proxy: string;
  readonly atOnce: number;
  /** Exchanges before it counts. */
  readonly warmUp: number;
  readonly ms: number;
  /** 0: only the time ends it. */
  readonly maxExchanges: number;
  readonly read: ReadStyle;
  /** What each answer must have: bytes, or things if it is parsed. */
  readonly expected: number;
  readonly close: boolean;
  /** Whether TLS sessions can be taken up again. */
  readonly tickets: boolean;
  /** Bytes of the request's body; 0: a GET. */
  readonly postBytes: number;
  /** Whether the body is sent as a stream of pieces. */
  readonly streamed: boolean;
  /** Whether HTTP/2 is to be spoken. */
  readonly http2: boolean;
  /** PEM file of the authority of the `https:` server. */
  readonly caFile: string;
}

function portOf(work: Work, isHttp1: boolean, ports: ServerPorts): number {
  switch (work.server) {
    case "own":
      return ports.ownPort;
    case "tickets":
      return ports.ticketPort;
    case undefined:
      return work.tls ? ports.tlsPort : ports.port;
    default:
      // nghttpd speaks HTTP/2 alone.
      return ports.http2Ports[isHttp1 ? "nginx" : work.server];
  }
}

/**
 * What one client does in one work.
 *
 * @param before Another tree, which the client `before` imports ours from.
 */
export function taskOf(
  work: Work,
  client: string,
  atOnce: number,
  ms: number,
  ports: ServerPorts,
  before: string = root,
): Task {
  const isHttp1 = client.endsWith("-http1");
  const port = portOf(work, isHttp1, ports);
  const host = work.kind === "hosts" ? "{host}" : "127.0.0.1";
  const origin = `${work.tls ? "https" : "http"}://${host}:${port}`;
  const collects = client.endsWith("-bytes");
  const bulk = work.path === "/bulk" || work.path === "/collected";
  const path = bulk && collects ? "/collected" : work.path;
  const streamed = work.streamed === true;
  const readsItself = client === "roundtrip-read" || client === "before-read" || isHttp1;
  return {
    client: client.replace(/^before/, "roundtrip"),
    module: join(client.startsWith("before") ? before : root, "mod.ts"),
    // The server answers as a proxy does; the name is never looked up.
    url: (work.proxied ? "http://origin.test" : origin) + path,
    style: work.style ?? "request",
    warmUrl: bulk ? `${origin}/warm` : streamed ? origin + path : "",
    proxy: work.proxied ? origin : "",
    atOnce,
    warmUp: work.warmUp ?? 0,
    // One exchange takes as long as it takes.
    ms: work.kind === "hosts" || bulk || streamed ? 30_000 : ms,
    maxExchanges: work.maxExchanges ?? 0,
    read: work.read ?? (bulk && !collects ? (readsItself ? "read" : "stream") : "bytes"),
    expected: expectedAt(path),
    close: work.close ?? false,
    tickets: work.server === "tickets",
    postBytes: work.postBytes ?? 0,
    streamed,
    http2: work.http2 === true && !isHttp1,
    caFile,
  };
}
