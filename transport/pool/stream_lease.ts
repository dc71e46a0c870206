/**
 * What a request is sent on over HTTP/2: a place on a connection that others share, and the stream
 * that is opened there.
 *
 * @module
 */
import type { Conn } from "../../conn/conn.ts";
import type { Attempt } from "../../conn/http_error.ts";
import type { ExchangeEvents } from "../../http/exchange_events.ts";
import type { OutgoingRequest } from "../../http/outgoing_request.ts";
import type { ClientStream } from "../../http2/client_stream.ts";
import { attemptOf, NEVER_SENT } from "../attempt.ts";
import type { RoundTripIds } from "../message/http_request.ts";
import type { Dial } from "../route/dial.ts";
import type { Route } from "../route/route.ts";
import type { Carrier, ServedExchange } from "./carrier.ts";

/** A connection that others share, as one who has a place on it sees it. */
export interface SharedConnection {
  readonly id: number;
  readonly conn: Conn;
  readonly route: Route;
  readonly madeBy: Dial;
  usedBy: RoundTripIds | null;
  readonly exchangeCount: number;
  readonly streamCount: number;
  /** Whether one more request may be sent now. */
  readonly hasRoom: boolean;
  /** Whether the server takes CONNECT with a protocol; null: it has not said anything yet. */
  readonly takesProtocols: boolean | null;
  /** Whether it takes no more requests, now and later. */
  readonly isRetiring: boolean;
  readonly idleSinceMs: number;
  readonly receivedAtMs: number;
  readonly readAtMs: number;
  polled(atMs: number): void;
  ref(): void;
  /**
   * Opens a stream.
   *
   * @throws {HttpError} As `Http2Connection.send`; the place is free then.
   */
  send(request: OutgoingRequest, events: ExchangeEvents, nowMs: number): ClientStream;
  /** Ends a stream from here. @param sentAtMs When its request was sent. */
  cancel(stream: ClientStream, reason: unknown, sentAtMs: number): void;
  /** Calls back once the server has said what it takes, or there may be room, or all is over. */
  whenSettled(callback: () => void): void;
  /** Takes no more requests; ends with the last that it serves. */
  retire(): void;
  /** A place is free again. */
  placeFreed(): void;
}

/** One place of a connection. Owns: the place, until it is given back or a stream is opened on it. */
export class StreamLease implements Carrier {
  readonly protocol = "h2";
  readonly whole = null;
  readonly connection: SharedConnection;
  readonly wasIdle: boolean;
  readonly reused: boolean;
  readonly hasServed: boolean;
  readonly isNew: boolean;
  readonly idleSinceMs: number;
  #holdsPlace = true;
  /** Whether the request is just being handed over, by which code of the caller's may be called. */
  #isSending = false;
  /** Why it was ended meanwhile. */
  #endedWith: { reason: unknown } | null = null;
  #isLeft = false;
  #sentAtMs = 0;
  /** Whose request waits until the server has said whether it takes it. */
  #deferred: ServedExchange | null = null;
  #stream: ClientStream | null = null;

  constructor(connection: SharedConnection, waited: boolean) {
    this.connection = connection;
    this.wasIdle = waited && connection.streamCount === 0;
    this.hasServed = connection.exchangeCount > 0;
    this.reused = this.hasServed || waited;
    this.isNew = !this.reused;
    this.idleSinceMs = connection.idleSinceMs;
  }

  get id(): number {
    return this.connection.id;
  }

  get conn(): Conn {
    return this.connection.conn;
  }

  get route(): Route {
    return this.connection.route;
  }

  get madeBy(): Dial {
    return this.connection.madeBy;
  }

  get streamId(): number | null {
    return this.#stream?.id ?? null;
  }

  get usedBy(): RoundTripIds | null {
    return this.connection.usedBy;
  }

  set usedBy(ids: RoundTripIds | null) {
    this.connection.usedBy = ids;
  }

  get isIdle(): boolean {
    return this.#holdsPlace && this.connection.hasRoom;
  }

  get receivedAtMs(): number {
    return this.connection.receivedAtMs;
  }

