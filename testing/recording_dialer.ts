/**
 * A dialer that keeps what its connections carry, and one that plays it back.
 *
 * @module
 */
import type { Address, Conn, Dialer, TlsInfo } from "../conn/conn.ts";
import { addressText, closedError, lostError } from "../conn/conn_error.ts";
import { ConnOver } from "../conn/conn_over.ts";
import { HttpError, type HttpErrorCode } from "../conn/http_error.ts";
import { type Clock, systemClock } from "../transport/clock.ts";
import { type Tape, type TapedConnection, TapeError, type TapeEvent } from "./tape.ts";
import { type MaskBody, maskHttp1, SECRET_FIELDS, type Spans } from "./tape_mask.ts";
import { delay } from "./test_delay.ts";

/** How connections are recorded. */
export interface RecordingOptions {
  /**
   * `"mask"`: values of secret fields are replaced by as many `*` before anything is written, bodies by
   * `maskBody`; what cannot be masked is not written at all. `"keep"`: all is written as it was.
   *
   * @default {"mask"}
   */
  secrets?: "mask" | "keep";
  /** Names of further fields whose values are secrets. */
  secretFields?: readonly string[];
  /** Masks bodies; one that returns what it is given says that they have no secrets. */
  maskBody?: MaskBody;
  /** Tells the times. Default: the runtime's. */
  clock?: Pick<Clock, "now">;
}

/** How a tape is played. */
export interface ReplayOptions {
  /** Whether bytes come at the times at which they came. @default {"none"} */
  times?: "none" | "recorded";
  /** By which they come. Default: the runtime's. */
  clock?: Clock;
}

/**
 * Makes a dialer that writes what goes over the connections of another one on a tape: above TLS, each with
 * its times and boundaries. Without a proxy, and with HTTP/1.1 unless secrets are kept.
 *
 * Secrets are masked before `tape.text()` gives anything; where they cannot be, it throws.
 *
 * @example
 * ```ts
 * import { HttpRequest, Transport } from "@roundtrip/http";
 * import { recordingDialer, replayDialer, Tape, testServer } from "@roundtrip/http/testing";
 *
 * const server = await testServer(() => new Response("hello"));
 * const tape = new Tape();
 * const dialer = recordingDialer(server.dialer, tape, { maskBody: (body) => body });
 * const request = new HttpRequest("http://a.test/", { headers: { Authorization: "Bearer secret" } });
 * await using recording = new Transport({ dialer });
 * await (await recording.roundTrip(request)).text();
 * await server.close();
 *
 * const text = tape.text();
 * if (text.includes("secret")) throw new Error("not masked");
 * await using replaying = new Transport({ dialer: replayDialer(Tape.parse(text)) });
 * console.log(await (await replaying.roundTrip(request)).text()); // hello
 * ```
 */
export function recordingDialer(
  dialer: Dialer,
  tape: Tape,
  options: RecordingOptions = {},
): Dialer {
  const clock = options.clock ?? systemClock;
  const startedAtMs = clock.now();
  const now = (): number => Math.round(clock.now() - startedAtMs);
  const record = (conn: Conn, address: Address): RecordingConn => {
    const recording = new RecordingConn(conn, now);
    tape.add(() => masked(recording.taped(address), options));
    return recording;
  };
  return {
    securesDials: true,
    dial: async (address, dialOptions = {}) => {
      const { tls, ...rest } = dialOptions;
      if (tls === undefined) return record(await dialer.dial(address, rest), address);
      if (dialer.securesDials) return record(await dialer.dial(address, dialOptions), address);
      const conn = await dialer.dial(address, rest);
      const serverName = address.transport === "tcp" ? address.hostname : undefined;
      const secured = await dialer.startTls(conn, { serverName, ...tls }, dialOptions.signal);
      return record(secured, address);
    },
    startTls: (conn) => {
      conn.close();
      return Promise.reject(
        new TapeError(
          "A tape records no TLS over a connection that is open: record without a proxy",
        ),
      );
    },
    ...(dialer.pollBarrier === undefined
      ? {}
      : { pollBarrier: (sure) => dialer.pollBarrier!(sure) }),
  };
}

