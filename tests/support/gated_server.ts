/**
 * A server whose answers wait until the test lets them go.
 *
 * @module
 */
import { HttpRequest, type HttpRequestInit, type Transport } from "../../mod.ts";
import {
  type RawConnection,
  type RawServer,
  type RawServerOptions,
  withRawServer,
} from "./raw_server.ts";
import { until } from "./waiting.ts";

/** A response of two bytes. */
export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A response whose body lacks half. */
export const HALF = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok";

/** A request that has come. */
export interface GatedRequest {
  readonly path: string;
  readonly connection: RawConnection;
  /** Sends an answer, and waits for the next request on the connection. @default {OK} */
  answer(text?: string): Promise<void>;
}

/** Requests as they come. */
export class Gate {
  readonly requests: GatedRequest[] = [];
  readonly server: RawServer;
  #seen = 0;

  constructor(server: RawServer) {
    this.server = server;
  }

  get paths(): string[] {
    return this.requests.map(({ path }) => path);
  }

  /** The connections that requests came on, by their order at the server. */
  get served(): number[] {
    return this.requests.map(({ connection }) => connection.index);
  }

  /** Waits for the next request. */
  async next(): Promise<GatedRequest> {
    const index = this.#seen++;
    await until(`request ${index} is there`, () => this.requests.length > index);
    return this.requests[index];
  }

  /** A request to this server. */
  request(path: string, init: HttpRequestInit = {}): HttpRequest {
    return new HttpRequest(this.server.origin + path, init);
  }

  /** Sends a request and reads the answer to its end. */
  async get(transport: Transport, path: string, init: HttpRequestInit = {}): Promise<string> {
    return await (await transport.roundTrip(this.request(path, init))).text();
  }

  /** Sends a request, answers it at once, and reads the answer to its end. */
  async exchange(transport: Transport, path: string, answer?: string): Promise<string> {
    const going = this.get(transport, path);
    await (await this.next()).answer(answer);
    return await going;
  }
}

/** Runs a test with a gated server. */
export async function withGate<T>(
  run: (gate: Gate) => Promise<T>,
  options?: RawServerOptions,
): Promise<T> {
  let gate: Gate | null = null;
  return await withRawServer(
    async (connection) => {
      for (;;) {
        const path = (await connection.readHead()).split(" ")[1];
        const answered = Promise.withResolvers<void>();
        gate!.requests.push({
          path,
          connection,
          answer: async (text = OK) => {
            await connection.send(text);
            answered.resolve();
          },
        });
        await Promise.race([answered.promise, connection.clientEnded]);
      }
    },
    async (server) => await run(gate = new Gate(server)),
    options,
  );
}