  /** While others are served the end of the connection is seen at once, as they wait for answers. */
  get readAtMs(): number {
    return this.connection.streamCount > 0 ? Infinity : this.connection.readAtMs;
  }

  polled(atMs: number): void {
    this.connection.polled(atMs);
  }

  /** An answer says which request it is to: none can be taken for another's. */
  holdsNothing(): boolean {
    return this.isIdle;
  }

  send(request: OutgoingRequest, events: ServedExchange, nowMs: number): void {
    // Its end frees the place, and may come before the stream is known here.
    this.#holdsPlace = false;
    this.#sentAtMs = nowMs;
    if (request.protocol !== null && this.connection.takesProtocols === null) {
      // Whether it may be asked stands in what the server says first. RFC 8441 section 3.
      this.#deferred = events;
      this.connection.whenSettled(() => this.#sendDeferred(request, events));
      return;
    }
    this.#send(request, events);
  }

  #send(request: OutgoingRequest, events: ServedExchange): void {
    this.#isSending = true;
    try {
      this.#stream = this.connection.send(request, events, this.#sentAtMs);
    } finally {
      this.#isSending = false;
    }
    if (this.#endedWith !== null) this.close(this.#endedWith.reason);
  }

  #sendDeferred(request: OutgoingRequest, events: ServedExchange): void {
    // It was ended meanwhile.
    if (this.#deferred === null) return;
    const { connection } = this;
    if (connection.takesProtocols === true && !connection.isRetiring && !connection.hasRoom) {
      // The server takes fewer at once than it was given a place among.
      return connection.whenSettled(() => this.#sendDeferred(request, events));
    }
    this.#deferred = null;
    try {
      this.#send(request, events);
    } catch (error) {
      events.failed(error);
    }
  }

  serves(_events: ExchangeEvents): boolean {
    if (this.#stream === null) return this.#deferred !== null || this.#isSending;
    return !this.#stream.isClosed && !this.#isLeft;
  }

  get isSending(): boolean {
    return this.#stream?.isSending ?? false;
  }

  get awaitingContinue(): boolean {
    return this.#stream?.awaitingContinue ?? false;
  }

  continueTimedOut(): void {
    this.#stream?.continueTimedOut();
  }

  /** The field is one of HTTP/1.1. */
  hint(): void {}

  bind(): void {
    this.connection.retire();
  }

  attempt(): Attempt {
    const stream = this.#stream;
    if (stream === null) return NEVER_SENT;
    return attemptOf({
      reused: this.reused,
      bytesWritten: stream.writtenBytes,
      writePending: stream.framedBytes > stream.writtenBytes,
      requestComplete: stream.isRequestWritten,
      responseBytes: this.responseBytes,
      isUnprocessed: stream.isUnprocessed,
    });
  }

  /** Not where the server has named this very request as what it is at odds with. */
  get mayBeSentAgain(): boolean {
    return this.#stream?.wasBlamed !== true;
  }

  get requestBytes(): number {
    return this.#stream?.writtenBytes ?? 0;
  }

  /** A frame that ends the stream is no part of a response. */
  get responseBytes(): number {
    const stream = this.#stream;
    return stream !== null && stream.hasFirstByte ? stream.receivedBytes : 0;
  }

  ref(): void {
    this.connection.ref();
  }

  giveBack(): void {
    if (!this.#holdsPlace) return;
    this.#holdsPlace = false;
    this.connection.placeFreed();
  }

  close(reason: unknown): void {
    const stream = this.#stream;
    if (this.#isSending) {
      this.#endedWith ??= { reason };
    } else if (stream === null) {
      this.#holdsPlace ||= this.#deferred !== null;
      this.#deferred = null;
      this.giveBack();
    } else if (!stream.isClosed) this.connection.cancel(stream, reason, this.#sentAtMs);
  }

  giveUp(reason: unknown): void {
    this.connection.retire();
    this.close(reason);
  }

  /** Nobody waits for the stream to end. */
  drain(abandon: () => Promise<void>): Promise<void> {
    return abandon();
  }

  leave(): void {
    this.#isLeft = true;
  }
}
