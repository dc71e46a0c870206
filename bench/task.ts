/**
 * What the command tells its servers and clients.
 *
 * @module
 */
import type { ReadStyle } from "./works.ts";

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
  /** PEM file of the authority of the `https:` server. */
  readonly caFile: string;
}
