/**
 * A body on its way to a terminal: JSON is held until it is whole, to be indented and coloured; all
 * else goes on as it comes.
 *
 * @module
 */
import type { HttpHeaders } from "../http/http_headers.ts";
import type { CliIo } from "./cli_io.ts";
import { paintFor } from "./colours.ts";
import { joined } from "./joined.ts";
import { shownJson } from "./json_text.ts";

/** Bytes. JSON beyond is written as it comes. */
const MAX_JSON_BYTES = 4 * 1024 * 1024;

/** What of a body is to be written now. Pieces are only read. */
export class ShownBody {
  readonly #io: CliIo;
  #held: Uint8Array[] | null;
  #heldBytes = 0;

  /** @param mayChange Whether a person looks at it, and has not asked for it as it is. */
  constructor(headers: HttpHeaders, mayChange: boolean, io: CliIo) {
    this.#io = io;
    this.#held = mayChange && isJson(headers) ? [] : null;
  }

  /** A piece has come. Bytes: what is held is a copy. */
  add(piece: Uint8Array): readonly Uint8Array[] {
    if (this.#held === null) return [piece];
    this.#held.push(piece.slice());
    this.#heldBytes += piece.length;
    return this.#heldBytes > MAX_JSON_BYTES ? this.#letGo() : [];
  }

  /** No more comes. */
  end(): readonly Uint8Array[] {
    if (this.#held === null || this.#heldBytes === 0) return [];
    const bytes = joined(this.#letGo());
    const text = new TextDecoder().decode(bytes);
    const shown = shownJson(text, paintFor(this.#io.stdout.isTerminal, this.#io.env));
    return [shown === null ? bytes : new TextEncoder().encode(shown)];
  }

  #letGo(): readonly Uint8Array[] {
    const held = this.#held!;
    this.#held = null;
    return held;
  }
}

function isJson(headers: HttpHeaders): boolean {
  const type = headers.get("content-type")?.split(";")[0].trim().toLowerCase() ?? "";
  return /^application\/(?:json|[^/]+\+json)$/.test(type);
}
