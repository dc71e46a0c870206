/**
 * A dialer that plays back what a tape holds.
 *
 * @module
 */
import type { Address, Conn, Dialer, TlsInfo } from "../conn/conn.ts";
import { addressText, closedError, lostError } from "../conn/conn_error.ts";
import { HttpError, type HttpErrorCode, printable } from "../conn/http_error.ts";
import type { Clock } from "../transport/clock.ts";
import { Http1Playback, type Playback, type PlayedStep } from "./playback.ts";
import { Http2Playback } from "./playback_http2.ts";
import { matchingPlaybacks } from "./playback_matching.ts";
import { isHttp2, type Tape, type TapedConnection, TapeError } from "./tape.ts";
import { delay } from "./test_delay.ts";

/** How a tape is played. */
export interface ReplayOptions {
  /** Whether bytes come at the times at which they came. @default {"none"} */
  times?: "none" | "recorded";
  /** By which they come. Default: the runtime's. */
  clock?: Clock;
  /**
   * What is answered. `"strict"`: connections and requests in the order of the tape. `"requests"`: a
   * request with the first exchange of the tape, to the same address, that has not been played and has
   * sent the same, on as many connections as are dialled. In HTTP/2 each stream by itself: one that was cut off
   * ends the connection it is played on, and recorded times are those within an exchange.
   *
   * @default {"strict"}
   */
  match?: "strict" | "requests";
}

/**
 * Makes a dialer that plays a tape, without a network: the connections in their order, each to the address that
 * was dialled, bit for bit as on the tape. What is written has to be what was written then, but for what is
 * masked, which may be anything: of the same length, in HTTP/1.1.
 *
 * @throws {TapeError} From dials and writes: what is asked for is not what is on the tape. At once: both
 * versions were spoken with one address, and requests are to be matched. {@linkcode HttpError} `ERR_INVALID_REQUEST`: another `match`.
 */
export function replayDialer(tape: Tape, options: ReplayOptions = {}): Dialer {
  const { match = "strict" } = options;
  if (match !== "strict" && match !== "requests") {
    throw new HttpError(
      "ERR_INVALID_REQUEST",
      `A tape cannot be matched by "${printable(`${match}`)}"`,
      {
        phase: "client",
      },
    );
  }
  const connections = [...tape.connections];
  const matching = match === "strict" ? null : matchingPlaybacks(connections);
  const dial = (address: Address): Promise<Conn> => {
    const next = connections.findIndex((one) => addressText(one.address) === addressText(address));
    if (next === -1) {
      const cause = new TapeError(`The tape has no further connection to ${addressText(address)}`);
      return Promise.reject(new HttpError("ERR_DIAL", cause.message, { phase: "dial", cause }));
    }
    const connection = connections[next];
    if (matching === null) connections.splice(next, 1);
    const playback = matching !== null
      ? matching(connection)
      : isHttp2(connection)
      ? new Http2Playback(connection)
      : new Http1Playback(connection);
    return Promise.resolve(new ReplayingConn(connection, playback, options));
  };
  return {
    securesDials: true,
    dial: (address, dialOptions) => {
      dialOptions?.onConnect?.();
      return dial(address);
    },
    startTls: (conn) => {
      conn.close();
      return Promise.reject(new TapeError("A tape has no TLS over a connection that is open"));
    },
  };
}

const NOWHERE: Address = { transport: "unix", path: "" };

class ReplayingConn implements Conn {
  readonly localAddr: Address = NOWHERE;
  readonly remoteAddr: Address;
  readonly tls: TlsInfo | null;
  bytesRead = 0;
  bytesWritten = 0;
  readonly #playback: Playback;
  readonly #options: ReplayOptions;
  readonly #closed: AbortController = new AbortController();
  #unread: Uint8Array = new Uint8Array(0);
  #ending: PlayedStep | null = null;
  #failure: unknown = null;
  #wake: () => void = () => {};

  constructor(connection: TapedConnection, playback: Playback, options: ReplayOptions) {
    this.remoteAddr = connection.address;
    this.tls = connection.tls === null ? null : {
      alpnProtocol: connection.tls.alpnProtocol,
      protocol: null,
      engine: "node",
      peerCertificate: null,
      sessionReused: null,
    };
    this.#playback = playback;
    this.#options = options;
  }

  async read(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return 0;
    while (this.#unread.length === 0) {
      if (this.#closed.signal.aborted) throw closedError("body");
      if (this.#failure !== null) throw this.#failure;
      const step = this.#ending ?? this.#playback.next();
      if (step === null) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      if (step !== this.#ending) await this.#wait(step.afterMs);
      if (step.kind === "in") this.#unread = step.bytes;
      else this.#ending = step;
      if (step.kind === "end") return null;
      if (step.kind === "error") throw replayed(step.code);
    }
    const piece = this.#unread.subarray(0, p.length);
    this.#unread = this.#unread.subarray(piece.length);
    p.set(piece);
    this.bytesRead += piece.length;
    return piece.length;
  }

  write(p: Uint8Array): Promise<number> {
    if (this.#closed.signal.aborted) return Promise.reject(closedError("request"));
    try {
      this.#playback.wrote(p);
    } catch (error) {
      this.#failure = error;
      this.#wake();
      return Promise.reject(error);
    }
    this.bytesWritten += p.length;
    this.#wake();
    return Promise.resolve(p.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#closed.abort();
    this.#wake();
  }

  ref(): void {
    // Nothing in memory keeps a process alive.
  }

  unref(): void {
    // As above.
  }

  async #wait(ms: number): Promise<void> {
    if (this.#options.times !== "recorded") return;
    await delay(ms, this.#options.clock ?? null, this.#closed.signal);
  }
}

function replayed(code: string): HttpError {
  return code === "ERR_CONNECTION_LOST"
    ? lostError("body")
    : new HttpError(code as HttpErrorCode, "As on the tape", { phase: "body" });
}
