/**
 * The header fields that a caller has given, as far as the transport has something to say to them.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import { parseDigits } from "../../http/grammar.ts";
import { fieldLine } from "../../http1/head_writer.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { connectionOptions } from "../../http1/persistence.ts";
import { checkAuthority, type HttpRequest } from "./http_request.ts";

/** What one list of header fields holds. Of a list that many requests share, it is made once. */
export class GivenFields {
  host: boolean = false;
  userAgent: boolean = false;
  contentLength: boolean = false;
  transferEncoding: boolean = false;
  contentType: boolean = false;
  trailer: boolean = false;
  acceptEncoding: boolean = false;
  proxyAuthorization: boolean = false;
  range: boolean = false;
  /** `Expect: 100-continue`. */
  expect: boolean = false;
  /** `Connection: close`. */
  close: boolean = false;
  upgrade: boolean = false;
  /** All of them as they are sent, where the transport leaves none out and changes none. */
  lines: string = "";

  /**
   * Looks at each field.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: fields that may not be sent together.
   */
  constructor(headers: HttpHeaders) {
    let upgradeOption = false;
    headers.forEach((value, name) => {
      this.lines += fieldLine(name, value);
      switch (name.toLowerCase()) {
        case "host":
          if (this.host) throw invalid("Two Host fields");
          checkAuthority(value);
          this.host = true;
          break;
        case "user-agent":
          this.userAgent = true;
          break;
        case "content-length":
          if (this.contentLength) throw invalid("Two Content-Length fields");
          this.contentLength = true;
          break;
        case "transfer-encoding":
          if (this.transferEncoding) throw invalid("Two Transfer-Encoding fields");
          if (value.toLowerCase() !== "chunked") {
            throw invalid("A Transfer-Encoding other than chunked");
          }
          this.transferEncoding = true;
          break;
        case "content-type":
          this.contentType = true;
          break;
        case "trailer":
          this.trailer = true;
          break;
        case "accept-encoding":
          this.acceptEncoding = true;
          break;
        case "proxy-authorization":
          this.proxyAuthorization = true;
          break;
        case "range":
          this.range = true;
          break;
        case "expect":
          if (value.toLowerCase() === "100-continue") this.expect = true;
          break;
        case "upgrade":
          this.upgrade = true;
          break;
        case "connection":
          for (const option of connectionOptions([value])) {
            if (option === "close") this.close = true;
            if (option === "upgrade") upgradeOption = true;
          }
          break;
      }
    });
    if (this.contentLength && this.transferEncoding) {
      throw invalid("Both Content-Length and Transfer-Encoding");
    }
    if (this.upgrade !== upgradeOption) {
      throw invalid("Upgrade goes with Connection: upgrade");
    }
  }
}

/**
 * What the caller has given with a request.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: fields that contradict each other or the request.
 */
export function givenFields({ headers, host, body }: HttpRequest): GivenFields {
  const given = headers.derived(inspect);
  if (given.host && host !== null) throw invalid("Both a Host field and the option host");
  if (body !== null) return given;
  if (given.contentLength && parseDigits(headers.get("content-length")!) !== 0) {
    throw invalid("A Content-Length without a body");
  }
  if (given.expect) throw invalid("Expect: 100-continue without a body to hold back");
  if (given.transferEncoding) throw invalid("Transfer-Encoding without a body");
  return given;
}

function inspect(headers: HttpHeaders): GivenFields {
  return new GivenFields(headers);
}

/** Says why a request cannot be sent. */
export function invalid(what: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot send this request: ${what}`, {
    phase: "request",
  });
}
