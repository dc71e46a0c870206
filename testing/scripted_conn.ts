/**
 * A connection whose other end is a script: what it expects to be sent, what it sends, how it ends.
 *
 * @module
 */
import type { Address, Conn, TlsInfo } from "../conn/conn.ts";
import { busyError, closedError, endedError, lostError } from "../conn/conn_error.ts";

/** The connection was used in another way than its script says. */
export class ScriptError extends Error {
  /** Always `"ScriptError"`. */
  override readonly name: string = "ScriptError";
}

/** What a {@linkcode ScriptedConn} says of itself. */
export interface ScriptedConnOptions {
  /** Default: a made-up TCP address. */
  localAddr?: Address;
  /** Default: a made-up TCP address. */
  remoteAddr?: Address;
  /** What the connection says of TLS. @default {null} */
  tls?: TlsInfo | null;
}

type Step =
  | { kind: "expect"; bytes: Uint8Array }
  | { kind: "send"; bytes: Uint8Array }
  | { kind: "end" }
  | { kind: "reset" }
  | { kind: "hang" }
  | { kind: "waitForClose" };

/** How the pending read will be settled. */
interface PendingRead {
  readonly p: Uint8Array;
  readonly resolve: (count: number | null) => void;
  readonly reject: (error: unknown) => void;
}

const here: Address = { transport: "tcp", hostname: "127.0.0.1", port: 50000 };
const there: Address = { transport: "tcp", hostname: "127.0.0.1", port: 80 };

/**
 * A {@linkcode Conn} in memory whose peer follows a script. The steps run in the order in which
 * they were added; bytes are compared as they are written. The first difference breaks the
 * connection and is told again by {@linkcode ScriptedConn.assertConsumed}.
 *
 * Text stands for bytes, one for each character; characters above U+00FF are refused.
 *
 * @example
 * ```ts
 * import { ScriptedConn } from "@roundtrip/http/testing";
 *
 * const conn = new ScriptedConn().expect("ping").send("pong").end();
 * await conn.write(new TextEncoder().encode("ping"));
 * const buffer = new Uint8Array(16);
 * if (await conn.read(buffer) !== 4) throw new Error("four bytes were sent");
 * if (await conn.read(buffer) !== null) throw new Error("the peer has ended");
 * conn.close();
 * conn.assertConsumed();
 * ```
 */
export class ScriptedConn implements Conn {
  /** {@inheritDoc Conn.localAddr} */
  readonly localAddr: Address;
  /** {@inheritDoc Conn.remoteAddr} */
  readonly remoteAddr: Address;
  /** {@inheritDoc Conn.tls} */
  readonly tls: TlsInfo | null;
  readonly #steps: Step[] = [];
  readonly #writes: Uint8Array<ArrayBuffer>[] = [];
  #incoming: Uint8Array[] = [];
  #ended = false;
  #reset = false;
  #closed = false;
  #writeEnded = false;
  #refed = true;
  #closeCount = 0;
  #bytesRead = 0;
  #bytesWritten = 0;
  #reading: PendingRead | null = null;
  #writing: ((error: unknown) => void) | null = null;
  #failure: ScriptError | null = null;

  /** Makes a connection with an empty script. */
  constructor(options: ScriptedConnOptions = {}) {
    this.localAddr = options.localAddr ?? here;
    this.remoteAddr = options.remoteAddr ?? there;
    this.tls = options.tls ?? null;
  }

  // The script.

  /** Expects exactly these bytes to be written next, in any pieces. */
  expect(bytes: Uint8Array | string): this {
    return this.#add({ kind: "expect", bytes: toBytes(bytes) });
  }

  /** Sends these bytes, however much is read at a time. */
  send(bytes: Uint8Array | string): this {
    return this.#add({ kind: "send", bytes: toBytes(bytes) });
  }

  /** Ends the peer's side; it still takes what is written. */
  end(): this {
    return this.#add({ kind: "end" });
  }

  /** Breaks the connection as a TCP reset does: reads and writes fail, unread bytes are lost. */
  reset(): this {
    return this.#add({ kind: "reset" });
  }

  /** From here on nothing happens: reads and writes stay pending until the connection is closed. */
  hang(): this {
    return this.#add({ kind: "hang" });
  }

  /** Expects the connection to be closed, and nothing to be written before. */
  waitForClose(): this {
    return this.#add({ kind: "waitForClose" });
  }

