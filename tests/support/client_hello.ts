/**
 * Reads the first message of a TLS client, to see what it offers whatever the server makes of it.
 *
 * @module
 */

/** What a client offers. */
export interface ClientHello {
  /** SNI, null without it. */
  readonly serverName: string | null;
  readonly alpnProtocols: readonly string[];
  /** Whether it offers to take up an earlier session. */
  readonly resumes: boolean;
}

/** Extension types, RFC 8446 section 4.2 and RFC 5077. */
const extensions = { serverName: 0, alpn: 16, sessionTicket: 35, preSharedKey: 41 } as const;

/** Parses a ClientHello, record header included; null as long as it is not complete. */
export function parseClientHello(bytes: Uint8Array): ClientHello | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 5) return null;
  if (bytes[0] !== 22) throw new TypeError(`Not a handshake record: type ${bytes[0]}`);
  if (bytes.length < 5 + view.getUint16(3)) return null;
  // Record header 5, message header 4, version 2, random 32.
  let at = 43;
  at += 1 + bytes[at];
  at += 2 + view.getUint16(at);
  at += 1 + bytes[at];
  const end = at + 2 + view.getUint16(at);
  at += 2;
  let serverName: string | null = null;
  const alpnProtocols: string[] = [];
  let resumes = false;
  const text = new TextDecoder();
  while (at < end) {
    const type = view.getUint16(at);
    const length = view.getUint16(at + 2);
    const body = at + 4;
    if (type === extensions.serverName) {
      serverName = text.decode(bytes.subarray(body + 5, body + 5 + view.getUint16(body + 3)));
    } else if (type === extensions.alpn) {
      for (let p = body + 2; p < body + length; p += 1 + bytes[p]) {
        alpnProtocols.push(text.decode(bytes.subarray(p + 1, p + 1 + bytes[p])));
      }
    } else if (type === extensions.preSharedKey) {
      resumes = true;
    } else if (type === extensions.sessionTicket && length > 0) {
      resumes = true;
    }
    at = body + length;
  }
  return { serverName, alpnProtocols, resumes };
}
