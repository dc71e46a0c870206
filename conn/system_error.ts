/**
 * What the operating system or its resolver said, in the shape of Node's errors on every runtime.
 *
 * @module
 */
import type { Address } from "./conn.ts";

/** An error with what the system gave it. */
export interface SystemError extends Error {
  /** As in `ECONNREFUSED`. */
  readonly code: string;
  /** What failed: `connect`, `getaddrinfo`, `read`, `write`; others where the runtime says so. */
  readonly syscall?: string;
  /** An IP address, the path of a socket, or a name where the runtime tells none of its addresses. */
  readonly address?: string;
  readonly port?: number;
  /** The name that was looked up. */
  readonly hostname?: string;
}

/** What an adapter knows of a failure. */
export interface SystemFailure {
  readonly code: string;
  readonly syscall: string;
  readonly address?: Address;
}

/** Names of the system's errors; those of the runtimes' own begin with `ERR_`. */
const CODE = /^E(?:AI_)?[A-Z0-9]+$/;

/** What the resolver says; the address is a name then. */
const LOOKUP_CODE = /^(?:ENOTFOUND|EAI_.*)$/;

/** Whether an error carries a code of the system's. `EPROTO` is of TLS, and no two runtimes agree on it. */
export function isSystemError(error: unknown): error is SystemError {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" && code !== "EPROTO" && CODE.test(code);
}

/**
 * The error underneath with its code, and with the system call and the address that it does not
 * tell. One that tells them all, and one that is not of the system, are left as they are.
 *
 * Pure.
 */
export function systemError(native: unknown, { code, syscall, address }: SystemFailure): unknown {
  if (!CODE.test(code)) return native;
  if (isSystemError(native) && native.syscall !== undefined) {
    const { address, hostname } = native;
    if (syscall !== "connect" || address !== undefined || hostname !== undefined) return native;
  }
  const isLookup = LOOKUP_CODE.test(code);
  const call = isLookup ? "getaddrinfo" : syscall;
  const error = new Error(`${call} ${code}`, native === undefined ? undefined : { cause: native });
  const where = address?.transport === "unix"
    ? { address: address.path }
    : address === undefined
    ? {}
    : isLookup
    ? { hostname: address.hostname }
    : { address: address.hostname, port: address.port };
  return Object.assign(error, { code, syscall: call, ...where });
}
