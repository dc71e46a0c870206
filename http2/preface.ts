/**
 * What a client says first.
 *
 * @module
 */

/**
 * The octets in front of a client's first frame.
 *
 * @see RFC 9113 section 3.4
 */
export const PREFACE: Uint8Array<ArrayBuffer> = new TextEncoder().encode(
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
);
