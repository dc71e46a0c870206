/**
 * Connections: byte streams over TCP, TLS and Unix sockets on Deno, Bun and Node, over web streams,
 * and in memory. No HTTP.
 *
 * @module
 */
export { BufferedReader } from "./buffered_reader.ts";
export { BufferedWriter } from "./buffered_writer.ts";
export type { Clock, TimerHandle } from "./clock.ts";
export type * from "./conn.ts";
export { systemDialer } from "./dial.ts";
export type { EgressPolicy } from "./names/egress.ts";
export {
  type Attempt,
  type Http2Cause,
  HttpError,
  type HttpErrorCode,
  type HttpErrorOptions,
  type HttpErrorPhase,
} from "./http_error.ts";
export { pipe, type PipeConn, type PipeOptions } from "./pipe.ts";
export { resolvingDialer, type ResolvingDialerOptions } from "./names/resolving_dialer.ts";
export type { SocketOptions } from "./socket_options.ts";
export { connFromStreams, type StreamConnOptions, type StreamPair } from "./streams.ts";
export { unixDialer } from "./unix_dialer.ts";
export { type ConnOverrides, wrapConn } from "./wrap_conn.ts";
