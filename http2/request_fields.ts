/**
 * The field block of a request: pseudo-fields first, the caller's fields behind them, without those
 * that HTTP/2 says in other ways. Blocks that were made before are sent again as they are, as long
 * as the table of compression stands.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";
import type { OutgoingRequest } from "../http/outgoing_request.ts";
import type { BlockEncoder } from "./block_encoder.ts";
import { ENTRY_OVERHEAD_BYTES } from "./decoder_table.ts";

/** Blocks. How many are remembered. */
const REMEMBERED = 8;

/** Octets. A cookie shorter than this can be guessed from what it compresses to. */
const GUESSABLE_COOKIE_BYTES = 20;

/** Fields that speak of an HTTP/1 connection, or that pseudo-fields stand for. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "host",
]);

const SECRET: ReadonlySet<string> = new Set(["authorization", "proxy-authorization"]);

/** Fields that are different in each message. */
const VARYING: ReadonlySet<string> = new Set([":path", "content-length"]);

/** A block that was made. */
interface Remembered {
  readonly request: Pick<
    OutgoingRequest,
    "method" | "scheme" | "authority" | "target" | "head" | "protocol"
  >;
  readonly version: number;
  readonly block: Uint8Array<ArrayBuffer>;
  readonly sizeBytes: number;
}

/**
 * Makes the blocks of one connection's requests.
 *
 * @see RFC 9113 section 8.3.1
 */
export class RequestBlocks {
  readonly #encoder: BlockEncoder;
  readonly #remembered: Remembered[] = [];
  #next = 0;
  /** Names and values of the section at hand, by turns: encoded when all of them are known. */
  readonly #section: string[] = [];
  #sizeBytes = 0;

  /** Makes blocks by `encoder`. */
  constructor(encoder: BlockEncoder) {
    this.#encoder = encoder;
  }

  /**
   * The block of a request.
   *
   * @param limitBytes Octets that the peer takes of a section; Infinity: it has not said.
   * @returns Valid until the next call.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: it is larger. The table has not changed: a block that
   * was made has to be sent.
   */
  block(request: OutgoingRequest, limitBytes: number): Uint8Array<ArrayBuffer> {
    const known = this.#find(request);
    if (known !== null) {
      checkSize(known.sizeBytes, limitBytes);
      return known.block;
    }
    this.#begin();
    this.#pseudo(request);
    request.forEachField(this.#field);
    checkSize(this.#sizeBytes, limitBytes);
    const { version } = this.#encoder;
    const block = this.#encode();
    if (this.#encoder.version !== version) return block;
    const { method, scheme, authority, target, head, protocol } = request;
    this.#remembered[this.#next] = {
      request: { method, scheme, authority, target, head, protocol },
      version,
      block: block.slice(),
      sizeBytes: this.#sizeBytes,
    };
    this.#next = (this.#next + 1) % REMEMBERED;
    return block;
  }

  /**
   * The block of trailer fields.
   *
   * @returns Valid until the next call.
   * @throws {HttpError} As {@linkcode block}.
   */
  trailers(
    fields: Iterable<readonly [string, string]>,
    limitBytes: number,
  ): Uint8Array<ArrayBuffer> {
    this.#begin();
    for (const [name, value] of fields) this.#field(name, value);
    checkSize(this.#sizeBytes, limitBytes);
    return this.#encode();
  }

  #begin(): void {
    this.#sizeBytes = 0;
    this.#section.length = 0;
  }

  #encode(): Uint8Array<ArrayBuffer> {
    const section = this.#section;
    const encoder = this.#encoder;
    encoder.begin();
    for (let i = 0; i < section.length; i += 2) {
      const name = section[i];
      const value = section[i + 1];
      // A short cookie can be guessed from what it compresses to.
      const isSecret = SECRET.has(name) ||
        (name === "cookie" && value.length < GUESSABLE_COOKIE_BYTES);
      encoder.field(name, value, isSecret, VARYING.has(name));
    }
    section.length = 0;
    return encoder.end();
  }

  #find(request: OutgoingRequest): Remembered | null {
    const { version } = this.#encoder;
    for (const known of this.#remembered) {
      const { head, method, scheme, authority, target, protocol } = known.request;
      if (
        known.version === version && target === request.target && head === request.head &&
        authority === request.authority && method === request.method &&
        scheme === request.scheme && protocol === request.protocol
      ) return known;
    }
    return null;
  }

  #pseudo(request: OutgoingRequest): void {
    const { method, scheme, authority, target, protocol } = request;
    this.#add(":method", method);
    if (method !== "CONNECT" || protocol !== null) {
      this.#add(":scheme", scheme);
      this.#add(":authority", authority);
      this.#add(":path", target);
      if (protocol !== null) this.#add(":protocol", protocol);
    } else {
      // Which has no path, and a port always.
      this.#add(":authority", target);
    }
  }

  readonly #field = (givenName: string, value: string): void => {
    const name = givenName.toLowerCase();
    if (LEFT_OUT.has(name) || (name === "te" && value.toLowerCase() !== "trailers")) return;
    if (name === "cookie") {
      // Each by itself: those that stay the same are found in the table. RFC 9113 section 8.2.3.
      for (const crumb of value.split("; ")) this.#add(name, crumb);
    } else {
      this.#add(name, value);
    }
  };

  #add(name: string, value: string): void {
    this.#sizeBytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#section.push(name, value);
  }
}

function checkSize(sizeBytes: number, limitBytes: number): void {
  if (sizeBytes <= limitBytes) return;
  throw new HttpError(
    "ERR_INVALID_REQUEST",
    `The server takes no field section of more than ${limitBytes} bytes`,
    { phase: "request" },
  );
}
