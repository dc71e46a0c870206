/**
 * A server for tests: on loopback, or wholly in memory.
 *
 * @module
 */
import { callersOptions } from "../conn/callers_options.ts";
import type { Address, Dialer } from "../conn/conn.ts";
import { systemDialer } from "../conn/dial.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import { unixDialer } from "../conn/unix_dialer.ts";
import type { HttpHeadersInit } from "../http/http_headers.ts";
import type { Clock } from "../transport/clock.ts";
import { Transport } from "../transport/transport.ts";
import type { TransportOptions } from "../transport/transport_options.ts";
import type { AcceptedConn } from "./faulty_conn.ts";
import { memoryDialer } from "./memory_network.ts";
import type { RecordedRequest } from "./recorded_request.ts";
import { type ServedAnswer, ServedConnection } from "./served_connection.ts";
import { makeCertificate, type TestCertificate } from "./test_certificate.ts";
import { answerOf, webRequest } from "./web_exchange.ts";
import { isDialFault, isWireFault, type WireFault } from "./wire_fault.ts";

/** What a handler is told besides. */
export interface TestHandlerInfo {
  /** The request as it was on the wire. */
  readonly recorded: RecordedRequest;
  /** Sends an informational response, 102..199. */
  inform(status: number, headers?: HttpHeadersInit): Promise<void>;
}

/**
 * Answers a request. What it throws is answered with 500, and kept in {@linkcode TestServer.errors}.
 */
export type TestHandler = (
  request: Request,
  info: TestHandlerInfo,
) => Response | WireFault | Promise<Response | WireFault>;

/** How a test server listens. */
export interface TestServerOptions {
  /**
   * `"memory"`: nowhere, {@linkcode TestServer.dialer} leads to it, for every host and with `https:` URLs
   * too. `"tcp"`, `"tls"`: on a free port of 127.0.0.1. `"unix"`: on a socket in a folder of its own.
   *
   * @default {"memory"}
   */
  listen?: "memory" | "tcp" | "tls" | "unix";
  /**
   * Whether HTTP/2 is spoken with clients that want it, by ALPN or by prior knowledge, and by
   * {@linkcode TestServer.transport}. HTTP/1.1 is spoken in any case.
   *
   * @default {false}
   */
  http2?: boolean;
  /** By which {@linkcode faults} take their time. Default: the runtime's. */
  clock?: Clock;
}

