/**
 * What a mock replies with.
 *
 * @module
 */
import {
  type Attempt,
  HttpError,
  type HttpErrorCode,
  type HttpErrorPhase,
} from "../conn/http_error.ts";
import { HttpHeaders, type HttpHeadersInit } from "../http/http_headers.ts";
import type { RecordedRequest } from "./recorded_request.ts";
import type { ServedAnswer } from "./served_connection.ts";
import { answerOf } from "./web_exchange.ts";
import { faults, isDialFault, isWireFault, type WireFault } from "./wire_fault.ts";

/** A body to reply with: text, bytes, a stream, pieces, or a value that is sent as JSON. */
export type ReplyBody =
  | string
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | object
  | null;

/** A reply that is there already: a response, or a fault of the wire. */
export type MockReply = Response | WireFault;

/** How a mocked error looks. */
export interface MockErrorInit {
  /** Where it goes wrong. Default: what is usual for the code. */
  phase?: HttpErrorPhase;
  /** For people. Default: that it is mocked. */
  message?: string;
}

/** Where each code goes wrong. */
const PHASES: Readonly<Record<HttpErrorCode, HttpErrorPhase>> = {
  ERR_INVALID_REQUEST: "request",
  ERR_UNSUPPORTED_SCHEME: "client",
  ERR_BODY_LENGTH: "request",
  ERR_DIAL: "dial",
  ERR_TLS: "tls",
  ERR_PROXY: "proxy",
  ERR_CONNECTION_LOST: "response-header",
  ERR_MALFORMED_RESPONSE: "response-header",
  ERR_HEADERS_TOO_LARGE: "response-header",
  ERR_INCOMPLETE_BODY: "body",
  ERR_BODY_TOO_LARGE: "body",
  ERR_DECODE: "body",
  ERR_TIMEOUT: "response-header",
  ERR_QUEUE_FULL: "queue",
  ERR_CLOSED: "client",
  ERR_BODY_CLOSED: "body",
  ERR_REDIRECT: "redirect",
  ERR_AUTH: "client",
  ERR_BLOCKED: "dial",
};

/** What the peer can have seen when it goes wrong there. */
const VERDICTS: Readonly<Partial<Record<HttpErrorPhase, Attempt["verdict"]>>> = {
  request: "partly-sent",
  "response-header": "sent-no-answer",
  body: "answered",
};

/** How a body goes wrong: by the wire, after a proper head. */
const BODY_FAULTS: Readonly<Partial<Record<HttpErrorCode, () => WireFault>>> = {
  ERR_INCOMPLETE_BODY: () => faults.wrongLength(5),
  ERR_MALFORMED_RESPONSE: () => faults.badChunk(),
  // "HTTP/1.1 200 ", one field, an empty line: 37 bytes.
  ERR_CONNECTION_LOST: () => faults.reset(39),
};

/** What makes the outcome of a mocked call. */
export type MockOutcome = (request: RecordedRequest) => Promise<
  { readonly answer: ServedAnswer } | { readonly error: unknown }
>;

/** Replies with a response, a fault, or what a function makes of the request. */
export function replyOf(
  reply: MockReply | ((request: RecordedRequest) => MockReply | Promise<MockReply>),
): MockOutcome {
  return async (request) => {
    const made = typeof reply === "function" ? await reply(request) : reply;
    if (isWireFault(made)) {
      if (isDialFault(made)) {
        const [code, phase] = made.kind === "refuse" ? DIAL : TLS;
        return { error: mockedError(code, { phase }, request) };
      }
      return { answer: await answerOf(made.response?.clone() ?? new Response("hello"), made) };
    }
    if (made instanceof Response) return { answer: await answerOf(reused(reply, made), null) };
    throw new TypeError("A mock replies with a Response, a fault, or a status");
  };
}

const DIAL = ["ERR_DIAL", "dial"] as const;
const TLS = ["ERR_TLS", "tls"] as const;

/** What is given again keeps its body. */
function reused(reply: unknown, response: Response): Response {
  return typeof reply === "function" ? response : response.clone();
}

/** Replies with a status, and a body that is made ready at once. */
export function statusReply(
  status: number,
  body: ReplyBody,
  init: HttpHeadersInit,
): MockOutcome {
  if (!Number.isInteger(status) || status < 200 || status > 999) {
    throw new RangeError(`Cannot reply: the status is not an integer of 200..999: ${status}`);
  }
  const headers = new HttpHeaders(init);
  const { content, type } = contentOf(body);
  if (type !== null && !headers.has("content-type")) headers.append("Content-Type", type);
  let taken = false;
  return () => {
    if (isPieces(content)) {
      if (taken) throw new TypeError("A mocked stream can be read once: reply with a function");
      taken = true;
    }
    return Promise.resolve({
      answer: { status, statusText: "", headers: [...headers], content, fault: null },
    });
  };
}

function isPieces(content: ServedAnswer["content"]): content is AsyncIterable<Uint8Array> {
  return content !== null && !(content instanceof Uint8Array);
}

/** A body as it is sent, and its media type. */
export function contentOf(
  body: ReplyBody,
): { content: ServedAnswer["content"]; type: string | null } {
  if (body === null) return { content: null, type: null };
  if (body instanceof Uint8Array) return { content: body, type: null };
  if (typeof body === "string") {
    return { content: new TextEncoder().encode(body), type: "text/plain;charset=UTF-8" };
  }
  if (body instanceof ReadableStream) {
    return { content: piecesOf(body), type: null };
  }
  if (Symbol.asyncIterator in body) {
    return { content: body as AsyncIterable<Uint8Array>, type: null };
  }
  return { content: new TextEncoder().encode(JSON.stringify(body)), type: "application/json" };
}

async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const { content } = await answerOf(new Response(stream), null);
  yield* content as AsyncIterable<Uint8Array>;
}

/** Rejects with an error, or lets the body fail with it. */
export function errorReply(code: HttpErrorCode, init: MockErrorInit): MockOutcome {
  const phase = init.phase ?? PHASES[code];
  if (phase === undefined) throw new RangeError(`No code of HttpError: ${code}`);
  if (phase !== "body") {
    return (request) => Promise.resolve({ error: mockedError(code, { ...init, phase }, request) });
  }
  const fault = BODY_FAULTS[code];
  if (fault === undefined) {
    throw new RangeError(`A body does not fail with ${code} by itself: reply with what makes it`);
  }
  return () =>
    Promise.resolve({
      answer: {
        status: 200,
        statusText: "",
        headers: [],
        content: new TextEncoder().encode("hello, world"),
        fault: fault(),
      },
    });
}

function mockedError(
  code: HttpErrorCode,
  init: MockErrorInit & { phase: HttpErrorPhase },
  request: RecordedRequest,
): HttpError {
  const verdict = VERDICTS[init.phase] ?? "never-sent";
  const isSent = verdict !== "never-sent";
  const attempt: Attempt = {
    reused: false,
    bytesWritten: isSent ? request.head.length + request.body.length : 0,
    responseBytes: 0,
    verdict,
  };
  const message = init.message ?? "mocked";
  return new HttpError(code, `${request.method} ${request.url}: ${message}`, {
    phase: init.phase,
    attempt,
  });
}
