/**
 * Faults of the wire as named values: what a test server does in the place of a proper answer.
 *
 * @module
 */

/** What goes wrong; made by {@linkcode faults}. */
export type WireFault =
  & {
    /** What is answered, as far as the fault lets it. Default: `"hello"`, or the handler's. */
    readonly response?: Response;
  }
  & (
    | { readonly kind: "refuse" }
    | { readonly kind: "dropTls" }
    | { readonly kind: "stall"; readonly afterBytes: number }
    | { readonly kind: "reset"; readonly afterBytes: number }
    | { readonly kind: "halfClose"; readonly afterBytes: number }
    | { readonly kind: "slow"; readonly bytesPerSecond: number }
    | { readonly kind: "wrongLength"; readonly byBytes: number }
    | { readonly kind: "badChunk" }
    | { readonly kind: "planted"; readonly text: string }
    | { readonly kind: "garbage"; readonly text: string }
    | { readonly kind: "goAway"; readonly errorCode: number }
    | { readonly kind: "rstStream"; readonly errorCode: number }
  );

/** The names of the faults. */
export type WireFaultKind = WireFault["kind"];

function count(name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`Cannot make this fault: ${name} is not an integer from ${least} on`);
  }
  return value;
}

/** Bytes that are no answer of any version. */
const GARBAGE = "\x16\x03\x03 this is not HTTP\r\n\r\n";

/** A whole answer that nobody asked for. */
const PLANTED = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted";

/**
 * Makes the faults of a test server. Bytes are counted from the first one of the response, its head
 * included. A handler returns one, or {@linkcode TestServer.inject} takes it.
 *
 * @example
 * ```ts
 * import { HttpRequest } from "@roundtrip/http";
 * import { faults, testServer } from "@roundtrip/http/testing";
 *
 * await using server = await testServer(() => faults.reset(10));
 * try {
 *   await server.transport().roundTrip(new HttpRequest(server.url));
 * } catch (error) {
 *   console.log((error as { code: string }).code); // ERR_CONNECTION_LOST
 * }
 * ```
 */
export const faults = {
  /** The next connection is refused. Only by {@linkcode TestServer.inject}. */
  refuse: (): WireFault => ({ kind: "refuse" }),
  /** The next connection ends within the TLS handshake. Only by {@linkcode TestServer.inject}. */
  dropTls: (): WireFault => ({ kind: "dropTls" }),
  /** After that many bytes nothing comes any more. */
  stall: (afterBytes: number = 0, response?: Response): WireFault => ({
    kind: "stall",
    afterBytes: count("afterBytes", afterBytes, 0),
    response,
  }),
  /** After that many bytes the connection is reset. */
  reset: (afterBytes: number = 0, response?: Response): WireFault => ({
    kind: "reset",
    afterBytes: count("afterBytes", afterBytes, 0),
    response,
  }),
  /** After that many bytes the server ends its side, and goes on reading. */
  halfClose: (afterBytes: number = 0, response?: Response): WireFault => ({
    kind: "halfClose",
    afterBytes: count("afterBytes", afterBytes, 0),
    response,
  }),
  /** The response comes at that rate, by the clock of the server. */
  slow: (bytesPerSecond: number, response?: Response): WireFault => ({
    kind: "slow",
    bytesPerSecond: count("bytesPerSecond", bytesPerSecond, 1),
    response,
  }),
  /** `Content-Length` says that many bytes more (or, below 0, fewer) than come; then the connection ends. */
  wrongLength: (byBytes: number = 1, response?: Response): WireFault => ({
    kind: "wrongLength",
    byBytes: count("byBytes", byBytes, Number.MIN_SAFE_INTEGER),
    response,
  }),
  /** A chunk whose size is no number. HTTP/1.1 only. */
  badChunk: (): WireFault => ({ kind: "badChunk" }),
  /** Behind the response comes another one, that nobody asked for. HTTP/1.1 only. */
  planted: (text: string = PLANTED, response?: Response): WireFault => ({
    kind: "planted",
    text,
    response,
  }),
  /** These bytes, one for each character, in the place of a response. */
  garbage: (text: string = GARBAGE): WireFault => ({ kind: "garbage", text }),
  /** GOAWAY that names no stream as looked at, this one included. HTTP/2 only. */
  goAway: (errorCode: number = 0): WireFault => ({
    kind: "goAway",
    errorCode: count("errorCode", errorCode, 0),
  }),
  /** RST_STREAM with that code. HTTP/2 only. @param errorCode Default: INTERNAL_ERROR. */
  rstStream: (errorCode: number = 2): WireFault => ({
    kind: "rstStream",
    errorCode: count("errorCode", errorCode, 0),
  }),
} as const;

/** Whether it is one. */
export function isWireFault(value: unknown): value is WireFault {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "kind") &&
    Object.hasOwn(faults, (value as WireFault).kind);
}

/** Whether it is about a connection that is made, not about a response. */
export function isDialFault(fault: WireFault): boolean {
  return fault.kind === "refuse" || fault.kind === "dropTls";
}
