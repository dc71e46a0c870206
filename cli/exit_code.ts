/**
 * What the process says when it ends. The numbers are those of curl where it has one.
 *
 * @module
 */
import { HttpError, type HttpErrorCode } from "../conn/http_error.ts";
import { ProxyError } from "../transport/route/proxy_error.ts";
import { OutputError } from "./fd_output.ts";
import { FileError, type FilePurpose } from "./file_error.ts";
import {
  ContinueError,
  FileSizeError,
  InterfaceError,
  pinnedKeyErrorIn,
  StatusError,
  TooSlowError,
  UserInUrlError,
} from "./transfer_error.ts";
import { UsageError } from "./usage_error.ts";

/** Exit code after Ctrl-C: 128 and the number of the signal. */
export const INTERRUPTED = 130;

/** Exit code when the reader of standard output went away (`| head`): 128 and SIGPIPE. */
export const BROKEN_PIPE = 141;

/** Exit code for each error of the transport, unless more is known of it. */
const CODES: Readonly<Record<HttpErrorCode, number>> = {
  ERR_UNSUPPORTED_SCHEME: 1,
  ERR_INVALID_REQUEST: 3,
  ERR_PROXY: 5,
  ERR_DIAL: 7,
  ERR_MALFORMED_RESPONSE: 8,
  ERR_HEADERS_TOO_LARGE: 8,
  ERR_BLOCKED: 9,
  ERR_INCOMPLETE_BODY: 18,
  ERR_BODY_LENGTH: 26,
  ERR_TIMEOUT: 28,
  ERR_QUEUE_FULL: 28,
  ERR_BODY_TOO_LARGE: 63,
  ERR_TLS: 35,
  ERR_REDIRECT: 47,
  ERR_AUTH: 67,
  ERR_CONNECTION_LOST: 56,
  ERR_CLOSED: 56,
  ERR_BODY_CLOSED: 56,
  ERR_DECODE: 61,
};

const FILE_CODES: Readonly<Record<FilePurpose, number>> = {
  data: 26,
  authorities: 77,
  certificate: 58,
  "pinned key": 90,
};

/** The exit code for an error. 1 is for what nobody foresaw. Pure. */
export function exitCode(error: unknown): number {
  if (error instanceof HttpError) return httpCode(error);
  if (error instanceof UsageError) return 2;
  if (error instanceof StatusError) return 22;
  if (error instanceof OutputError) return error.isBrokenPipe ? BROKEN_PIPE : 23;
  if (error instanceof FileError) return FILE_CODES[error.purpose];
  if (error instanceof TooSlowError) return 28;
  if (error instanceof ContinueError) return 33;
  if (error instanceof InterfaceError) return 45;
  if (error instanceof FileSizeError) return 63;
  if (error instanceof UserInUrlError) return 67;
  return 1;
}

function httpCode(error: HttpError): number {
  const { code, phase } = error;
  // A stream, or all of a connection of HTTP/2.
  if (error.http2 !== null) return error.http2.scope === "stream" ? 92 : 16;
  switch (code) {
    case "ERR_DIAL":
      return !isLookup(error) ? 7 : isOfProxy(error) ? 5 : 6;
    case "ERR_PROXY":
      return proxyCode(error);
    case "ERR_TLS":
      if (pinnedKeyErrorIn(error) !== null) return 90;
      return isRefusedCertificate(error) ? 60 : 35;
    case "ERR_REDIRECT":
      return isRefusedScheme(error.cause) ? 1 : 47;
    case "ERR_INVALID_REQUEST":
      return phase === "tls" ? 58 : 3;
    case "ERR_CONNECTION_LOST":
      return lostCode(error);
    default:
      return CODES[code];
  }
}

/** As curl tells them apart: nothing came, it could not be sent, or it broke off. */
function lostCode({ attempts, phase, cause }: HttpError): number {
  const last = attempts.at(-1);
  // What the system says of a connection, it says as the cause; of its orderly end it says nothing.
  if (phase === "response-header" && last?.responseBytes === 0 && cause === undefined) return 52;
  return phase === "request" ? 55 : 56;
}

/** What an HTTP proxy refuses is an answer; what a SOCKS proxy refuses has a code of its own. */
function proxyCode(error: HttpError): number {
  if (!(error instanceof ProxyError)) return CODES.ERR_PROXY;
  return error.proxy.startsWith("socks") ? 97 : 56;
}

/** Whether it led to a scheme that may not be asked for. */
function isRefusedScheme(cause: unknown): boolean {
  return cause instanceof HttpError && cause.code === "ERR_UNSUPPORTED_SCHEME";
}

/** Whether the name of a host could not be found, as the resolver says in the causes. */
function isLookup(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { code } = each as { code?: unknown };
    if (typeof code === "string" && /^(?:ENOTFOUND|EAI_)/.test(code)) return true;
  }
  return false;
}

/**
 * Whether the host is that of a proxy; to curl, one of SOCKS is a host like others. Only the message tells,
 * in words that are the library's own.
 */
function isOfProxy({ message }: HttpError): boolean {
  return /^Proxy https?:/.test(message);
}

/**
 * Whether the peer's certificate was refused, and not the handshake as such. Only the message tells that
 * on every runtime, in words that are the library's own.
 */
function isRefusedCertificate({ message }: HttpError): boolean {
  return /: the certificate (?:is|has|names)\b|invalid peer certificate/i.test(message);
}
