/**
 * What the TLS engines have in common once a handshake is over: the reasons they refuse for, and
 * what is told of the session. No runtime.
 *
 * @module
 */
import type { TlsInfo, TlsOptions } from "../conn.ts";
import { nativeCode, nativeText, tlsError } from "../conn_error.ts";
import { HttpError } from "../http_error.ts";
import { isIpAddress } from "../tls_options.ts";

/** A peer certificate as `node:tls` and Bun describe it. */
export interface NativeCertificate {
  subject?: object;
  issuer?: object;
  subjectaltname?: string;
  fingerprint256?: string;
  valid_to?: string;
  raw?: Uint8Array;
}

/** Why a handshake fails, by the codes of OpenSSL, which Bun has too. */
const reasons: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the certificate has expired",
  CERT_NOT_YET_VALID: "the certificate is not valid yet",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is signed by itself",
  ECONNRESET: "the connection was closed during the handshake",
  ERR_SSL_WRONG_VERSION_NUMBER: "the peer does not speak TLS",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another host",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate is of an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "the certificate is of an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the certificate is of an unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate is of an unknown authority",
};

/** `ERR_TLS` for a handshake that failed; an `HttpError` that says more stays what it is. */
export function handshakeError(serverName: string, cause: unknown): HttpError {
  if (cause instanceof HttpError && cause.code !== "ERR_CONNECTION_LOST") return cause;
  const reason = cause === undefined || cause instanceof HttpError
    ? "the connection was closed during the handshake"
    // Bun has one code for all that OpenSSL says.
    : nativeText(cause).includes("WRONG_VERSION_NUMBER")
    ? "the peer does not speak TLS"
    : reasons[nativeCode(cause)] ?? nativeText(cause);
  return tlsError(serverName, reason, cause);
}

/**
 * Tells what is wrong with the names of a certificate before they are compared: one without an
 * alternative name of the kind that is asked for, DNS name or IP address, is not for this host,
 * though `node:tls` and Bun would take its common name.
 *
 * Pure.
 *
 * @see RFC 9110 section 4.3.4, RFC 9525 section 6.3
 */
export function missingNames(
  certificate: NativeCertificate,
  serverName: string,
): Error | undefined {
  if (!certificate.subjectaltname) return new Error("the certificate names no host");
  // What stands in quotes is part of a name.
  const kinds = certificate.subjectaltname.replace(/"(?:[^"\\]|\\.)*"/g, "");
  const asked = isIpAddress(serverName) ? /(?:^|, )IP Address:/ : /(?:^|, )DNS:/;
  return asked.test(kinds) ? undefined : new Error("the certificate is for another host");
}

/** Describes the peer's certificate, null without one. Bytes: a copy. */
export function peerCertificate(certificate: NativeCertificate): TlsInfo["peerCertificate"] {
  if (certificate?.raw === undefined) return null;
  return {
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    fingerprint256: certificate.fingerprint256 ?? "",
    validTo: certificate.valid_to ?? "",
    raw: new Uint8Array(certificate.raw),
  };
}

/** Text of a distinguished name, `CN=…, O=…`. */
function nameText(name: object | undefined): string {
  return Object.entries(name ?? {}).map(([key, value]) => `${key}=${value}`).join(", ");
}

/**
 * Lets the caller look at the peer.
 *
 * @throws {HttpError} `ERR_TLS`: the caller refused it, with what was thrown as the cause.
 */
export function verifyPeer(serverName: string, options: TlsOptions, info: TlsInfo): void {
  try {
    const answer: unknown = options.verifyPeer?.(info);
    if (typeof (answer as Partial<Promise<void>> | null | undefined)?.then === "function") {
      // Nobody waits for it: what it refuses would be accepted.
      Promise.resolve(answer).catch(() => {});
      throw new Error("it returned a promise; it has to decide at once");
    }
  } catch (error) {
    throw tlsError(serverName, `verifyPeer refused the peer: ${nativeText(error)}`, error);
  }
}
