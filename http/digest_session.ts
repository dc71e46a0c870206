/**
 * Proof of a password without sending it: the answers to one challenge of the scheme Digest, for as
 * long as its nonce is good.
 *
 * @module
 */
import type { DigestChallenge } from "./digest_challenge.ts";

/**
 * A hash under way, of `node:crypto`.
 *
 * @see RFC 7616 section 3.3
 */
export interface HashUnderWay {
  /** Takes bytes, or a text with one character for each byte. */
  update(data: Uint8Array): HashUnderWay;
  update(data: string, encoding: "latin1"): HashUnderWay;
  digest(encoding: "hex"): string;
}

/**
 * What is used of `node:crypto`, which the three runtimes carry and which, unlike Web Crypto, has
 * MD5 and does not make who asks wait. Said here, because not every program has Node's types.
 *
 * @see RFC 7616 section 3.3
 */
export interface Hashing {
  /** @throws If there is no such hash. */
  createHash(name: string): HashUnderWay;
  randomBytes(size: number): { toString(encoding: "hex"): string };
}

let loaded: Hashing | null = null;

/**
 * Loads it, once.
 *
 * @see RFC 7616 section 3.3
 */
export async function loadHashing(): Promise<Hashing> {
  return loaded ??= await import("node:crypto");
}

/**
 * Whether there is a hash of this name.
 *
 * @see RFC 7616 section 6.1
 */
export function hasHash({ createHash }: Hashing, name: string): boolean {
  try {
    createHash(name);
    return true;
  } catch {
    // A runtime says so by throwing.
    return false;
  }
}

/**
 * Whose password it is.
 *
 * @see RFC 7616 section 3.4
 */
export interface DigestUser {
  readonly username: string;
  readonly password: string;
}

/**
 * What is proven besides the password.
 *
 * @see RFC 7616 section 3.4
 */
export interface DigestSubject {
  readonly method: string;
  /** The request target, as it is sent. */
  readonly uri: string;
  /** The content, codings included; null: it is not known. */
  readonly content: Uint8Array | null;
}

/** What no quoted string may hold. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/;

// deno-lint-ignore no-control-regex
const NOT_ASCII = /[^\x00-\x7f]/;

/**
 * Answers a challenge, for one request after the other. Owns: the count of its nonce.
 *
 * @see RFC 7616
 */
export class DigestSession {
  readonly challenge: DigestChallenge;
  readonly #createHash: Hashing["createHash"];
  /** As byte strings. */
  readonly #username: string;
  readonly #cnonce: string;
  /** Of user, realm and password; of a session also of its first nonces. */
  readonly #secret: string;
  /** The field that says who it is. */
  readonly #name: string;
  #nonce: string;
  #count = 0;

  /**
   * @param cnonce For tests. One for each nonce, not for each request: to some servers a session
   * has one only.
   */
  constructor(
    challenge: DigestChallenge,
    { username, password }: DigestUser,
    { createHash, randomBytes }: Hashing,
    cnonce: string = randomBytes(16).toString("hex"),
  ) {
    this.challenge = challenge;
    this.#createHash = createHash;
    this.#nonce = challenge.nonce;
    this.#cnonce = cnonce;
    const { realm, isUtf8, hidesName } = challenge;
    const normal = (text: string): string => isUtf8 ? text.normalize("NFC") : text;
    this.#username = byteString(normal(username));
    const secret = this.#hash(`${this.#username}:${realm}:${byteString(normal(password))}`);
    this.#secret = challenge.isSession ? this.#hash(`${secret}:${this.#nonce}:${cnonce}`) : secret;
    this.#name = hidesName
      ? `username=${quoted(this.#hash(`${this.#username}:${realm}`))}`
      // Servers that know of UTF-8 know of this form too.
      : isUtf8 && (NOT_ASCII.test(username) || CONTROL.test(username))
      ? `username*=UTF-8''${extendedValue(this.#username)}`
      : `username=${quoted(this.#username)}`;
  }

  /** The nonce of the next answer. */
  get nonce(): string {
    return this.#nonce;
  }

  /**
   * The value of `Authorization`, or `Proxy-Authorization`: another one for each request.
   *
   * @returns Null: it cannot be said, because the content is not known and has to be, or the name
   * holds control characters.
   * @see RFC 7616 section 3.4
   */
  authorization({ method, uri, content }: DigestSubject): string | null {
    const { realm, algorithm, opaque, qop, isSession, hidesName } = this.challenge;
    if (qop === "auth-int" && content === null) return null;
    if (CONTROL.test(this.#name)) return null;
    const nonce = this.#nonce;
    const nc = (++this.#count).toString(16).padStart(8, "0");
    const subject = `${method}:${uri}` +
      (qop === "auth-int" ? `:${this.#hashOf(content!)}` : "");
    const proven = this.#hash(subject);
    const response = qop === null
      ? this.#hash(`${this.#secret}:${nonce}:${proven}`)
      : this.#hash(`${this.#secret}:${nonce}:${nc}:${this.#cnonce}:${qop}:${proven}`);
    const fields = [
      this.#name,
      `realm=${quoted(realm)}`,
      `nonce=${quoted(nonce)}`,
      `uri=${quoted(uri)}`,
      `response=${quoted(response)}`,
    ];
    if (algorithm !== null) fields.push(`algorithm=${algorithm}`);
    if (opaque !== null) fields.push(`opaque=${quoted(opaque)}`);
    if (qop !== null) fields.push(`qop=${qop}`, `nc=${nc}`);
    if (qop !== null || isSession) fields.push(`cnonce=${quoted(this.#cnonce)}`);
    if (hidesName) fields.push("userhash=true");
    return `Digest ${fields.join(", ")}`;
  }

  /**
   * The server names the nonce to go on with, in `Authentication-Info`.
   *
   * @see RFC 7616 section 3.5
   */
  renew(nonce: string): void {
    if (nonce === this.#nonce) return;
    this.#nonce = nonce;
    this.#count = 0;
  }

  #hash(bytes: string): string {
    return this.#createHash(this.challenge.hash).update(bytes, "latin1").digest("hex");
  }

  #hashOf(content: Uint8Array): string {
    return this.#createHash(this.challenge.hash).update(content).digest("hex");
  }
}

/** The UTF-8 of a text, one character for each byte. */
function byteString(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function quoted(bytes: string): string {
  return `"${bytes.replace(/["\\]/g, "\\$&")}"`;
}

/** @see RFC 8187 section 3.2.1 */
function extendedValue(bytes: string): string {
  return bytes.replace(
    /[^A-Za-z0-9!#$&+.^_`|~-]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
