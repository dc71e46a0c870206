/**
 * Checks a body against the digests that its server or the caller states.
 *
 * `Content-Digest` and `Repr-Digest` are about the content as it comes, with its content codings;
 * `integrity` is about what the caller reads. The hashes are those of `node:crypto`, which the three
 * runtimes carry and which, unlike Web Crypto, take a body piece by piece; it is loaded when needed.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import { HttpError } from "../../conn/http_error.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { DIGEST_BYTES, type Expected, fromBase64, isAllowed, sameBytes } from "./integrity.ts";

/**
 * What to do with `Content-Digest` and `Repr-Digest`. `"verify"`: check those that come. `"require"`:
 * refuse a body without one that can be checked.
 */
export type DigestCheck = "verify" | "require";

/** What is known of the response before its body. */
export interface DigestedResponse {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly mayHaveTrailers: boolean;
}

/** Digests of RFC 9530 that are not broken: their names there and in `node:crypto`. */
const FIELD_ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ["sha-256", "sha256"],
  ["sha-512", "sha512"],
]);

/** The digests of one body. Owns: the hashes. Order: `load()` before everything else. */
export class BodyDigests {
  readonly #check: DigestCheck | null;
  readonly #status: number;
  readonly #stated: readonly Expected[];
  readonly #integrity: readonly Expected[];
  readonly #wireAlgorithms: ReadonlySet<string>;
  readonly #wire: Map<string, Hash> = new Map();
  #content: Hash | null = null;
  #failure: HttpError | null = null;
  /** Whether the hashes are there. */
  loaded: boolean = false;

  /**
   * @param check Null: leave the fields alone.
   * @param integrity Null: nothing is stated.
   */
  constructor(
    check: DigestCheck | null,
    integrity: readonly Expected[] | null,
    response: DigestedResponse,
  ) {
    this.#check = check;
    this.#status = response.status;
    this.#integrity = integrity ?? [];
    this.#stated = check === null ? [] : this.#statedIn(response.headers);
    const algorithms = new Set(this.#stated.map(({ algorithm }) => algorithm));
    // The trailer section may state any of them, and says so too late.
    if (check !== null && algorithms.size === 0 && response.mayHaveTrailers) {
      for (const algorithm of FIELD_ALGORITHMS.values()) algorithms.add(algorithm);
    }
    this.#wireAlgorithms = algorithms;
  }

  async load(): Promise<void> {
    const { createHash } = await import("node:crypto");
    for (const algorithm of this.#wireAlgorithms) {
      this.#wire.set(algorithm, createHash(algorithm));
    }
    if (this.#integrity.length > 0) this.#content = createHash(this.#integrity[0].algorithm);
    this.loaded = true;
  }

  /** Content as it came. */
  wire(bytes: Uint8Array): void {
    for (const hash of this.#wire.values()) hash.update(bytes);
  }

  /** Content as it is read. */
  content(bytes: Uint8Array): void {
    this.#content?.update(bytes);
  }

  /**
   * The body has ended. Call it once.
   *
   * @throws {HttpError} `ERR_DECODE`: it is not what was stated, or nothing was that is required.
   */
  verify(trailers: HttpHeaders | null): void {
    const stated = this.#check === null || trailers === null
      ? this.#stated
      : [...this.#stated, ...this.#statedIn(trailers)];
    if (this.#failure !== null) throw this.#failure;
    const digests = new Map([...this.#wire].map(([name, hash]) => [name, hash.digest()]));
    let checked = 0;
    for (const { source, algorithm, digest } of stated) {
      const actual = digests.get(algorithm);
      if (actual === undefined) continue;
      checked++;
      if (!sameBytes(actual, digest)) throw mismatch(`its ${algorithm} is not that of ${source}`);
    }
    if (this.#check === "require" && checked === 0) {
      throw mismatch("it has no digest that can be checked");
    }
    if (this.#content === null) return;
    if (!isAllowed(this.#content.digest(), this.#integrity)) {
      throw mismatch(`its ${this.#integrity[0].algorithm} is not that of integrity`);
    }
  }

  /** A part of a representation says nothing about the digest of all of it. */
  #statedIn(fields: HttpHeaders): Expected[] {
    const names = this.#status === 206 ? ["Content-Digest"] : ["Content-Digest", "Repr-Digest"];
    return names.flatMap((name) => this.#parse(name, fields.getAll(name).join(",")));
  }

  /** A dictionary of byte sequences (RFC 9651 sections 3.2 and 3.3.5); unknown keys are left out. */
  #parse(source: string, value: string): Expected[] {
    const stated: Expected[] = [];
    for (const member of value.split(",")) {
      const key = /^[ \t]*([a-z*][a-z0-9_.*-]*)/.exec(member)?.[1];
      const algorithm = FIELD_ALGORITHMS.get(key ?? "");
      if (algorithm === undefined) continue;
      const text = /^[^=]*=:([A-Za-z0-9+/]*={0,2}):[ \t]*(?:;.*)?$/.exec(member)?.[1];
      const digest = text === undefined ? null : fromBase64(text);
      // A digest that cannot be read is not one that holds.
      if (digest !== null && digest.length === DIGEST_BYTES.get(algorithm)) {
        stated.push({ source, algorithm, digest });
      } else {
        this.#failure ??= mismatch(`${source} is malformed`);
      }
    }
    return stated;
  }
}

/** Whether bytes have one of the digests; also if there are none. */
export async function hasIntegrity(
  bytes: Uint8Array,
  expected: readonly Expected[],
): Promise<boolean> {
  if (expected.length === 0) return true;
  const { createHash } = await import("node:crypto");
  return isAllowed(createHash(expected[0].algorithm).update(bytes).digest(), expected);
}

function mismatch(why: string): HttpError {
  return new HttpError("ERR_DECODE", `The body is not what was stated: ${why}`, { phase: "body" });
}