  /**
   * Checks that everything in the script has happened.
   *
   * @throws {ScriptError} A byte differed, too much was written, or a step is left.
   */
  assertConsumed(): void {
    if (this.#failure !== null) throw this.#failure;
    const step = this.#steps[0];
    if (step === undefined || step.kind === "hang") return;
    const what = step.kind === "expect"
      ? `still expected: ${escaped(step.bytes)}`
      : step.kind === "waitForClose"
      ? "the connection was not closed"
      : `step ${step.kind} was not reached`;
    throw new ScriptError(`Script not consumed: ${what}`);
  }

  // What a test may ask.

  /** What each call of `write` was given, in order. */
  get writes(): readonly Uint8Array<ArrayBuffer>[] {
    return this.#writes;
  }

  /** Everything that was written, one character for each byte. */
  get written(): string {
    return this.#writes.map(toText).join("");
  }

  /** How often `close` was called. */
  get closeCount(): number {
    return this.#closeCount;
  }

  /** Whether the connection would keep the process alive. */
  get isRefed(): boolean {
    return this.#refed && !this.#closed;
  }

  // Conn

  /** {@inheritDoc Conn.bytesRead} */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** {@inheritDoc Conn.bytesWritten} */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** {@inheritDoc Conn.read} */
  read(p: Uint8Array): Promise<number | null> {
    if (this.#reading !== null) return Promise.reject(busyError("body"));
    if (this.#closed) return Promise.reject(closedError("body"));
    if (p.length === 0) return Promise.resolve(0);
    return new Promise((resolve, reject) => {
      this.#reading = { p, resolve, reject };
      this.#deliver();
    });
  }

  /** {@inheritDoc Conn.write} */
  write(p: Uint8Array): Promise<number> {
    if (this.#writing !== null) return Promise.reject(busyError("request"));
    if (this.#closed) return Promise.reject(closedError("request"));
    if (this.#writeEnded) return Promise.reject(endedError());
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#reset) return Promise.reject(lostError("request"));
    this.#writes.push(new Uint8Array(p));
    if (this.#steps[0]?.kind === "hang") {
      return new Promise((_, reject) => this.#writing = reject);
    }
    this.#bytesWritten += p.length;
    this.#compare(p);
    return this.#failure === null ? Promise.resolve(p.length) : Promise.reject(this.#failure);
  }

  /** {@inheritDoc Conn.closeWrite} */
  closeWrite(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError("request"));
    this.#writeEnded = true;
    return Promise.resolve();
  }

  /** {@inheritDoc Conn.close} */
  close(): void {
    this.#closeCount++;
    if (this.#closed) return;
    this.#closed = true;
    const step = this.#steps[0];
    if (step?.kind === "waitForClose" || step?.kind === "hang") this.#steps.shift();
    this.#reading?.reject(closedError("body"));
    this.#reading = null;
    this.#writing?.(closedError("request"));
    this.#writing = null;
  }

  /** {@inheritDoc Conn.ref} */
  ref(): void {
    this.#refed = true;
  }

  /** {@inheritDoc Conn.unref} */
  unref(): void {
    this.#refed = false;
  }

  #add(step: Step): this {
    this.#steps.push(step);
    this.#run();
    return this;
  }

  /** Takes the steps that need nothing from the client. */
  #run(): void {
    for (;;) {
      const step = this.#steps[0];
      switch (step?.kind) {
        case "send":
          if (step.bytes.length > 0) this.#incoming.push(step.bytes);
          break;
        case "end":
          this.#ended = true;
          break;
        case "reset":
          this.#incoming = [];
          this.#reset = true;
          break;
        case "expect":
          if (step.bytes.length > 0) return;
          break;
        default:
          return;
      }
      this.#steps.shift();
      this.#deliver();
    }
  }

  #compare(p: Uint8Array): void {
    let at = 0;
    while (at < p.length) {
      const step = this.#steps[0];
      if (step?.kind !== "expect") {
        const where = step === undefined ? "at the end of the script" : `before ${step.kind}`;
        this.#fail(`Unexpected bytes ${where}: ${escaped(p.subarray(at))}`);
        return;
      }
      const n = Math.min(step.bytes.length, p.length - at);
      for (let i = 0; i < n; i++) {
        if (step.bytes[i] === p[at + i]) continue;
        this.#fail(
          `Other bytes than expected, from byte ${this.#bytesWritten - p.length + at + i} on\n` +
            `  expected: ${escaped(step.bytes)}\n` +
            `  written:  ${escaped(p.subarray(at))}`,
        );
        return;
      }
      at += n;
      step.bytes = step.bytes.subarray(n);
      this.#run();
    }
  }

  #fail(message: string): void {
    this.#failure = new ScriptError(message);
    this.#reading?.reject(this.#failure);
    this.#reading = null;
  }

  #deliver(): void {
    const reading = this.#reading;
    if (reading === null) return;
    const { p } = reading;
    if (this.#failure !== null) {
      reading.reject(this.#failure);
    } else if (this.#incoming.length > 0) {
      const bytes = this.#incoming[0];
      const n = Math.min(p.length, bytes.length);
      p.set(bytes.subarray(0, n));
      if (n === bytes.length) this.#incoming.shift();
      else this.#incoming[0] = bytes.subarray(n);
      this.#bytesRead += n;
      reading.resolve(n);
    } else if (this.#reset) {
      reading.reject(lostError("body"));
    } else if (this.#ended) {
      reading.resolve(null);
    } else {
      return;
    }
    this.#reading = null;
  }
}

function toBytes(bytes: Uint8Array | string): Uint8Array {
  if (typeof bytes !== "string") return new Uint8Array(bytes);
  const all = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i);
    if (code > 0xff) {
      const character = String.fromCodePoint(bytes.codePointAt(i)!);
      throw new ScriptError(`Not a byte: ${JSON.stringify(character)}`);
    }
    all[i] = code;
  }
  return all;
}

function toText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function escaped(bytes: Uint8Array): string {
  const cut = bytes.length > 512 ? bytes.subarray(0, 512) : bytes;
  const text = toText(cut).replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f"\\\x7f-\xff]/g,
    (c) => ESCAPES[c] ?? "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"),
  );
  return cut === bytes ? `"${text}"` : `"${text}"... (${bytes.length} bytes)`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\r": "\\r",
  "\n": "\\n",
  "\t": "\\t",
  '"': '\\"',
  "\\": "\\\\",
};
