/**
 * Certificates that are their own authority: what `openssl req -x509` makes for a server.
 *
 * @module
 */

/** The extension "subject alternative name", as it begins in DER. */
const ALTERNATIVE_NAME = "\x06\x03\x55\x1d\x11";

/** The extension "basic constraints" of an authority: critical or not, then `cA` TRUE. */
// deno-lint-ignore no-control-regex
const IS_AUTHORITY = /\x06\x03\x55\x1d\x13(?:\x01\x01\xff)?\x04.\x30.\x01\x01\xff/s;

/**
 * Tells whether PEM text holds a certificate that a server could show for itself although it is one
 * of an authority: such a one names hosts, which those of mere authorities do not.
 *
 * It looks for the two extensions without reading the rest. One that says yes too often costs a
 * slower engine and nothing else.
 *
 * Pure.
 *
 * @see RFC 5280 sections 4.2.1.6 and 4.2.1.9
 */
export function holdsOwnAuthority(pem: string): boolean {
  for (const [, body] of pem.matchAll(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----([^-]*)-----END /g)) {
    const der = binaryText(body);
    if (der.includes(ALTERNATIVE_NAME) && IS_AUTHORITY.test(der)) return true;
  }
  return false;
}

/** One character for each byte. What cannot be decoded is left to the engine to refuse. */
function binaryText(base64: string): string {
  try {
    return atob(base64);
  } catch {
    return "";
  }
}