class RecordingConn extends ConnOver implements Conn {
  readonly #conn: Conn;
  readonly #now: () => number;
  readonly #events: TapeEvent[] = [];

  constructor(conn: Conn, now: () => number) {
    super(conn);
    this.#conn = conn;
    this.#now = now;
  }

  taped(address: Address): TapedConnection {
    const tls = this.tls === null ? null : { alpnProtocol: this.tls.alpnProtocol };
    return { address, tls, events: [...this.#events] };
  }

  async read(p: Uint8Array): Promise<number | null> {
    try {
      const count = await this.#conn.read(p);
      const atMs = this.#now();
      this.#events.push(
        count === null
          ? { kind: "end", atMs }
          : { kind: "in", atMs, bytes: latin1(p.subarray(0, count)) },
      );
      return count;
    } catch (error) {
      const code = error instanceof HttpError ? error.code : "ERR_CONNECTION_LOST";
      // That this end closes it is not the server's doing.
      if (code !== "ERR_CLOSED") this.#events.push({ kind: "error", atMs: this.#now(), code });
      throw error;
    }
  }

  async write(p: Uint8Array): Promise<number> {
    this.#events.push({ kind: "out", atMs: this.#now(), bytes: latin1(p), masked: [] });
    return await this.#conn.write(p);
  }

  close(): void {
    this.#conn.close();
  }

  get readsInParts(): boolean {
    return true;
  }

  get tellsLate(): boolean {
    return true;
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function masked(connection: TapedConnection, options: RecordingOptions): TapedConnection {
  if (options.secrets === "keep") return connection;
  const all = (kind: "out" | "in"): Uint8Array =>
    bytesOf(connection.events.flatMap((each) => each.kind === kind ? [each.bytes] : []).join(""));
  const out = all("out");
  const into = all("in");
  let spans: Spans;
  try {
    if (latin1(out.subarray(0, 14)) === "PRI * HTTP/2.0") {
      throw new TapeError(
        'It carried HTTP/2, whose fields are not masked: secrets: "keep" keeps them',
      );
    }
    spans = maskHttp1(out, into, {
      secretFields: new Set([
        ...SECRET_FIELDS,
        ...(options.secretFields ?? []).map((name) => name.toLowerCase()),
      ]),
      maskBody: options.maskBody ?? null,
    });
  } catch (error) {
    throw new TapeError(
      `Cannot write the connection to ${addressText(connection.address)}: ${
        (error as Error).message
      }`,
    );
  }
  const at = { out: 0, in: 0 };
  const events = connection.events.map((event): TapeEvent => {
    if (event.kind !== "out" && event.kind !== "in") return event;
    const from = at[event.kind];
    const to = at[event.kind] += event.bytes.length;
    if (event.kind === "in") return { ...event, bytes: latin1(into.subarray(from, to)) };
    const own = spans.flatMap(([start, length]): Spans => {
      const first = Math.max(start, from);
      const last = Math.min(start + length, to);
      return first < last ? [[first - from, last - first]] : [];
    });
    return { ...event, bytes: latin1(out.subarray(from, to)), masked: own };
  });
  return { ...connection, events };
}

/**
 * Makes a dialer that plays a tape, without a network: the connections in their order, each to the address that
 * was dialled, bit for bit as on the tape. What is written has to be what was written then, but for what is
 * masked, which may be anything of the same length.
 *
 * @throws {TapeError} From dials and writes: what is asked for is not what is on the tape.
 */
export function replayDialer(tape: Tape, options: ReplayOptions = {}): Dialer {
  const connections = [...tape.connections];
  const dial = (address: Address): Promise<Conn> => {
    const next = connections.findIndex((one) => addressText(one.address) === addressText(address));
    if (next === -1) {
      const cause = new TapeError(`The tape has no further connection to ${addressText(address)}`);
      return Promise.reject(new HttpError("ERR_DIAL", cause.message, { phase: "dial", cause }));
    }
    const [connection] = connections.splice(next, 1);
    return Promise.resolve(new ReplayingConn(connection, options));
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
  readonly #events: TapeEvent[];
  readonly #options: ReplayOptions;
  readonly #closed: AbortController = new AbortController();
  #unread = "";
  #lastAtMs = 0;
  #failure: TapeError | null = null;
  #wake: () => void = () => {};

  constructor(connection: TapedConnection, options: ReplayOptions) {
    this.remoteAddr = connection.address;
    this.tls = connection.tls === null ? null : {
      alpnProtocol: connection.tls.alpnProtocol,
      protocol: null,
      engine: "node",
      peerCertificate: null,
      sessionReused: null,
    };
    this.#events = [...connection.events];
    this.#lastAtMs = this.#events[0]?.atMs ?? 0;
    this.#options = options;
  }

  async read(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return 0;
    while (this.#unread === "") {
      if (this.#closed.signal.aborted) throw closedError("body");
      if (this.#failure !== null) throw this.#failure;
      const event = this.#events[0];
      if (event === undefined || event.kind === "out") {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      if (event.kind === "end") return null;
      await this.#wait(event);
      if (event.kind === "error") throw replayed(event.code);
      this.#events.shift();
      this.#unread = event.bytes;
    }
    const piece = bytesOf(this.#unread.slice(0, p.length));
    this.#unread = this.#unread.slice(piece.length);
    p.set(piece);
    this.bytesRead += piece.length;
    return piece.length;
  }

  write(p: Uint8Array): Promise<number> {
    if (this.#closed.signal.aborted) return Promise.reject(closedError("request"));
    try {
      this.#compare(p);
    } catch (error) {
      this.#failure = error as TapeError;
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

  async #wait(event: TapeEvent): Promise<void> {
    const waitMs = event.atMs - this.#lastAtMs;
    this.#lastAtMs = event.atMs;
    if (this.#options.times !== "recorded") return;
    await delay(waitMs, this.#options.clock ?? null, this.#closed.signal);
  }

  /** With what comes next on the tape to be written; boundaries of writes do not count. */
  #compare(p: Uint8Array): void {
    let text = latin1(p);
    while (text !== "") {
      const i = this.#events.findIndex((event) => event.kind === "out");
      if (i === -1) {
        throw new TapeError(`More is written than on the tape: ${JSON.stringify(cut(text))}`);
      }
      const event = this.#events[i] as TapeEvent & { kind: "out" };
      const length = Math.min(event.bytes.length, text.length);
      for (let at = 0; at < length; at++) {
        if (event.bytes[at] === text[at]) continue;
        if (event.masked.some(([start, bytes]) => at >= start && at < start + bytes)) continue;
        throw new TapeError(
          "Other bytes are written than on the tape\n" +
            `  on the tape: ${JSON.stringify(cut(event.bytes.slice(Math.max(0, at - 40))))}\n` +
            `  written:     ${JSON.stringify(cut(text.slice(Math.max(0, at - 40))))}`,
        );
      }
      text = text.slice(length);
      this.#lastAtMs = Math.max(this.#lastAtMs, event.atMs);
      if (length === event.bytes.length) this.#events.splice(i, 1);
      else {
        const masked = event.masked.flatMap(([start, bytes]): Spans => {
          const end = start + bytes - length;
          return end <= 0 ? [] : [[Math.max(0, start - length), Math.min(bytes, end)]];
        });
        this.#events[i] = { ...event, bytes: event.bytes.slice(length), masked };
      }
    }
  }
}

function replayed(code: string): HttpError {
  return code === "ERR_CONNECTION_LOST"
    ? lostError("body")
    : new HttpError(code as HttpErrorCode, "As on the tape", { phase: "body" });
}

function cut(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}
