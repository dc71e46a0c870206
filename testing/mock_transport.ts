/**
 * A transport with expectations.
 *
 * @module
 */
import { callersOptions } from "../conn/callers_options.ts";
import { HttpError, type HttpErrorCode, printable } from "../conn/http_error.ts";
import type { HttpHeadersInit } from "../http/http_headers.ts";
import type { Clock } from "../transport/clock.ts";
import type { HttpRequest } from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import type { RoundTripper } from "../transport/transport.ts";
import type { TransportOptions } from "../transport/transport_options.ts";
import { type AnsweredCall, answeringTransport, type CallOutcome } from "./answering_transport.ts";
import {
  type BodyMatcher,
  differences,
  type ExpectedRequest,
  type HeaderMatcher,
  shownExpected,
  type UrlMatcher,
} from "./mock_matching.ts";
import {
  errorReply,
  type MockErrorInit,
  type MockOutcome,
  type MockReply,
  type ReplyBody,
  replyOf,
  statusReply,
} from "./mock_reply.ts";
import type { RecordedRequest } from "./recorded_request.ts";
import { delay } from "./test_delay.ts";

/** How a mock works. */
export interface MockOptions {
  /** Whether requests have to come in the order of the expectations. @default {false} */
  ordered?: boolean;
  /** By which delays and the transport's own time-outs go. Default: the runtime's. */
  clock?: Clock;
  /** Options of the transport that sends to the mock; neither a dialer nor a clock. */
  transport?: Omit<TransportOptions, "dialer" | "clock">;
}

/** What else a request has to look like. */
export interface MockMatch {
  /** Fields that it must have, by name; null: that it must not have. */
  headers?: Record<string, HeaderMatcher>;
  /** Its body; null: none. Default: any. */
  body?: BodyMatcher | null;
}

/** A call that a mock has seen. */
export interface MockCall {
  /** As it was sent. */
  readonly request: RecordedRequest;
  /** Which expectation took it, integer from 1; null: none did. */
  readonly expectation: number | null;
}

/** What a mock was not asked for, or was asked for without expecting it. */
export class MockError extends Error {
  /** Always `"MockError"`. */
  override readonly name: string = "MockError";
}

/** A request that is expected, and what it is answered. Without a reply: 200 without a body. */
export interface MockExpectation {
  /** Replies with a copy of that response, with a fault, or with what the function makes. */
  reply(
    reply: MockReply | ((request: RecordedRequest) => MockReply | Promise<MockReply>),
  ): this;
  /**
   * Replies with a status and a body. An object is sent as JSON; a stream serves once.
   *
   * @param status Integer 200..999.
   */
  reply(status: number, body?: ReplyBody, headers?: HttpHeadersInit): this;
  /**
   * Rejects with an {@linkcode HttpError}, its verdict as the phase has it. In the phase `"body"` the head
   * comes, and the body fails: `ERR_INCOMPLETE_BODY`, `ERR_CONNECTION_LOST`, `ERR_MALFORMED_RESPONSE`.
   */
  replyWithError(code: HttpErrorCode, init?: MockErrorInit): this;
  /** Waits before the reply. Milliseconds, by the clock of the mock. */
  delay(ms: number): this;
  /** Expects it that often. @param count Integer from 1. @default {1} */
  times(count: number): this;
  /** Takes it as often as it comes, also never. */
  always(): this;
}