/** A server that runs. Close it. */
export interface TestServer extends AsyncDisposable {
  /** Of its root, without a `/` at the end. In memory, any other `http:` or `https:` URL leads here too. */
  readonly url: string;
  /** Leads to it, for {@linkcode TransportOptions.dialer}. */
  readonly dialer: Dialer;
  /** PEM certificate of the authority that a client of it has to trust; null without TLS. */
  readonly caCert: string | null;
  /** What it was sent, in the order in which the requests were complete. */
  readonly requests: readonly RecordedRequest[];
  /** What handlers threw, and faults that the protocol does not have. */
  readonly errors: readonly unknown[];
  /** How many connections were made to it. */
  readonly connectionCount: number;
  /** How many of them are open. */
  readonly openCount: number;
  /** Options with which a transport reaches and trusts it. */
  readonly transportOptions: Pick<TransportOptions, "dialer" | "tls" | "http2">;
  /** Makes a transport that reaches and trusts it; it is destroyed with the server. */
  transport(options?: TransportOptions): Transport;
  /**
   * Lets the next requests go wrong, in this order, one each; `refuse` and `dropTls` the next
   * connections.
   */
  inject(...faults: WireFault[]): void;
  /** Ends it, its connections and its transports. Idempotent. */
  close(): Promise<void>;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof TestServerOptions>(["listen", "http2", "clock"]);

/**
 * Starts a server for tests, on Roundtrip's own codecs. In memory it needs no port and no permission.
 *
 * The content of a request is read whole before the handler is called.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an option that is not known.
 *
 * @example
 * ```ts
 * import { Client } from "@roundtrip/http";
 * import { testServer } from "@roundtrip/http/testing";
 *
 * await using server = await testServer((request) => new Response(`hello ${request.method}`));
 * const client = new Client({ transport: server.transport() });
 * const response = await client.get(`${server.url}/a`, { headers: { "X-Name": "value" } });
 * if (await response.text() !== "hello GET") throw new Error("not what was answered");
 * if (!server.requests[0].head.includes("\r\nX-Name: value\r\n")) throw new Error("not as sent");
 * ```
 */
export async function testServer(
  handler: TestHandler,
  options: TestServerOptions = {},
): Promise<TestServer> {
  const { listen = "memory", http2 = false, clock } = callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown option of testServer "${printable(name)}"`),
  );
  if (!["memory", "tcp", "tls", "unix"].includes(listen)) {
    throw invalid(`testServer cannot listen on "${printable(`${listen}`)}"`);
  }
  const server = new RunningServer(handler, http2, clock ?? null);
  await server.listen(listen);
  return server;
}

/** The addresses on loopback of the servers that run: no network needs to be enabled for them. */
const running: Set<Address> = new Set();

/** Whether a test server of this process listens there. */
export function isTestServer(address: Address): boolean {
  for (const one of running) {
    if (one.transport === "unix") {
      if (address.transport === "unix" && address.path === one.path) return true;
    } else if (
      address.transport === "tcp" && address.port === one.port &&
      /^(?:127\.0\.0\.1|localhost)$/.test(address.hostname)
    ) return true;
  }
  return false;
}

class RunningServer implements TestServer {
  readonly requests: RecordedRequest[] = [];
  readonly errors: unknown[] = [];
  url = "http://memory.test";
  dialer: Dialer;
  connectionCount = 0;
  readonly #handler: TestHandler;
  readonly #http2: boolean;
  readonly #clock: Clock | null;
  readonly #connections: Set<ServedConnection> = new Set();
  readonly #transports: Set<Transport> = new Set();
  readonly #dialFaults: WireFault[] = [];
  readonly #faults: WireFault[] = [];
  #certificate: TestCertificate | null = null;
  #stopListening: () => Promise<void> = () => Promise.resolve();
  #closing: Promise<void> | null = null;

  constructor(handler: TestHandler, http2: boolean, clock: Clock | null) {
    this.#handler = handler;
    this.#http2 = http2;
    this.#clock = clock;
    this.dialer = memoryDialer({
      alpnProtocols: this.#alpnProtocols,
      admit: () => this.#closing === null && this.#admit("refuse") ? "accept" : "refuse",
      admitTls: () => this.#admit("dropTls"),
      accepted: (accepted) => this.#accepted(accepted),
    });
  }

  async listen(kind: "memory" | "tcp" | "tls" | "unix"): Promise<void> {
    if (kind === "memory") return;
    const { listenOnLoopback } = await import("./loopback_listener.ts");
    if (kind === "tls") this.#certificate = await makeCertificate(["localhost", "127.0.0.1"]);
    const { address, close } = await listenOnLoopback({
      kind,
      certificate: this.#certificate,
      alpnProtocols: this.#alpnProtocols,
      admit: () => this.#admit(null) ? "accept" : "drop",
      accepted: (accepted) => this.#accepted(accepted),
    });
    running.add(address);
    this.#stopListening = async () => {
      running.delete(address);
      await close();
    };
    if (address.transport === "unix") {
      this.url = "http://localhost";
      this.dialer = this.#refusing(unixDialer(address.path));
    } else {
      this.url = `http${kind === "tls" ? "s" : ""}://127.0.0.1:${address.port}`;
      this.dialer = this.#refusing(systemDialer());
    }
  }

  get openCount(): number {
    return this.#connections.size;
  }

  get caCert(): string | null {
    return this.#certificate?.caCert ?? null;
  }

  get transportOptions(): Pick<TransportOptions, "dialer" | "tls" | "http2"> {
    const { dialer, caCert } = this;
    return {
      dialer,
      http2: this.#http2 ? { priorKnowledge: true } : false,
      ...(caCert === null ? {} : { tls: { caCerts: [caCert] } }),
    };
  }

  transport(options: TransportOptions = {}): Transport {
    const transport = new Transport({ ...this.transportOptions, ...options });
    this.#transports.add(transport);
    return transport;
  }

  inject(...faults: WireFault[]): void {
    for (const fault of faults) {
      if (!isWireFault(fault)) throw invalid("inject() takes what faults make");
      (isDialFault(fault) ? this.#dialFaults : this.#faults).push(fault);
    }
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const transport of this.#transports) transport.destroy();
    for (const connection of this.#connections) connection.close();
    await this.#stopListening();
  }

  get #alpnProtocols(): string[] {
    return this.#http2 ? ["h2", "http/1.1"] : ["http/1.1"];
  }

  /** @param kind Which fault would end this step; null: any. */
  #admit(kind: "refuse" | "dropTls" | null): boolean {
    const fault = this.#dialFaults[0];
    if (fault === undefined || (kind !== null && fault.kind !== kind)) return true;
    this.#dialFaults.shift();
    return false;
  }

  /** A kernel accepts whatever comes to a port that listens: what is refused is not dialled. */
  #refusing(dialer: Dialer): Dialer {
    return {
      securesDials: dialer.securesDials,
      dial: (address, options) => {
        if (this.#admit("refuse")) return dialer.dial(address, options);
        const message = `Cannot connect to ${this.url}: refused by an injected fault`;
        return Promise.reject(new HttpError("ERR_DIAL", message, { phase: "dial" }));
      },
      startTls: (conn, options, signal) => dialer.startTls(conn, options, signal),
      pollBarrier: (sure) => dialer.pollBarrier!(sure),
    };
  }

  #accepted(accepted: AcceptedConn): void {
    const connection = new ServedConnection(accepted, {
      answer: (recorded, inform) => this.#answer(recorded, inform),
      misused: (error) => this.errors.push(error),
    }, { id: ++this.connectionCount, http2: this.#http2, clock: this.#clock });
    if (this.#closing !== null) return connection.close();
    this.#connections.add(connection);
    void connection.run().then(() => this.#connections.delete(connection));
  }

  async #answer(
    recorded: RecordedRequest,
    inform: TestHandlerInfo["inform"],
  ): Promise<ServedAnswer> {
    this.requests.push(recorded);
    const injected = this.#faults.shift() ?? null;
    try {
      const request = webRequest(recorded);
      const answer = request === null
        ? new Response(`No Request of the platform has this: ${recorded.method}`, { status: 501 })
        : await this.#handler(request, { recorded, inform });
      if (isWireFault(answer)) {
        if (isDialFault(answer)) {
          throw new TypeError(`A handler cannot ${answer.kind}: inject() it`);
        }
        return await answerOf(answer.response ?? new Response("hello"), injected ?? answer);
      }
      if (!(answer instanceof Response)) throw new TypeError("The handler gave no Response");
      return await answerOf(injected?.response ?? answer, injected);
    } catch (error) {
      this.errors.push(error);
      return await answerOf(
        new Response(`The handler failed: ${error}`, { status: 500 }),
        injected,
      );
    }
  }
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
