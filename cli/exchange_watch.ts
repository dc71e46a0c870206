/**
 * Watches the exchanges of one transfer, redirects and repetitions included, and tells whoever wants to know.
 *
 * @module
 */
import {
  type ClientTrace,
  type HttpRequest,
  operationOf,
} from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import type { RoundTripper } from "../transport/transport.ts";
import { complaint } from "./complaint.ts";
import type { HarExchange } from "./har_exchange.ts";
import type { HarLog } from "./har_log.ts";
import type { Narrator } from "./narrator.ts";
import type { ChooseProxies } from "./proxies.ts";
import type { SpeedWatch } from "./speed_watch.ts";
import type { TransferFacts } from "./transfer_facts.ts";
import type { TransferTraces } from "./transfer_traces.ts";

/** Who wants to know; null: nobody. */
export interface Watchers {
  readonly facts: TransferFacts;
  /** Whether the facts are told in the end. */
  readonly tellsFacts: boolean;
  readonly narrator: Narrator | null;
  readonly har: HarLog | null;
  readonly speed: SpeedWatch | null;
  readonly proxies: ChooseProxies | null;
}

/** Watches one transfer. */
export class ExchangeWatch {
  readonly #watchers: Watchers;
  readonly #traces: TransferTraces;
  readonly #operations: Set<number> = new Set();
  /** The exchange that goes on, or null. */
  #exchange: HarExchange | null = null;
  #sentBytes = 0;

  constructor(watchers: Watchers, traces: TransferTraces) {
    this.#watchers = watchers;
    this.#traces = traces;
  }

  /** The request, which tells of what is sent of it where somebody wants to know. */
  counted(request: HttpRequest): HttpRequest {
    const { tellsFacts, har, speed } = this.#watchers;
    if (!tellsFacts && har === null && speed === null) return request;
    return request.with({ onUploadProgress: ({ bytes }) => this.#sent(bytes) });
  }

  /** Tells of every request and response. */
  observed(transport: RoundTripper): RoundTripper {
    const { tellsFacts, narrator, har } = this.#watchers;
    if (!tellsFacts && narrator === null && har === null) return transport;
    return { roundTrip: (request) => this.#roundTrip(transport, request) };
  }

  /** A final response is there; its head has so many bytes. */
  response(response: HttpResponse, headBytes: number): void {
    this.#watchers.facts.response(response, headBytes);
    this.#exchange?.response(response, headBytes);
  }

  /** A piece of the body that is written, which may change afterwards. */
  received(piece: Uint8Array): void {
    this.#watchers.speed?.add(piece.length);
    this.#exchange?.piece(piece);
  }

  /** The transfer has failed. */
  failed(error: unknown): void {
    this.#exchange?.failed(complaint(error));
  }

  /** It is over: nothing more is told. */
  end(): void {
    this.#watchers.narrator?.end();
    for (const operation of this.#operations) this.#traces.delete(operation);
  }

  async #roundTrip(transport: RoundTripper, request: HttpRequest): Promise<HttpResponse> {
    const { facts, narrator, har, proxies } = this.#watchers;
    const operation = operationOf(request);
    const exchange = har?.begin(request, proxies) ?? null;
    this.#exchange = exchange;
    this.#sentBytes = 0;
    this.#operations.add(operation);
    const listening: (ClientTrace | null)[] = [facts, narrator, exchange];
    this.#traces.add(operation, listening.filter((each) => each !== null));
    narrator?.request(request);
    facts.request();
    try {
      const response = await transport.roundTrip(request);
      narrator?.response(response);
      return response;
    } catch (error) {
      exchange?.failed(complaint(error));
      throw error;
    }
  }

  #sent(bytes: number): void {
    const { facts, speed } = this.#watchers;
    facts.sent(bytes);
    this.#exchange?.sent(bytes);
    speed?.add(Math.max(0, bytes - this.#sentBytes));
    this.#sentBytes = bytes;
  }
}
