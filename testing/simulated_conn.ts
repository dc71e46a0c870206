/**
 * One connection of the simulated network: the client's end is a `Conn`, the server's end a few
 * methods.
 *
 * @module
 */
import type { Address, Conn } from "../conn/conn.ts";
import { busyError, closedError, endedError, lostError } from "../conn/conn_error.ts";
import type { HttpError } from "../conn/http_error.ts";
import type { SeededRandom } from "./seeded_random.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** How the network behaves. Probabilities from 0 to 1, milliseconds, bytes. */
export interface NetworkWeather {
  /** Longest way of a piece of bytes. */
  readonly latencyMs: number;
  /** Longest time until the program looks at what has arrived. */
  readonly pollMs: number;
  /** Most bytes that travel together. */
  readonly segmentBytes: number;
  /** Bytes that are accepted and not read by the server yet. */
  readonly sendBufferBytes: number;
  /** How often the word that a write was accepted comes late. */
  readonly lateWord: number;
  readonly refusedDial: number;
  readonly lostDial: number;
  /** Whether a read finds at once what has arrived, before the next poll. */
  readonly eagerReads: boolean;
  /** Whether a reset destroys what has arrived and was not read. */
  readonly resetLosesData: boolean;
}

/** What the server's end of a connection is told. */
export interface ServerEnd {
  received(bytes: Uint8Array): void;
  /** The client has closed the connection. */
  clientGone(): void;
}

/** The network, as its connections see it. */
export interface ConnNetwork {
  readonly clock: VirtualClock;
  readonly weather: NetworkWeather;
  readonly open: Set<SimulatedConn>;
  readonly watcher: {
    log(line: string): void;
    /** Bytes of the client were accepted. */
    accepted(conn: SimulatedConn, bytes: Uint8Array): void;
  };
  /** Something has arrived. */
  planPoll(): void;
}

interface PendingRead {
  readonly p: Uint8Array;
  readonly resolve: (count: number | null) => void;
  readonly reject: (error: HttpError) => void;
}

interface PendingWrite {
  readonly p: Uint8Array;
  accepted: number;
  /** Accepted bytes of which the program has not been told. */
  untold: number;
  readonly resolve: (count: number) => void;
  readonly reject: (error: HttpError) => void;
}

type End = "open" | "fin" | "reset";

/** A connection. Bytes that have arrived wait in the kernel until the network is polled. */
export class SimulatedConn implements Conn {
  readonly id: number;
  readonly host: string;
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  readonly tls = null;
  server: ServerEnd | null = null;
  bytesRead = 0;
  bytesWritten = 0;
  /** Bytes that the server has sent so far. */
  serverSentBytes = 0;
  /** When a read brought something last. */
  lastReadMs = 0;
  closed = false;
  readonly #network: ConnNetwork;
  readonly #random: SeededRandom;
  /** Arrived, not polled. */
  #held: Uint8Array[] = [];
  #heldEnd: End = "open";
  /** Polled, not read. */
  #ready: Uint8Array[] = [];
  #end: End = "open";
  #reader: PendingRead | null = null;
  #writer: PendingWrite | null = null;
  #writeEnded = false;
  /** Accepted, not read by the server. */
  #unreadByServer = 0;
  #upAtMs = 0;
  #downAtMs = 0;
  /** What the server's kernel holds while the server does not read. */
  #atServer: Uint8Array[] = [];
  #serverReads = true;
  #serverEnd: End = "open";
  #serverAccepts = true;

  constructor(
    id: number,
    host: string,
    remoteAddr: Address,
    network: ConnNetwork,
    random: SeededRandom,
  ) {
    this.id = id;
    this.host = host;
    this.localAddr = { transport: "tcp", hostname: "10.0.0.1", port: id % 65_535 + 1 };
    this.remoteAddr = remoteAddr;
    this.#network = network;
    this.#random = random;
  }

  // The client's end.

