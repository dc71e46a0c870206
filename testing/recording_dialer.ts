/**
 * A dialer that keeps what its connections carry.
 *
 * @module
 */
import type { Address, Conn, Dialer } from "../conn/conn.ts";
import { addressText } from "../conn/conn_error.ts";
import { ConnOver } from "../conn/conn_over.ts";
import { HttpError } from "../conn/http_error.ts";
import { type Clock, systemClock } from "../transport/clock.ts";
import { bytesOf, latin1 } from "./latin1.ts";
import { isHttp2, type Tape, type TapedConnection, TapeError, type TapeEvent } from "./tape.ts";
import {
  type MaskBody,
  maskHttp1,
  type MaskOptions,
  SECRET_FIELDS,
  type Spans,
} from "./tape_mask.ts";
import { maskHttp2 } from "./tape_mask_http2.ts";

/** How connections are recorded. */
export interface RecordingOptions {
  /**
   * `"mask"`: values of secret fields are replaced by as many `*` before anything is written, bodies by
   * `maskBody`; what cannot be masked is not written at all. In HTTP/2, blocks of fields are written anew for
   * that. `"keep"`: all is written as it was.
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

/**
 * Makes a dialer that writes what goes over the connections of another one on a tape: above TLS, each with
 * its times and boundaries. Without a proxy.
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

function masked(connection: TapedConnection, options: RecordingOptions): TapedConnection {
  if (options.secrets === "keep") return connection;
  const all = (kind: "out" | "in"): Uint8Array =>
    bytesOf(connection.events.flatMap((each) => each.kind === kind ? [each.bytes] : []).join(""));
  const out = all("out");
  const into = all("in");
  const what: MaskOptions = {
    secretFields: new Set([
      ...SECRET_FIELDS,
      ...(options.secretFields ?? []).map((name) => name.toLowerCase()),
    ]),
    maskBody: options.maskBody ?? null,
  };
  let spans: Spans;
  try {
    if (isHttp2(connection)) return maskHttp2(connection, what);
    spans = maskHttp1(out, into, what);
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