/** A transport with expectations. */
export interface MockTransport extends RoundTripper {
  /**
   * Expects a request.
   *
   * @param method A token; `"*"`: any.
   * @param url The whole URL; or a path with its query, at any origin; a `RegExp` or `URLPattern`; or a
   * function of the URL.
   */
  expect(method: string, url: UrlMatcher, match?: MockMatch): MockExpectation;
  /** What was asked, in its order. */
  readonly calls: readonly MockCall[];
  /**
   * Checks that all that was expected was asked for, and nothing else.
   *
   * @throws {MockError}
   */
  assertDone(): void;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof MockOptions>(["ordered", "clock", "transport"]);

/**
 * Makes a transport that answers what it was told to expect. It works below a `Client`, `createFetch`
 * and other transports: each request is really sent, over a connection in memory.
 *
 * A request that nothing expects rejects with a {@linkcode MockError} that shows the nearest
 * expectation and what differs; {@linkcode MockTransport.assertDone} tells of it again.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an option that is not known.
 *
 * @example
 * ```ts
 * import { Client } from "@roundtrip/http";
 * import { mockTransport } from "@roundtrip/http/testing";
 *
 * const mock = mockTransport();
 * mock.expect("POST", "https://api.test/pay", { body: { amount: 5 } }).reply(201, { id: 7 });
 * const client = new Client({ transport: mock });
 * const response = await client.post("https://api.test/pay", JSON.stringify({ amount: 5 }));
 * console.log(response.status, await response.json()); // 201 { id: 7 }
 * mock.assertDone();
 * ```
 */
export function mockTransport(options: MockOptions = {}): MockTransport {
  const { ordered = false, clock, transport = {} } = callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown option of a mock "${printable(name)}"`),
  );
  if ("dialer" in transport || "clock" in transport) {
    throw invalid("The transport of a mock has no dialer, and the clock of the mock");
  }
  return new Mock(ordered, clock ?? null, transport);
}

class Mock implements MockTransport {
  readonly calls: MockCall[] = [];
  readonly #expectations: Expectation[] = [];
  readonly #ordered: boolean;
  readonly #clock: Clock | null;
  readonly #transport: RoundTripper;
  readonly #unexpected: string[] = [];

  constructor(ordered: boolean, clock: Clock | null, transport: TransportOptions) {
    this.#ordered = ordered;
    this.#clock = clock;
    this.#transport = answeringTransport((call) => this.#answer(call), { transport, clock });
  }

  expect(method: string, url: UrlMatcher, match: MockMatch = {}): MockExpectation {
    if (typeof url === "string" && !url.startsWith("/") && !URL.canParse(url)) {
      throw invalid(`A mock cannot expect this URL: "${printable(url)}"`);
    }
    const { headers = {}, body } = match;
    const expectation = new Expectation({ method, url, headers, body });
    this.#expectations.push(expectation);
    return expectation;
  }

  roundTrip(request: HttpRequest): Promise<HttpResponse> {
    return this.#transport.roundTrip(request);
  }

  assertDone(): void {
    const missing = this.#expectations.flatMap((one, i) =>
      one.isMet ? [] : [`Not asked for: ${shownAt(one, i)}`]
    );
    const complaints = [...this.#unexpected, ...missing];
    if (complaints.length > 0) throw new MockError(complaints.join("\n"));
  }

  async #answer({ recorded, signal }: AnsweredCall): Promise<CallOutcome> {
    const compared = await Promise.all(
      this.#expectations.map((one) => differences(one.expected, recorded)),
    );
    // From here on nothing waits until the place is taken.
    const found = this.#find(compared);
    this.calls.push({ request: recorded, expectation: found === null ? null : found + 1 });
    if (found === null) {
      const message = this.#complaint(recorded, compared);
      this.#unexpected.push(message);
      return { error: new MockError(message) };
    }
    const expectation = this.#expectations[found];
    expectation.count++;
    await delay(expectation.delayMs, this.#clock, signal);
    return await expectation.outcome(recorded);
  }

  #find(compared: readonly string[][]): number | null {
    for (const [i, lines] of compared.entries()) {
      const one = this.#expectations[i];
      if (lines.length === 0 && !one.isUsedUp) return i;
      if (this.#ordered && !one.isMet) return null;
    }
    return null;
  }

  #complaint(request: RecordedRequest, compared: readonly string[][]): string {
    const head = `Unexpected request: ${request.method} ${request.url}`;
    if (compared.length === 0) return `${head}\n  Nothing is expected.`;
    const nearest =
      compared.map((lines, i) => ({ lines, i })).sort((a, b) =>
        weight(a.lines, this.#expectations[a.i]) - weight(b.lines, this.#expectations[b.i])
      )[0];
    const one = this.#expectations[nearest.i];
    const why = nearest.lines.length > 0
      ? nearest.lines
      : [one.isUsedUp ? "it has been asked for already" : "another one has to come before it"];
    return [
      head,
      `  Nearest: ${shownAt(one, nearest.i)}`,
      ...why.map((line) => `    ${line}`),
    ].join("\n");
  }
}

/** The nearer the smaller: another URL is farther than another header; what is used up is last of equals. */
function weight(lines: readonly string[], expectation: Expectation): number {
  return lines.reduce(
    (sum, line) => sum + (line.startsWith("URL") ? 4 : line.startsWith("method") ? 3 : 1),
    expectation.isUsedUp ? 0.5 : 0,
  );
}

function shownAt(one: Expectation, i: number): string {
  const often = one.most === Infinity ? "any number" : one.most;
  return `expectation ${i + 1}, ${shownExpected(one.expected)} (${one.count} of ${often})`;
}

class Expectation implements MockExpectation {
  readonly expected: ExpectedRequest;
  outcome: MockOutcome = statusReply(200, null, []);
  delayMs = 0;
  least = 1;
  most = 1;
  count = 0;

  constructor(expected: ExpectedRequest) {
    this.expected = expected;
  }

  get isMet(): boolean {
    return this.count >= this.least;
  }

  get isUsedUp(): boolean {
    return this.count >= this.most;
  }

  reply(
    reply: number | MockReply | ((request: RecordedRequest) => MockReply | Promise<MockReply>),
    body: ReplyBody = null,
    headers: HttpHeadersInit = [],
  ): this {
    this.outcome = typeof reply === "number" ? statusReply(reply, body, headers) : replyOf(reply);
    return this;
  }

  replyWithError(code: HttpErrorCode, init: MockErrorInit = {}): this {
    this.outcome = errorReply(code, init);
    return this;
  }

  delay(ms: number): this {
    if (!(ms >= 0)) throw new RangeError(`Cannot wait for ${ms} milliseconds`);
    this.delayMs = ms;
    return this;
  }

  times(count: number): this {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new RangeError(`Cannot expect a request ${count} times`);
    }
    this.least = this.most = count;
    return this;
  }

  always(): this {
    this.least = 0;
    this.most = Infinity;
    return this;
  }
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