  read(p: Uint8Array): Promise<number | null> {
    if (this.#reader !== null) return Promise.reject(busyError("body"));
    if (this.closed) return Promise.reject(closedError("body"));
    if (p.length === 0) return Promise.resolve(0);
    if (this.#network.weather.eagerReads) this.#look();
    return new Promise((resolve, reject) => {
      this.#reader = { p, resolve, reject };
      this.#satisfy();
    });
  }

  write(p: Uint8Array): Promise<number> {
    if (this.#writer !== null) return Promise.reject(busyError("request"));
    if (this.closed) return Promise.reject(closedError("request"));
    if (this.#writeEnded) return Promise.reject(endedError());
    if (this.#end === "reset") return Promise.reject(lostError("request"));
    return new Promise((resolve, reject) => {
      this.#writer = { p, accepted: 0, untold: 0, resolve, reject };
      this.#accept();
    });
  }

  closeWrite(): Promise<void> {
    this.#writeEnded = true;
    return Promise.resolve();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    const network = this.#network;
    network.open.delete(this);
    network.watcher.log(`#${this.id} closed by the client`);
    this.#reader?.reject(closedError("body"));
    this.#reader = null;
    this.#writer?.reject(closedError("request"));
    this.#writer = null;
    this.#held = [];
    this.#ready = [];
    this.#up(`#${this.id} client gone`, () => this.server!.clientGone());
  }

  ref(): void {
    // Nothing in memory keeps a process alive.
  }

  unref(): void {
    // As above.
  }

  /** The program looks at what has arrived. */
  poll(): void {
    this.#look();
    this.#satisfy();
  }

  // The server's end.

  /**
   * Sends bytes, in pieces.
   *
   * @param arrived Called when the first of them are in the client's kernel.
   */
  send(bytes: Uint8Array, arrived?: () => void): void {
    if (this.#serverEnd !== "open" || bytes.length === 0) return;
    this.serverSentBytes += bytes.length;
    const { segmentBytes } = this.#network.weather;
    let tell = arrived;
    for (let at = 0; at < bytes.length;) {
      const most = this.#random.chance(0.5) ? bytes.length : segmentBytes;
      const piece = bytes.subarray(at, at + this.#random.integer(1, most));
      const first = tell;
      tell = undefined;
      at += piece.length;
      this.#down(`#${this.id} <- ${piece.length}`, () => {
        first?.();
        this.#held.push(piece);
      });
    }
  }

  /** Ends the server's sending; what the client sends is still read. */
  fin(): void {
    if (this.#serverEnd !== "open") return;
    this.#serverEnd = "fin";
    this.#down(`#${this.id} <- FIN`, () => {
      if (this.#heldEnd === "open") this.#heldEnd = "fin";
    });
  }

  /** Closes the server's end: what the client sends from now on is answered by a reset. */
  serverClose(): void {
    this.fin();
    this.#serverAccepts = false;
  }

  /** Resets the connection. */
  reset(): void {
    this.#serverAccepts = false;
    if (this.#serverEnd === "reset") return;
    this.#serverEnd = "reset";
    this.#down(`#${this.id} <- RST`, () => {
      this.#heldEnd = "reset";
      if (!this.#network.weather.resetLosesData) return;
      this.#held = [];
      this.#ready = [];
    });
  }

  /** Whether the server reads; while it does not, the client's writes fill its buffers. */
  set serverReads(reads: boolean) {
    this.#serverReads = reads;
    while (this.#serverReads && this.#atServer.length > 0) this.#serve(this.#atServer.shift()!);
  }

  #look(): void {
    if (this.#held.length > 0) {
      this.#ready.push(...this.#held);
      this.#held = [];
    }
    this.#end = this.#heldEnd;
    if (this.#end !== "reset" || this.#writer === null) return;
    this.bytesWritten += this.#writer.untold;
    this.#writer.reject(lostError("request"));
    this.#writer = null;
  }

  #satisfy(): void {
    const reader = this.#reader;
    if (reader === null) return;
    const piece = this.#ready[0];
    if (piece !== undefined) {
      // What has arrived in several pieces is read together.
      let n = 0;
      while (this.#ready.length > 0 && n < reader.p.length) {
        const next = this.#ready[0];
        const take = Math.min(next.length, reader.p.length - n);
        reader.p.set(next.subarray(0, take), n);
        n += take;
        if (take === next.length) this.#ready.shift();
        else this.#ready[0] = next.subarray(take);
      }
      this.#reader = null;
      this.bytesRead += n;
      this.lastReadMs = this.#network.clock.now();
      this.#network.watcher.log(`#${this.id} read ${n}`);
      reader.resolve(n);
    } else if (this.#end !== "open") {
      this.#reader = null;
      if (this.#end === "fin") reader.resolve(null);
      else reader.reject(lostError("body"));
    }
  }

  #accept(): void {
    const writer = this.#writer;
    if (writer === null || writer.untold > 0) return;
    const { p } = writer;
    const { sendBufferBytes, segmentBytes, lateWord } = this.#network.weather;
    const room = sendBufferBytes - this.#unreadByServer;
    const bytes = p.slice(writer.accepted, writer.accepted + Math.max(0, room));
    writer.accepted += bytes.length;
    const isLate = bytes.length > 0 && this.#random.chance(lateWord);
    if (isLate) writer.untold = bytes.length;
    else this.bytesWritten += bytes.length;
    if (bytes.length > 0) {
      this.#unreadByServer += bytes.length;
      this.#network.watcher.log(`#${this.id} wrote ${bytes.length}`);
      this.#network.watcher.accepted(this, bytes);
    }
    for (let at = 0; at < bytes.length;) {
      const most = this.#random.chance(0.5) ? bytes.length : segmentBytes;
      const piece = bytes.subarray(at, at + this.#random.integer(1, most));
      at += piece.length;
      this.#up(`#${this.id} -> ${piece.length}`, () => this.#arriveAtServer(piece));
    }
    if (!isLate) {
      this.#word(writer);
      return;
    }
    this.#network.clock.plan(this.#random.delay(5), `#${this.id} word`, () => {
      if (this.#writer !== writer) return;
      this.bytesWritten += writer.untold;
      writer.untold = 0;
      this.#word(writer);
      this.#accept();
    });
  }

  #word(writer: PendingWrite): void {
    if (writer.accepted < writer.p.length || this.#writer !== writer) return;
    this.#writer = null;
    writer.resolve(writer.p.length);
  }

  #arriveAtServer(piece: Uint8Array): void {
    if (!this.#serverAccepts) {
      if (this.#serverEnd !== "reset") this.reset();
      return;
    }
    if (this.#serverReads && this.#atServer.length === 0) this.#serve(piece);
    else this.#atServer.push(piece);
  }

  #serve(piece: Uint8Array): void {
    this.#unreadByServer -= piece.length;
    this.server!.received(piece);
    if (this.closed || this.#end === "reset" || this.#writer === null) return;
    // As a kernel does: the window opens when it is worth it.
    if (2 * this.#unreadByServer <= this.#network.weather.sendBufferBytes) this.#accept();
  }

  #up(what: string, run: () => void): void {
    const { clock, weather } = this.#network;
    this.#upAtMs = Math.max(this.#upAtMs, clock.now() + this.#random.delay(weather.latencyMs));
    clock.plan(this.#upAtMs - clock.now(), what, run);
  }

  #down(what: string, run: () => void): void {
    const network = this.#network;
    const { clock, weather } = network;
    this.#downAtMs = Math.max(this.#downAtMs, clock.now() + this.#random.delay(weather.latencyMs));
    clock.plan(this.#downAtMs - clock.now(), what, () => {
      if (this.closed) return;
      run();
      network.planPoll();
    });
  }
}
