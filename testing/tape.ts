/**
 * A tape: what connections carried, in a text that can be kept beside a test. docs/testing.md has its format.
 *
 * @module
 */
import type { Address } from "../conn/conn.ts";

/** Something that happened on a connection. Bytes as text, one character for each. */
export type TapeEvent =
  | {
    readonly kind: "out";
    readonly atMs: number;
    readonly bytes: string;
    /** Which of them are masked: pairs of an offset and a length. */
    readonly masked: readonly (readonly [number, number])[];
  }
  | { readonly kind: "in"; readonly atMs: number; readonly bytes: string }
  | { readonly kind: "end"; readonly atMs: number }
  | { readonly kind: "error"; readonly atMs: number; readonly code: string };

/** One connection of a tape. */
export interface TapedConnection {
  /** What was dialled. */
  readonly address: Address;
  /** Whether it was recorded above TLS, and what ALPN chose. */
  readonly tls: { readonly alpnProtocol: string | null } | null;
  /** What happened on it, in its order. */
  readonly events: readonly TapeEvent[];
  /** Of HTTP/2: names of the fields whose values are masked. */
  readonly maskedFields?: readonly string[];
}

/** Whether HTTP/2 was spoken on it. */
export function isHttp2({ events }: TapedConnection): boolean {
  let begin = "";
  for (const event of events) {
    if (begin.length >= HTTP2_BEGIN.length) break;
    if (event.kind === "out") begin += event.bytes;
  }
  return begin.startsWith(HTTP2_BEGIN);
}

/** A tape cannot be written, read, or replayed. */
export class TapeError extends Error {
  /** Always `"TapeError"`. */
  override readonly name: string = "TapeError";
}

/** Of the format. */
const VERSION = 1;

/** How a client begins with HTTP/2. */
const HTTP2_BEGIN = "PRI * HTTP/2.0";

/**
 * A tape, for `recordingDialer` to write on and for `replayDialer` to read. Keep its {@linkcode Tape.text} in a file.
 *
 * @example
 * ```ts
 * import { Tape } from "@roundtrip/http/testing";
 *
 * const tape = Tape.parse('{"tape":1}\n');
 * console.log(tape.connections.length, tape.text()); // 0 {"tape":1}
 * ```
 */
export class Tape {
  readonly #connections: (() => TapedConnection)[] = [];

  /**
   * Reads a tape.
   *
   * @throws {TapeError} Not a tape, or of a version that is not known.
   */
  static parse(text: string): Tape {
    const tape = new Tape();
    const lines = text.split("\n").filter((line) => line !== "");
    const [first, ...rest] = lines.map((line, i) => parsed(line, i + 1));
    if (first?.tape !== VERSION) throw new TapeError(`Not a tape of version ${VERSION}`);
    const events: TapeEvent[][] = [];
    for (const [i, line] of rest.entries()) {
      const number = line.conn as number;
      if (line.dial !== undefined && number === events.length + 1) {
        const { dial: address, tls, maskedFields } = line as unknown as {
          dial: Address;
          tls: TapedConnection["tls"];
          maskedFields?: string[];
        };
        const own: TapeEvent[] = [];
        events.push(own);
        const fields = maskedFields === undefined ? {} : { maskedFields };
        tape.add(() => ({ address, tls, events: own, ...fields }));
      } else {
        const own = events[number - 1];
        if (own === undefined) throw new TapeError(`Line ${i + 2} of the tape: of no connection`);
        own.push(eventOf(line, i + 2));
      }
    }
    return tape;
  }

  /** Adds a connection, which is asked for when the tape is read or written. */
  add(connection: () => TapedConnection): void {
    this.#connections.push(connection);
  }

  /**
   * The connections, in the order in which they were dialled.
   *
   * @throws {TapeError} A connection has secrets that cannot be masked.
   */
  get connections(): readonly TapedConnection[] {
    return this.#connections.map((connection) => connection());
  }

  /**
   * The tape as JSON lines.
   *
   * @throws {TapeError} A connection has secrets that cannot be masked: nothing is given then.
   */
  text(): string {
    const lines: unknown[] = [{ tape: VERSION }];
    for (const [i, { address, tls, events, maskedFields }] of this.connections.entries()) {
      const fields = maskedFields === undefined ? {} : { maskedFields };
      lines.push({ conn: i + 1, dial: address, tls, ...fields });
      for (const event of events) {
        const { kind, atMs } = event;
        if (kind === "out" || kind === "in") {
          const { text, isBase64 } = written(event.bytes);
          lines.push({
            conn: i + 1,
            atMs,
            [isBase64 ? `${kind}64` : kind]: text,
            ...(kind === "out" && event.masked.length > 0 ? { masked: event.masked } : {}),
          });
        } else lines.push({ conn: i + 1, atMs, [kind]: kind === "end" ? true : event.code });
      }
    }
    return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  }
}

function parsed(line: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // As anything else that is no object.
  }
  throw new TapeError(`Line ${number} of the tape: not an object of JSON`);
}

function eventOf(line: Record<string, unknown>, number: number): TapeEvent {
  const atMs = Number(line.atMs);
  for (const kind of ["out", "in"] as const) {
    const bytes = typeof line[`${kind}64`] === "string"
      ? atob(line[`${kind}64`] as string)
      : line[kind];
    if (typeof bytes !== "string") continue;
    if (kind === "in") return { kind, atMs, bytes };
    return { kind, atMs, bytes, masked: (line.masked ?? []) as [number, number][] };
  }
  if (line.end === true) return { kind: "end", atMs };
  if (typeof line.error === "string") return { kind: "error", atMs, code: line.error };
  throw new TapeError(`Line ${number} of the tape: no event that is known`);
}

/** As text where it is one. */
function written(bytes: string): { text: string; isBase64: boolean } {
  const isBase64 = /[^\r\n\t\x20-\x7e]/.test(bytes);
  return { text: isBase64 ? btoa(bytes) : bytes, isBase64 };
}
