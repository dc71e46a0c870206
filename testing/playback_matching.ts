/**
 * Plays the exchanges of a tape in whatever order they are asked for, on whatever connection.
 *
 * @module
 */
import { addressText } from "../conn/conn_error.ts";
import { bytesOf, latin1 } from "./latin1.ts";
import { Http1Playback, type Playback, type PlayedStep, tooMuch } from "./playback.ts";
import { Http2MatchingPlayback } from "./playback_matching_http2.ts";
import { isHttp2, type TapedConnection, TapeError, type TapeEvent } from "./tape.ts";
import { type TapedStream, tapedStreams } from "./taped_stream.ts";

/** How a write begins that begins a request. */
const HEAD = /^[!-~]+ [^ \r\n]+ HTTP\/1\.[01]\r\n/;

/** A request of a tape with what came back. */
export interface TapedExchange {
  readonly connection: TapedConnection;
  /** Whether it was played, or is being played. */
  isUsed: boolean;
}

/** The exchanges of HTTP/1.1 on a tape, by the address that they went to. */
function tapedExchanges(
  connections: readonly TapedConnection[],
): Map<string, TapedExchange[]> {
  const found: Map<string, TapedExchange[]> = new Map();
  for (const connection of connections) {
    const { address, events } = connection;
    if (isHttp2(connection)) continue;
    const key = addressText(address);
    const own = found.get(key) ?? [];
    found.set(key, own);
    let exchange: TapeEvent[] = [];
    for (const event of events) {
      // A head begins with a write of its own: nothing is sent ahead of an answer.
      const isNext = event.kind === "out" && HEAD.test(event.bytes);
      if (isNext && exchange.some(({ kind }) => kind !== "out")) {
        own.push({ connection: { ...connection, events: exchange }, isUsed: false });
        exchange = [];
      }
      exchange.push(event);
    }
    if (exchange.length > 0) {
      own.push({ connection: { ...connection, events: exchange }, isUsed: false });
    }
  }
  return found;
}

/**
 * What plays the exchanges of a tape, on connections that lead to the same address as the given one.
 *
 * @throws {TapeError} Both versions were spoken with an address, or what was carried cannot be read.
 */
export function matchingPlaybacks(
  connections: readonly TapedConnection[],
): (connection: TapedConnection) => Playback {
  const exchanges = tapedExchanges(connections);
  const streams: Map<string, TapedStream[]> = new Map();
  for (const connection of connections.filter(isHttp2)) {
    const key = addressText(connection.address);
    if ((exchanges.get(key)?.length ?? 0) > 0) {
      throw new TapeError(`HTTP/1.1 and HTTP/2 with ${key} cannot both be matched by requests`);
    }
    streams.set(key, [...streams.get(key) ?? [], ...tapedStreams(connection)]);
  }
  return ({ address }) => {
    const key = addressText(address);
    const own = streams.get(key);
    return own === undefined
      ? new MatchingPlayback(exchanges.get(key) ?? [])
      : new Http2MatchingPlayback(own);
  };
}

/** One connection on which exchanges are played. Owns: the one at hand. */
export class MatchingPlayback implements Playback {
  readonly #exchanges: readonly TapedExchange[];
  #exchange: TapedExchange | null = null;
  #playback: Http1Playback | null = null;
  /** What the request at hand has sent. */
  #written = "";
  #hasBegun = false;

  /** @param exchanges Those of the address, which all of its connections share. */
  constructor(exchanges: readonly TapedExchange[]) {
    this.#exchanges = exchanges;
  }

  next(): PlayedStep | null {
    const step = this.#playback?.next() ?? null;
    if (step !== null) this.#hasBegun = true;
    return step;
  }

  wrote(p: Uint8Array): void {
    if (this.#playback?.isOver === true) {
      this.#exchange = this.#playback = null;
      this.#written = "";
      this.#hasBegun = false;
    }
    this.#written += latin1(p);
    let failure: unknown = null;
    if (this.#playback !== null) {
      try {
        return this.#playback.wrote(p);
      } catch (error) {
        // What has been answered is that exchange, and no other.
        if (this.#hasBegun) throw error;
        failure = error;
        this.#exchange!.isUsed = false;
      }
    }
    for (const exchange of this.#exchanges) {
      if (exchange.isUsed || exchange === this.#exchange) continue;
      const playback = new Http1Playback(exchange.connection);
      try {
        playback.wrote(bytesOf(this.#written));
      } catch (error) {
        failure ??= error;
        continue;
      }
      exchange.isUsed = true;
      this.#exchange = exchange;
      this.#playback = playback;
      return;
    }
    throw failure ?? tooMuch(this.#written);
  }
}
