/**
 * What the errors of Deno mean, in our words.
 *
 * @module
 */
import type { Address, TlsInfo } from "../conn.ts";
import { dialError, lostError, nativeCode, nativeText, tlsError } from "../conn_error.ts";
import type { HttpError } from "../http_error.ts";

/** Native error classes that tell of a lost connection rather than of TLS. */
const lostNames: ReadonlySet<string> = new Set([
  "BrokenPipe",
  "ConnectionAborted",
  "ConnectionReset",
  "NotConnected",
  "TimedOut",
  "UnexpectedEof",
]);

/** Why a dial failed. */
export function toDialError(address: Address, error: unknown): HttpError {
  const name = (error as { name?: string }).name;
  let code = nativeCode(error);
  if (name === "NotCapable") code = "EPERM";
  // The resolver's errors have no code.
  else if (code === "" && nativeText(error).includes("failed to lookup address")) {
    code = nativeText(error).includes("emporary failure") ? "EAI_AGAIN" : "ENOTFOUND";
  }
  return dialError(address, code, error);
}

/**
 * What Deno's engine says in its messages, in our words; its errors have no codes. Wording only:
 * nothing depends on it.
 */
const tlsReasons: readonly (readonly [said: string, reason: string])[] = [
  ["not valid for any names", "the certificate names no host"],
  ["not valid for name", "the certificate is for another host"],
  ["UnknownIssuer", "the certificate is of an unknown authority"],
  ["CaUsedAsEndEntity", "the certificate is of an authority, not of a host"],
  ["not valid after", "the certificate has expired"],
  ["not valid before", "the certificate is not valid yet"],
  ["corrupt message", "the peer does not speak TLS"],
  ["end of file", "the connection was closed during the handshake"],
];

/** Why its engine refused. */
export function tlsReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return tlsReasons.find(([said]) => text.includes(said))?.[1] ?? nativeText(error);
}

/** Why a read or write failed; `tls` is that of the connection. */
export function toStreamError(
  phase: "request" | "body",
  error: unknown,
  tls: TlsInfo | null,
): HttpError {
  const name = (error as { name?: string }).name ?? "";
  return tls !== null && !lostNames.has(name)
    ? tlsError("", tlsReason(error), error)
    : lostError(phase, error);
}
