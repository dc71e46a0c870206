/**
 * What the command tells its servers and clients.
 *
 * @module
 */
import { join } from "node:path";
import { root } from "../scripts/run_program.ts";
import type { Http2Server, ReadStyle, Work } from "./works.ts";

const caFile = join(root, "tests", "certs", "ca.pem");

/** What makes every client trust the servers. */
export const clientEnvironment: Record<string, string> = {
  NODE_EXTRA_CA_CERTS: caFile,
  DENO_CERT: caFile,
};

/** Bytes of the body of `/bulk`. */
export const BULK_BYTES: number = 1024 * 1024 * 1024;

/** Bytes of the body of `/collected`, for clients that hold the whole of it. */
export const COLLECTED_BYTES: number = 256 * 1024 * 1024;

/** Bytes of the body of `/warm`. */
export const WARM_UP_BYTES: number = 32 * 1024 * 1024;

/** Where the servers listen. */
export interface ServerPorts {
  /** Which server it is. */
  name: string;
  port: number;
  tlsPort: number;
  /** For uploads, which `name` may answer too early. */
  uploadPort: number;
  /** Of servers that speak HTTP/2 over TLS, besides HTTP/1.1 or not; 0: not installed. */
  http2Ports: Record<Http2Server, number>;
}

/** One measurement, as a client's process gets it: one argument of JSON. */
export interface Task {
  readonly client: string;
  readonly url: string;
  /** Fetched once before measuring, for work that has one exchange; else "". */
  readonly warmUrl: string;
  readonly atOnce: number;
  readonly ms: number;
  /** 0: only the time ends it. */
  readonly maxExchanges: number;
  readonly read: ReadStyle;
  readonly close: boolean;
  /** Bytes of the request's body; 0: a GET. */
  readonly postBytes: number;
  /** Whether the body is sent as a stream of pieces. */
  readonly streamed: boolean;
  /** Whether HTTP/2 is to be spoken. */
  readonly http2: boolean;
  /** PEM file of the authority of the `https:` server. */
  readonly caFile: string;
}

/** What one client does in one work. */
export function taskOf(
  work: Work,
  client: string,
  atOnce: number,
  ms: number,
  ports: ServerPorts,
): Task {
  const upload = work.path === "/up";
  const port = work.http2 !== undefined
    ? ports.http2Ports[work.http2]
    : upload
    ? ports.uploadPort
    : work.tls
    ? ports.tlsPort
    : ports.port;
  const host = work.kind === "hosts" ? "{host}" : "127.0.0.1";
  const origin = `${work.tls ? "https" : "http"}://${host}:${port}`;
  const collects = client.endsWith("-bytes");
  const bulk = work.path === "/bulk" || work.path === "/collected";
  const streamed = upload || work.streamed === true;
  return {
    client,
    url: origin + (bulk && collects ? "/collected" : work.path),
    warmUrl: bulk ? `${origin}/warm` : streamed ? origin + work.path : "",
    atOnce,
    // One exchange takes as long as it takes.
    ms: work.kind === "hosts" || bulk || streamed ? 60_000 : ms,
    maxExchanges: work.maxExchanges ?? 0,
    read: work.read ??
      (bulk && !collects ? (client === "roundtrip-read" ? "read" : "stream") : "bytes"),
    close: work.close ?? false,
    postBytes: upload ? 1024 ** 3 : work.postBytes ?? 0,
    streamed,
    http2: work.http2 !== undefined && client !== "roundtrip-http1",
    caFile,
  };
}
