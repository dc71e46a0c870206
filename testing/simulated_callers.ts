/**
 * The callers of a simulated transport: what they ask for, when they give up, how they read.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";
import { HttpRequest, type HttpRequestInit } from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import type { Transport } from "../transport/transport.ts";
import type { SeededRandom } from "./seeded_random.ts";
import { bodyFor } from "./simulated_server.ts";
import type { CallersModel, CallersRequest } from "./simulation_record.ts";
import type { SimulationWorld } from "./simulation_world.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** A signal that knows how many listen to it. */
interface CountedSignal {
  readonly controller: AbortController;
  listeners: number;
}

const METHODS = ["GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE"] as const;

/** Methods that the transport repeats without being asked. */
const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** All callers of one simulation. */
export class SimulatedCallers {
  /** Bodies that were got and have not ended. */
  openBodies = 0;
  readonly #world: SimulationWorld;
  readonly #random: SeededRandom;
  readonly #transport: Pick<Transport, "roundTrip" | "closeIdleConnections">;
  readonly #clock: VirtualClock;
  readonly #model: CallersModel;
  readonly #signals: CountedSignal[] = [];
  #stopped = false;

  constructor(
    world: SimulationWorld,
    random: SeededRandom,
    transport: Pick<Transport, "roundTrip" | "closeIdleConnections">,
    clock: VirtualClock,
    model: CallersModel,
  ) {
    this.#world = world;
    this.#random = random;
    this.#transport = transport;
    this.#clock = clock;
    this.#model = model;
  }

  /** Listeners that are left on the callers' signals. */
  get listeners(): number {
    return this.#signals.reduce((sum, { listeners }) => sum + listeners, 0);
  }

