/**
 * The error that an answer becomes where its status is one.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import type { Clock } from "../transport/clock.ts";
import { charsetOf, decodeText } from "../transport/message/charset.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import { shownRequest, shownUrl } from "../transport/message/shown_request.ts";
import type { TimeLeft } from "./time_left.ts";

/** Bytes. Most that is read of a body: what people write there, and APIs, fits. */
const MAX_EXCERPT_BYTES = 16 * 1024;

/** Milliseconds. A body that says nothing for that long is no reason to hold the error back. */
const MAX_EXCERPT_MS = 5_000;

/** What was asked for, without credentials and query. */
export interface StatusErrorRequest {
  /** The method. */
  readonly method: string;
  /** The URL that was requested last; of its query only that there is one. */
  readonly url: string;
}

/** The head of what was answered. */
export interface StatusErrorResponse {
  /** The reason phrase; may be empty. */
  readonly statusText: string;
  /** `"2"`, `"1.1"` or `"1.0"`. */
  readonly httpVersion: string;
  /** Header fields; `console.log` and `JSON.stringify` mask the values of secrets. */
  readonly headers: HttpHeaders;
}

/** The beginning of a body. */
export interface BodyExcerpt {
  /** As text, by the `charset` of its `Content-Type`. */
  readonly text: string;
  /** Whether that is all of it. */
  readonly isWhole: boolean;
}

/**
 * What a `Client` with `throwOnError` throws for an answer. Its body has been read as far as
 * `excerpt` goes, at most 16 KiB and for at most 5 seconds, and closed. `cause` is what broke the body
 * before, if something did.
 *
 * @example
 * ```ts
 * import { Client, StatusError } from "@roundtrip/http";
 * import { mockTransport } from "@roundtrip/http/testing";
 *
 * const mock = mockTransport();
 * mock.expect("GET", "https://api.test/pay").reply(402, { need: 5 });
 * const client = new Client({ transport: mock, throwOnError: true });
 * try {
 *   await client.get("https://api.test/pay");
 * } catch (error) {
 *   if (!(error instanceof StatusError)) throw error;
 *   console.log(error.status, JSON.parse(error.excerpt.text)); // 402 { need: 5 }
 * }
 * ```
 */
export class StatusError extends Error {
  /** Always `"StatusError"`. */
  override readonly name: string = "StatusError";
  /** Integer 100..999. */
  readonly status: number;
  /** What was asked for. */
  readonly request: StatusErrorRequest;
  /** The head of the answer. */
  readonly response: StatusErrorResponse;
  /** The beginning of its body. */
  readonly excerpt: BodyExcerpt;

  /**
   * Makes the error of an answer; reads nothing of it.
   *
   * @param cause What broke the body; undefined: nothing did.
   */
  constructor(answer: HttpResponse, excerpt: BodyExcerpt, cause?: unknown) {
    const { status, statusText, httpVersion, headers, request } = answer;
    const what = `${status} ${printable(statusText)}`.trimEnd();
    super(
      `${shownRequest(request)} was answered with ${what}`,
      cause === undefined ? undefined : { cause },
    );
    this.status = status;
    this.request = { method: request.method, url: shownUrl(request) };
    this.response = { statusText, httpVersion, headers };
    this.excerpt = excerpt;
  }
}

/**
 * Reads the beginning of an answer's body, closes it, and makes the error.
 *
 * Cancel: the signal; the body is closed.
 *
 * @param about The signal of the request, or null, and what is left of its `time`: where it runs out, the
 * error tells what has come.
 * @throws The signal's reason.
 */
export async function statusError(
  answer: HttpResponse,
  { signal, time, clock }: { signal: AbortSignal | null; time: TimeLeft; clock: Clock },
): Promise<StatusError> {
  const late = Promise.withResolvers<null>();
  const timer = clock.startTimer(() => late.resolve(null), MAX_EXCERPT_MS);
  // One more than is kept tells whether there is more.
  const room = new Uint8Array(MAX_EXCERPT_BYTES + 1);
  let length = 0;
  let isWhole = false;
  let cause: unknown;
  try {
    while (length < room.length) {
      const rest = room.subarray(length);
      const reading = answer.body.read(rest).then((n) => ({ n }));
      const brought = await time.wait(Promise.race([reading, late.promise]), signal);
      if (brought === null) break;
      const { n } = brought;
      isWhole = n === null;
      if (n === null) break;
      if (!Number.isInteger(n) || n < 1 || n > rest.length) throw gaveNoCount(n);
      length += n;
    }
  } catch (error) {
    cause = error;
  } finally {
    clock.stopTimer(timer);
    await answer.body.close();
  }
  if (signal?.aborted) throw signal.reason;
  const bytes = room.subarray(0, Math.min(length, MAX_EXCERPT_BYTES));
  return new StatusError(answer, { text: textOf(bytes, answer), isWhole }, cause);
}

function textOf(bytes: Uint8Array, { headers }: HttpResponse): string {
  const text = decodeText(bytes, charsetOf(headers.get("content-type") ?? ""));
  return text ?? decodeText(bytes, null)!;
}

function gaveNoCount(n: unknown): HttpError {
  const what = typeof n === "number" ? n : `a value of the type ${typeof n}`;
  return new HttpError("ERR_INVALID_REQUEST", `The read() of a response gave ${what}: no count`, {
    phase: "body",
  });
}
