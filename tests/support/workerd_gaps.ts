/**
 * What cannot be done, or not be tried, in Cloudflare's Workers, as data.
 *
 * @module
 */
import type { Gap } from "../../scripts/test_report.ts";

/** Something that Workers lack. */
export interface WorkerdGap {
  readonly what: string;
  readonly reason: string;
}

/** The list is part of `docs/workers.md`, in the same words. */
export const workerdLacks: readonly WorkerdGap[] = [
  { what: "every TLS option but `serverName`", reason: "`startTls()` takes nothing else" },
  {
    what: "`ERR_TLS` behind a proxy, or with `serverName`",
    reason: "nobody tells: the first write fails, `ERR_CONNECTION_LOST`, and nothing was sent",
  },
  { what: "HTTP/2", reason: "there is no ALPN" },
  {
    what: "TLS through TLS, over Unix sockets, over a `Conn` of yours",
    reason: "no TLS over streams",
  },
  {
    what: "`tcpNoDelay`, `tcpKeepAliveMs`, `tls.keyLog`",
    reason: "`connect()` has no option for them",
  },
  { what: "`localAddress`, Unix sockets", reason: "`connect()` takes a host and a port" },
  {
    what: "connections for more than one request of the Worker",
    reason: "I/O belongs to the request in which it began",
  },
  {
    what: "proof that an idle connection is still open",
    reason: "the event loop cannot be asked",
  },
  { what: "gzip, deflate, br, zstd without `nodejs_compat`", reason: "they are `node:zlib`'s" },
];

/** workerd is started by Node alone: once is enough. */
export const workerdGaps: readonly Gap[] = (["deno", "bun"] as const).flatMap((runtime) =>
  ["without flags", "with nodejs_compat"].map((flags): Gap => ({
    file: "tests/transport/workerd_test.ts",
    name: `workerd ${flags}: requests of a Worker`,
    runtime,
    reason: "workerd is a runtime of its own, and started by Node",
  }))
);