  /** Plans all requests. */
  start(): void {
    const { requestCount, spanMs } = this.#world;
    const shared = this.#countedSignal();
    for (let id = 1; id <= requestCount; id++) {
      const random = this.#random.fork(id);
      this.#clock.plan(random.delay(spanMs), `caller ${id}`, () => {
        if (!this.#stopped) void this.#call(id, random, shared);
      });
    }
    for (let i = this.#random.integer(0, 3); i > 0; i--) {
      this.#clock.plan(this.#random.delay(2 * spanMs), "closeIdleConnections()", () => {
        if (!this.#stopped) this.#transport.closeIdleConnections();
      });
    }
  }

  /** Nothing new is asked for. */
  stop(): void {
    this.#stopped = true;
  }

  #countedSignal(): CountedSignal {
    const controller = new AbortController();
    const counted: CountedSignal = { controller, listeners: 0 };
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal) as EventTarget["addEventListener"];
    const remove = signal.removeEventListener.bind(signal) as EventTarget["removeEventListener"];
    signal.addEventListener = (...args: Parameters<EventTarget["addEventListener"]>): void => {
      counted.listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<EventTarget["removeEventListener"]>) => {
      counted.listeners--;
      remove(...args);
    };
    this.#signals.push(counted);
    return counted;
  }

  async #call(id: number, random: SeededRandom, shared: CountedSignal): Promise<void> {
    const { hosts, abortChance, needsTimeouts } = this.#world;
    const model = this.#model;
    const method = random.pick(METHODS);
    const host = random.pick(hosts);
    const headers: Record<string, string> = { "X-Id": String(id) };
    const hasKey = random.chance(0.2);
    if (hasKey) headers["Idempotency-Key"] = `key-${id}`;
    const takesBody = method === "POST" || method === "PUT";
    const body = takesBody && random.chance(0.8) ? this.#body(id, random) : null;
    if (body !== null && random.chance(0.3)) headers["Expect"] = "100-continue";
    const timeoutMs = needsTimeouts || random.chance(0.2) ? random.integer(5, 800) : 0;
    const aborts = random.chance(abortChance);
    const signal = aborts || random.chance(0.2) ? this.#countedSignal() : shared;
    const request: CallersRequest = {
      id,
      host,
      method,
      isRepeatable: hasKey || REPEATABLE.has(method),
      isReplayable: body === null || body.isReplayable,
      dueMs: timeoutMs > 0 ? this.#clock.now() + timeoutMs : Infinity,
      aborted: false,
      settled: false,
    };
    model.begin(request);
    if (aborts) {
      this.#clock.plan(random.delay(300), `caller ${id} aborts`, () => {
        request.aborted = !request.settled;
        signal.controller.abort(`abort ${id}`);
      });
    }
    let response: HttpResponse;
    try {
      response = await this.#transport.roundTrip(
        new HttpRequest(`http://${host}/${id}`, {
          method,
          headers,
          body: body?.source ?? null,
          timeoutMs,
          signal: signal.controller.signal,
          trace: model.traceOf(request),
        }),
      );
    } catch (error) {
      request.aborted = false;
      model.settled(request, outcomeOf(error, id));
      if (error instanceof HttpError) model.failed(request, error);
      if (!(error instanceof HttpError) && error !== `abort ${id}`) {
        model.fail(`request ${id} failed by ${error}`);
      }
      return;
    }
    model.settled(request, "answered");
    this.openBodies++;
    try {
      await this.#read(request, response, random);
      model.log(`${id} body read`);
    } catch (error) {
      model.log(`${id} body: ${outcomeOf(error, id)}`);
      model.count(`body ${outcomeOf(error, id)}`);
      if (error instanceof HttpError) model.failed(request, error);
      if (!(error instanceof HttpError) && error !== `abort ${id}`) {
        model.fail(`body of ${id} failed by ${error}`);
      }
    } finally {
      this.openBodies--;
    }
  }

  #body(id: number, random: SeededRandom): Body {
    const length = random.integer(0, random.pick([10, 2_000, 50_000]));
    const bytes = bodyFor(id, length);
    if (random.chance(0.5)) return { source: bytes, isReplayable: true };
    const pieces = async function* (pause: () => Promise<void>) {
      for (let at = 0; at < length;) {
        await pause();
        const piece = bytes.subarray(at, at + 1 + (length >> 2));
        at += piece.length;
        yield piece;
      }
    };
    const pauseMs = random.delay(20);
    const pause = (): Promise<void> => this.#pause(`caller ${id} writes`, pauseMs);
    return random.chance(0.5)
      ? { source: () => pieces(pause), isReplayable: true }
      : { source: pieces(pause), isReplayable: false };
  }

  #pause(what: string, delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.plan(delayMs, what, resolve));
  }

  async #read(
    request: CallersRequest,
    response: HttpResponse,
    random: SeededRandom,
  ): Promise<void> {
    const { id } = request;
    const model = this.#model;
    const { headers, body } = response;
    const answered = Number(headers.get("x-id"));
    const isOwn = model.answered(request, Number(headers.get("x-response")), answered);
    const length = request.method === "HEAD" ? 0 : Number(headers.get("x-length"));
    const expected = bodyFor(answered, length);
    // Only the end of the connection ends such a body: nobody can tell whether it came too early.
    const isBounded = response.httpVersion === "2" || headers.has("content-length") ||
      headers.has("transfer-encoding");
    const endAt = isBounded ? length : null;
    if (random.chance(0.4)) {
      const bytes = await response.bytes();
      if (isOwn) this.#compare(request, bytes, expected, 0, endAt);
      return;
    }
    const stopAt = random.chance(0.3) ? random.integer(0, length) : Infinity;
    const pauseMs = random.chance(0.5) ? 0 : random.delay(60);
    const room = new Uint8Array(random.pick([1, 100, 8_192]) + (length >> 3));
    for (let at = 0;;) {
      if (at >= stopAt) {
        await body.close();
        return;
      }
      if (pauseMs > 0) await this.#pause(`caller ${id} reads`, pauseMs);
      const n = await body.read(room);
      if (isOwn) {
        this.#compare(request, room.subarray(0, n ?? 0), expected, at, n === null ? endAt : null);
      }
      if (n === null) return;
      at += n;
    }
  }

  #compare(
    { id }: CallersRequest,
    got: Uint8Array,
    expected: Uint8Array,
    at: number,
    endAt: number | null,
  ): void {
    const end = at + got.length;
    if (endAt !== null && end !== endAt) {
      this.#model.fail(`body of ${id} ended after ${end} of ${endAt} bytes`);
    }
    for (let i = 0; i < got.length; i++) {
      if (got[i] === expected[at + i]) continue;
      this.#model.fail(`body of ${id} is another's from byte ${at + i} on`);
      return;
    }
  }
}

interface Body {
  readonly source: HttpRequestInit["body"];
  readonly isReplayable: boolean;
}

/** What an error is called in the counts. */
function outcomeOf(error: unknown, id: number): string {
  if (error instanceof HttpError) return error.code;
  return error === `abort ${id}` ? "aborted" : String(error);
}
