/**
 * Content as it comes in: how it is delimited, how it is read. Interfaces only; each version of HTTP
 * has its own.
 *
 * @module
 */
import type { Conn } from "../conn/conn.ts";
import type { Deviation } from "./deviation.ts";
import type { HttpHeaders } from "./http_headers.ts";

/**
 * How the body of a message is delimited. `bytes` is an integer 1..2^53-1.
 *
 * @see RFC 9112 section 6.3
 */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "closeDelimited" }
  | { readonly kind: "streamEnd" }
  | { readonly kind: "tunnel" };

/**
 * What all contents of a transport may hold together.
 *
 * @see RFC 9112 section 9.3
 */
export interface AheadBudget {
  /** Whether `bytes` more may be held; they are counted then. */
  reserve(bytes: number): boolean;
  /** They are not held any more. */
  release(bytes: number): void;
  /** Drops what is held once `content` cannot be reached any more. */
  watch(content: object, held: { drop(): void }): void;
}

/**
 * The exchange, as it is told of content that was taken.
 *
 * @see RFC 9112 section 9.3
 */
export interface AheadEvents {
  /** All of the content is here, and its connection has been let go of. @param aheadBytes How much has not been read. */
  contentTaken(aheadBytes: number, trailers: HttpHeaders | null): void;
}

/**
 * Who waits for content to be read.
 *
 * @see RFC 9112 section 6
 */
export interface ReaderWatch {
  /** It is read, or given up. */
  readBegan(): void;
}

/**
 * The content of a response.
 *
 * @see RFC 9112 section 6
 */
export interface IncomingContent {
  /** All of the content, if it came whole with the head; the connection is free already. */
  readonly whole: Uint8Array<ArrayBuffer> | null;
  /** How it ends. */
  readonly framing: Framing;
  /** What was forgiven in the whole response so far. */
  readonly deviations: readonly Deviation[];
  /** Null until the content has been read, and where there is none. */
  readonly trailers: HttpHeaders | null;
  /** Whether everything has been read, or the connection was taken over. */
  readonly complete: boolean;
  /**
   * Reads at least one byte into `p`, as a `Reader` of `@std/io`; one at a time.
   *
   * @throws {HttpError} `ERR_INCOMPLETE_BODY`, `ERR_MALFORMED_RESPONSE`, `ERR_CONNECTION_LOST`.
   */
  read(p: Uint8Array): Promise<number | null>;
  /** Whether the connection makes arrays of its own, so that `readChunk` is there. Absent: false. */
  readonly bringsChunks?: boolean;
  /** As `read`, into an array that is given away; null at the end. */
  readChunk?(): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Reads all that is left, into one array that is given away: for whoever wants nothing before that.
   * Null, or absent: it is read piece by piece.
   *
   * @param taken Told how much of it has come, each time.
   * @throws {HttpError} As `read`.
   */
  readRest?(taken: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> | null;
  /**
   * Takes what comes from now on, as long as nobody reads and `budget` allows, so that the connection
   * becomes free. Absent: nothing is read ahead. Order: not while it is read.
   */
  takeAhead?(budget: AheadBudget, events: AheadEvents): void;
  /** Told once when it is read, or given up, the next time; set by whoever wants to know. */
  readerWatch?: ReaderWatch | null;
  /** Whom to tell that it was found broken, and that only the error is left to read. */
  whenBroken?(broken: () => void): void;
  /**
   * Gives the rest up: it is read and dropped if that is cheap, else the connection is closed.
   * Settles when either is done.
   */
  abandon(): Promise<void>;
  /** The connection itself, after 101 or 2xx to CONNECT, with unread bytes first. */
  takeOver(): Conn;
}
