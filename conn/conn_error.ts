/**
 * The errors of the adapters: one wording for what the runtimes say in many. Which native error is
 * which reason is told by the adapter.
 *
 * @module
 */
import type { Address } from "./conn.ts";
import { HttpError, printable } from "./http_error.ts";
import { systemError } from "./system_error.ts";

/** Why dialling failed, by the error code of the operating system or the resolver. */
const dialReasons: Readonly<Record<string, string>> = {
  EACCES: "not permitted",
  EADDRINUSE: "local address in use",
  EADDRNOTAVAIL: "local address not available",
  EAI_AGAIN: "host name cannot be resolved at the moment",
  EAI_FAIL: "host name cannot be resolved",
  EAI_NODATA: "unknown host",
  EAI_NONAME: "unknown host",
  ECONNABORTED: "aborted",
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EHOSTDOWN: "host is down",
  EHOSTUNREACH: "host unreachable",
  EMFILE: "too many open files",
  ENETUNREACH: "network unreachable",
  ENOENT: "no such socket",
  ENOTFOUND: "unknown host",
  ENOTSOCK: "not a socket",
  EPERM: "not permitted",
  EPROTOTYPE: "not a stream socket",
  ETIMEDOUT: "timed out",
};

/** Text of an address for messages: `host:port`, IPv6 in brackets, or the path. */
export function addressText(address: Address): string {
  if (address.transport === "unix") return printable(address.path);
  const host = printable(address.hostname);
  return `${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}

/** The error code that a native error carries, or `""`. */
export function nativeCode(error: unknown): string {
  try {
    const code = (error as { code?: unknown } | null | undefined)?.code;
    return typeof code === "string" ? code : "";
  } catch {
    // What callers throw may be anything.
    return "";
  }
}

/** What a native error says, for the end of a message. */
export function nativeText(error: unknown): string {
  try {
    return printable(error instanceof Error ? `${error.message}` : String(error));
  } catch {
    return "an error without text";
  }
}

/** `ERR_DIAL` for a dial that failed with the code of an operating system. */
export function dialError(address: Address, code: string, cause: unknown): HttpError {
  const reason = dialReasons[code] ?? nativeText(cause);
  return new HttpError("ERR_DIAL", `Cannot connect to ${addressText(address)}: ${reason}`, {
    phase: "dial",
    cause: systemError(cause, { code, syscall: "connect", address }),
  });
}

/** `ERR_TLS`. */
export function tlsError(serverName: string, reason: string, cause: unknown): HttpError {
  const peer = serverName === "" ? "the connection" : `the connection to ${printable(serverName)}`;
  return new HttpError("ERR_TLS", `Cannot secure ${peer}: ${reason}`, { phase: "tls", cause });
}

/** `ERR_CONNECTION_LOST` of a read (`"body"`) or a write (`"request"`). */
export function lostError(phase: "request" | "body", cause?: unknown): HttpError {
  const action = phase === "request" ? "write" : "read";
  const reason = cause === undefined ? "connection is lost" : nativeText(cause);
  return new HttpError("ERR_CONNECTION_LOST", `Cannot ${action}: ${reason}`, {
    phase,
    cause: systemError(cause, { code: nativeCode(cause), syscall: action }),
  });
}

/** `ERR_CLOSED`: the connection was closed from this side. */
export function closedError(phase: "request" | "body"): HttpError {
  const action = phase === "request" ? "write" : "read";
  return new HttpError("ERR_CLOSED", `Cannot ${action}: connection is closed`, { phase });
}

/** `ERR_INVALID_REQUEST` for a second read or write while one is under way. */
export function busyError(phase: "request" | "body"): HttpError {
  const action = phase === "request" ? "write" : "read";
  return new HttpError("ERR_INVALID_REQUEST", `Cannot ${action}: a ${action} is under way`, {
    phase,
  });
}

/** `ERR_INVALID_REQUEST` for an array that changed meanwhile: what was in it, or was to be, is lost. */
export function resizedError(phase: "request" | "body"): HttpError {
  const action = phase === "request" ? "write" : "read";
  return new HttpError(
    "ERR_INVALID_REQUEST",
    `Cannot ${action}: the array was detached or resized`,
    { phase },
  );
}

/** `ERR_INVALID_REQUEST` for a write after `closeWrite()`. */
export function endedError(): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", "Cannot write: the writing side has been closed", {
    phase: "request",
  });
}
