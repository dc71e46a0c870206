/**
 * A network of HTTP/2 servers in memory, each of them told frame by frame what to say, behind a
 * transport that speaks HTTP/2 without being asked.
 *
 * @module
 */
import assert from "node:assert/strict";
import { pipe, type PipeConn } from "../../conn/pipe.ts";
import {
  type Dialer,
  type HttpError,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import type { Http2Options } from "../../transport/transport_options.ts";
import { bytesOf, textOf } from "./feed.ts";
import { FrameServer } from "./frame_peer.ts";
import { ManualClock } from "./manual_clock.ts";
import { until } from "./waiting.ts";

/** What a test changes of the network. */
export interface FrameNetworkOptions extends Omit<TransportOptions, "http2" | "dialer"> {
  readonly http2?: Http2Options;
  /** What each server says first, as settings; null: nothing. @default {[]} */
  readonly settings?: readonly (readonly [number, number])[] | null;
  /** Called for each server that was dialled, the first is 1. */
  readonly serve?: (server: FrameServer, n: number) => void;
  /** Called before each dial; may wait, or throw. */
  readonly beforeDial?: (n: number) => void | Promise<void>;
  /** Octets that either end may have sent without the other having read them. @default {1 MiB} */
  readonly bufferBytes?: number;
  /** Polls the kernel. Without it nothing has to be proven before it is used. */
  readonly poll?: () => Promise<void>;
}

/** A transport and all servers that it has dialled. */
export class FrameNetwork {
  readonly transport: Transport;
  readonly servers: FrameServer[] = [];
  /** Our ends. */
  readonly conns: PipeConn[] = [];
  dialCount: number = 0;
  readonly #clock: ManualClock | null;
  #http1Lines: string[] | null = null;

  constructor(options: FrameNetworkOptions = {}) {
    const { http2 = {}, settings = [], serve, beforeDial, bufferBytes = 1 << 20, poll, ...others } =
      options;
    this.#clock = options.clock instanceof ManualClock ? options.clock : null;
    const dialer: Dialer = {
      dial: async () => {
        const n = ++this.dialCount;
        await beforeDial?.(n);
        const [near, far] = pipe({ bufferBytes });
        if (this.#http1Lines !== null) {
          void serveHttp1(far, this.#http1Lines);
          return near;
        }
        const server = new FrameServer(far);
        if (settings !== null) server.greet(settings);
        this.servers.push(server);
        this.conns.push(near);
        serve?.(server, n);
        return near;
      },
      startTls: () => assert.fail("nothing here is secured"),
      ...poll !== undefined && { pollBarrier: (seen?: () => void) => poll().then(seen) },
    };
    this.transport = new Transport({
      ...others,
      dialer,
      http2: { priorKnowledge: true, ...http2 },
    });
  }

  /** Servers that are dialled from now on speak HTTP/1.1. @param lines Of requests, as they come. */
  speakHttp1(lines: string[]): void {
    this.#http1Lines = lines;
  }

  /** Sends a request. */
  get(path: string = "/", init: HttpRequestInit = {}): Promise<HttpResponse> {
    const response = this.transport.roundTrip(new HttpRequest(`http://a.test${path}`, init));
    // A test that fails is told of its own failure first.
    response.catch(() => {});
    return response;
  }

  /** The n-th server, from 1, once it has been dialled. */
  async server(n: number = 1): Promise<FrameServer> {
    await until(`server ${n} is dialled`, () => this.servers.length >= n);
    return this.servers[n - 1];
  }

  /** Has one request answered, so that the connection has served. */
  async served(): Promise<FrameServer> {
    const response = this.get("/first");
    const server = await this.server(1);
    await server.sent("HEADERS", 1);
    server.answer(1, "first");
    assert.equal(await (await response).text(), "first");
    return server;
  }

  /** Waits for the HEADERS of a stream, answers them, and reads the answer. */
  async answered(
    response: Promise<HttpResponse>,
    server: FrameServer,
    streamId: number,
  ): Promise<void> {
    await server.sent("HEADERS", streamId);
    server.answer(streamId, `answer ${streamId}`);
    assert.equal(await (await response).text(), `answer ${streamId}`);
  }

  /** Idle connections, those in use, those being made, and requests that wait. */
  get counts(): [idle: number, active: number, dialing: number, waiting: number] {
    const { idle, active, dialing, waiting } = this.transport.stats();
    return [idle, active, dialing, waiting];
  }

  /** Ends everything; nothing may be left. */
  async close(): Promise<void> {
    this.transport.destroy();
    await until("nothing is left", () => {
      const { total, dialing, waiting } = this.transport.stats();
      return total + dialing + waiting === 0 && (this.#clock?.runningCount ?? 0) === 0;
    });
    for (const server of this.servers) server.closeSocket();
  }
}

/** Runs a test on a network that is closed behind it. */
export async function withFrameNetwork(
  options: FrameNetworkOptions,
  run: (network: FrameNetwork) => Promise<void>,
): Promise<void> {
  const network = new FrameNetwork(options);
  try {
    await run(network);
  } finally {
    await network.close();
  }
}

/** Answers each request on a connection. */
async function serveHttp1(conn: PipeConn, lines: string[]): Promise<void> {
  const p = new Uint8Array(10_000);
  try {
    for (let text = "", n = await conn.read(p); n !== null; n = await conn.read(p)) {
      text += textOf(p.subarray(0, n));
      const end = text.indexOf("\r\n\r\n") + 4;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (end < 4 || text.length < end + length) continue;
      lines.push(text.slice(0, text.indexOf("\r\n")));
      text = "";
      await conn.write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold"));
    }
  } catch {
    // Closed by the test.
  }
  conn.close();
}

/** What rejects with an error of ours. */
export async function failure(promise: Promise<unknown>): Promise<HttpError> {
  try {
    await promise;
  } catch (error) {
    return error as HttpError;
  }
  assert.fail("nothing was rejected");
}
