/**
 * A response without an exchange.
 *
 * @module
 */
import type { Conn } from "../conn/conn.ts";
import { HttpError } from "../conn/http_error.ts";
import { HttpHeaders, type HttpHeadersInit } from "../http/http_headers.ts";
import type { IncomingContent } from "../http/incoming_content.ts";
import { responseHead } from "../http1/head_writer.ts";
import { type Http1ResponseHead, ResponseHeadReader } from "../http1/response_head.ts";
import { ANSWERED } from "../transport/attempt.ts";
import { HttpRequest } from "../transport/message/http_request.ts";
import { type HttpResponse, ReceivedResponse } from "../transport/message/http_response.ts";
import { contentOf } from "./mock_reply.ts";

/** What a fake response says. */
export interface FakeResponseInit {
  /** Integer 200..999. @default {200} */
  status?: number;
  /** The reason phrase. Default: empty. */
  statusText?: string;
  /** Default: `Content-Type` by the body, `Content-Length`. */
  headers?: HttpHeadersInit;
  /** What was asked for. Default: GET of `http://fake.test/`. */
  request?: HttpRequest;
  /** Trailer fields. Default: none. */
  trailers?: HttpHeadersInit;
}

/**
 * Makes an {@linkcode HttpResponse} that nothing was sent for, its body whole.
 *
 * @param body Text, bytes, or a value that becomes JSON. Default: none.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a field, or a status, that cannot be sent.
 *
 * @example
 * ```ts
 * import { fakeResponse } from "@roundtrip/http/testing";
 *
 * const response = fakeResponse({ name: "Ada" }, { status: 201 });
 * console.log(response.status, response.headers.get("content-type"), await response.json());
 * ```
 */
export function fakeResponse(
  body: string | Uint8Array | object | null = null,
  init: FakeResponseInit = {},
): HttpResponse {
  const { status = 200, statusText = "", request = new HttpRequest("http://fake.test/") } = init;
  const { content, type } = contentOf(body);
  if (content !== null && !(content instanceof Uint8Array)) {
    throw new HttpError("ERR_INVALID_REQUEST", "The body of a fake response is whole", {
      phase: "client",
    });
  }
  const bytes = Uint8Array.from(content ?? []);
  const headers = new HttpHeaders(init.headers);
  if (type !== null && !headers.has("content-type")) headers.append("Content-Type", type);
  if (!headers.has("content-length")) headers.append("Content-Length", `${bytes.length}`);
  const trailers = new HttpHeaders(init.trailers);
  return new ReceivedResponse(
    headOf(status, statusText, headers),
    new FakeContent(bytes, trailers),
    {
      request,
      context: null,
      connectionInfo: {
        id: 0,
        protocol: "http/1.1",
        streamId: null,
        reused: false,
        localAddr: { transport: "unix", path: "" },
        remoteAddr: { transport: "unix", path: "" },
        tls: null,
      },
      timings: {
        queueMs: null,
        dialMs: null,
        proxyMs: null,
        tlsMs: null,
        requestMs: null,
        continueMs: null,
        waitMs: 0,
        bodyMs: 0,
      },
      attempts: [ANSWERED],
      decoding: null,
      maxBodyBytes: Infinity,
      ended: Promise.resolve(trailers),
      failure: null,
      bodyDone: () => {},
      readBegan: () => {},
      readEnded: () => {},
      bodyError: (error) => error,
      drain: () => Promise.resolve(),
    },
  );
}

class FakeContent implements IncomingContent {
  readonly whole: Uint8Array<ArrayBuffer>;
  readonly framing: IncomingContent["framing"];
  readonly deviations: IncomingContent["deviations"] = [];
  readonly trailers: HttpHeaders;
  readonly complete = true;

  constructor(whole: Uint8Array<ArrayBuffer>, trailers: HttpHeaders) {
    this.whole = whole;
    this.trailers = trailers;
    this.framing = whole.length === 0 ? { kind: "none" } : { kind: "length", bytes: whole.length };
  }

  read(): Promise<null> {
    // All of it is in `whole`.
    return Promise.resolve(null);
  }

  abandon(): Promise<void> {
    return Promise.resolve();
  }

  takeOver(): Conn {
    throw new HttpError("ERR_INVALID_REQUEST", "Cannot take over: there is no connection", {
      phase: "body",
    });
  }
}

/** Made as a server would, and read as if it had come from one. */
function headOf(status: number, statusText: string, headers: HttpHeaders): Http1ResponseHead {
  const text = responseHead(status, statusText, headers);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return new ResponseHeadReader("strict").read(bytes, 0, bytes.length, [])!;
}
