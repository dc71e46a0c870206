/**
 * A WebSocket by hand: the handshake over a transport, frames over what `upgrade()` gives.
 *
 * It is an example of an upgrade, and leaves out extensions, fragments, and every limit.
 *
 * @see RFC 6455
 * @module
 */
import { type Conn, HttpRequest, type Reader, type RoundTripper } from "../mod.ts";

/** What a frame is. */
export const OPCODES = { text: 1, close: 8, ping: 9, pong: 10 } as const;

/** One frame. */
export interface Frame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** An open WebSocket. */
export class EchoSocket {
  readonly #conn: Conn;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** Sends a text message. */
  async send(text: string): Promise<void> {
    await this.#write(OPCODES.text, new TextEncoder().encode(text));
  }

  /** The next text message, or null when the server has closed. */
  async receive(): Promise<string | null> {
    for (;;) {
      const { opcode, payload } = await readFrame(this.#conn);
      if (opcode === OPCODES.text) return new TextDecoder().decode(payload);
      if (opcode === OPCODES.ping) await this.#write(OPCODES.pong, payload);
      if (opcode === OPCODES.close) return null;
    }
  }

  /** Says good-bye, waits for the answer, and closes the connection. */
  async close(): Promise<void> {
    try {
      await this.#write(OPCODES.close, Uint8Array.of(1000 >> 8, 1000 & 0xff));
      while (await this.receive() !== null);
    } finally {
      this.#conn.close();
    }
  }

  async #write(opcode: number, payload: Uint8Array): Promise<void> {
    await this.#conn.write(encodeFrame(opcode, payload, crypto.getRandomValues(new Uint8Array(4))));
  }
}

/** Opens a WebSocket at an `http:` or `https:` URL. */
export async function openWebSocket(
  transport: RoundTripper,
  url: string,
  signal?: AbortSignal,
): Promise<EchoSocket> {
  const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  const response = await transport.roundTrip(
    new HttpRequest(url, {
      signal,
      headers: {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
      },
    }),
  );
  const { status, headers } = response;
  const switched = status === 101 && headers.get("upgrade")?.toLowerCase() === "websocket";
  if (!switched || headers.get("sec-websocket-accept") !== await acceptKey(key)) {
    // Of a 101 that proves nothing, too, this closes the connection.
    await response.body.close();
    throw new Error(`Not a WebSocket: status ${status}`);
  }
  return new EchoSocket(response.upgrade());
}

/** What a server that understands WebSocket makes of the client's key. */
export async function acceptKey(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes));
  return btoa(String.fromCharCode(...digest));
}

/**
 * The bytes of a frame.
 *
 * @param mask Four random bytes from a client; a server sends without.
 */
export function encodeFrame(opcode: number, payload: Uint8Array, mask?: Uint8Array): Uint8Array {
  const { length } = payload;
  const lengthBytes = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
  const start = 2 + lengthBytes + (mask?.length ?? 0);
  const bytes = new Uint8Array(start + length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x80 | opcode;
  bytes[1] = (mask === undefined ? 0 : 0x80) |
    (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) view.setUint16(2, length);
  if (lengthBytes === 8) view.setBigUint64(2, BigInt(length));
  bytes.set(mask ?? [], 2 + lengthBytes);
  for (let i = 0; i < length; i++) {
    bytes[start + i] = payload[i] ^ (mask === undefined ? 0 : mask[i % 4]);
  }
  return bytes;
}

/** Reads one frame, and takes the mask off if there is one. */
export async function readFrame(from: Reader): Promise<Frame> {
  const [first, second] = await readExactly(from, 2);
  let length = second & 0x7f;
  if (length >= 126) {
    const { buffer } = await readExactly(from, length === 126 ? 2 : 8);
    const view = new DataView(buffer);
    length = length === 126 ? view.getUint16(0) : Number(view.getBigUint64(0));
  }
  const mask = (second & 0x80) === 0 ? null : await readExactly(from, 4);
  const payload = await readExactly(from, length);
  if (mask !== null) { for (let i = 0; i < length; i++) payload[i] ^= mask[i % 4]; }
  return { opcode: first & 0x0f, payload };
}

async function readExactly(from: Reader, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const n = await from.read(bytes.subarray(at));
    if (n === null) throw new Error("The connection ended within a frame");
    at += n;
  }
  return bytes;
}
