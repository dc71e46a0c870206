/**
 * The server's end of one simulated connection: what it answers, when, and how it misbehaves, all
 * drawn from the seed.
 *
 * @module
 */
import { concat } from "./joined_bytes.ts";
import { RequestScanner, type ScannedRequest } from "./request_scanner.ts";
import type { SeededRandom } from "./seeded_random.ts";
import type { ServerEnd, SimulatedConn } from "./simulated_conn.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** How servers behave. Probabilities of each request, milliseconds, bytes. */
export interface ServerManners {
  readonly thinkMs: number;
  readonly bodyBytes: number;
  readonly silent: number;
  readonly reset: number;
  readonly close: number;
  readonly truncate: number;
  readonly plant: number;
  readonly malformed: number;
  readonly early: number;
  readonly stall: number;
  /** Whether a stall may last for ever. */
  readonly stallsForEver: boolean;
  readonly informational: number;
  readonly connectionClose: number;
  readonly hint: number;
  /** How often an idle connection is closed some time after an answer. */
  readonly idleClose: number;
  readonly refuseExpectation: number;
}

/** One response on its way. */
export interface SentResponse {
  readonly number: number;
  readonly forId: number;
  readonly connId: number;
  /** Step in which its first byte reached the client's kernel; Infinity before. */
  arrivedStep: number;
}

/** Who keeps the account of requests and responses. */
export interface ServerLedger {
  headReceived(conn: SimulatedConn, request: ScannedRequest): void;
  requestReceived(conn: SimulatedConn, request: ScannedRequest): void;
  /** A response is going to be sent. 0: it answers nothing. */
  responding(conn: SimulatedConn, forId: number): SentResponse;
  /** Its first byte has reached the client's kernel. */
  responseArrived(response: SentResponse): void;
  refusedExpectation(id: number): void;
  hinted(conn: SimulatedConn, hint: { timeoutS: number | null; max: number | null }): void;
}

/** The body that answers a request: every byte tells whose it is. */
export function bodyFor(id: number, length: number): Uint8Array<ArrayBuffer> {
  const word = encoder.encode(`<${id}>`);
  const body = new Uint8Array(length);
  for (let i = 0; i < length; i++) body[i] = word[i % word.length];
  return body;
}

const encoder = new TextEncoder();

type Fault = "silent" | "reset" | "close" | "truncate" | "malformed" | "none";

/** One connection's server. */
export class SimulatedServer implements ServerEnd {
  readonly #conn: SimulatedConn;
  readonly #clock: VirtualClock;
  readonly #manners: ServerManners;
  readonly #ledger: ServerLedger;
  readonly #random: SeededRandom;
  readonly #scanner: RequestScanner;
  #answered: ScannedRequest | null = null;
  #freeAtMs = 0;
  #isMidResponse = false;
  #gone = false;

  constructor(
    conn: SimulatedConn,
    clock: VirtualClock,
    manners: ServerManners,
    random: SeededRandom,
    ledger: ServerLedger,
  ) {
    this.#conn = conn;
    this.#clock = clock;
    this.#manners = manners;
    this.#random = random;
    this.#ledger = ledger;
    this.#scanner = new RequestScanner(
      (request) => this.#head(request),
      (request) => this.#complete(request),
    );
  }

  received(bytes: Uint8Array): void {
    if (!this.#gone) this.#scanner.push(bytes);
  }

  clientGone(): void {
    this.#gone = true;
  }

  #head(request: ScannedRequest): void {
    const { early, stall, stallsForEver, refuseExpectation } = this.#manners;
    const random = this.#random;
    this.#ledger.headReceived(this.#conn, request);
    if (request.expectsContinue) {
      if (random.chance(refuseExpectation)) {
        this.#ledger.refusedExpectation(request.id);
        this.#answered = request;
        this.#respond(request.id, 417);
        return;
      }
      if (random.chance(0.7)) {
        this.#after("100", () => this.#conn.send(encoder.encode("HTTP/1.1 100 Continue\r\n\r\n")));
      }
    }
    if (random.chance(early)) {
      this.#answered = request;
      this.#respond(request.id, random.chance(0.3) ? 413 : 200);
    }
    if (random.chance(stall)) {
      this.#conn.serverReads = false;
      if (stallsForEver && random.chance(0.3)) return;
      this.#clock.plan(random.delay(200), `#${this.#conn.id} server reads on`, () => {
        this.#conn.serverReads = true;
      });
    }
  }

  #complete(request: ScannedRequest): void {
    this.#ledger.requestReceived(this.#conn, request);
    if (this.#answered === request) return;
    this.#answered = request;
    this.#respond(request.id, 200);
  }

  /** Plans what comes next on this connection, one thing behind the other. */
  #after(what: string, run: () => void): void {
    const { clock, delayMs } = {
      clock: this.#clock,
      delayMs: this.#random.delay(this.#manners.thinkMs),
    };
    this.#freeAtMs = Math.max(this.#freeAtMs, clock.now() + delayMs);
    clock.plan(this.#freeAtMs - clock.now(), `#${this.#conn.id} ${what}`, () => {
      if (!this.#gone) run();
    });
  }

  #respond(id: number, status: number): void {
    const conn = this.#conn;
    const random = this.#random;
    const manners = this.#manners;
    const fault = this.#drawFault();
    if (fault === "silent") return;
    if (fault === "reset") return this.#after("resets", () => conn.reset());
    if (fault === "close") return this.#after("closes", () => conn.serverClose());
    if (fault === "malformed") {
      this.#after("babbles", () => conn.send(encoder.encode("HTTP/1.1 2x0 What\r\n\r\n")));
      return;
    }
    if (random.chance(manners.informational)) {
      const hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
      this.#after("103", () => conn.send(encoder.encode(hints)));
    }
    const response = this.#ledger.responding(conn, id);
    const { parts, closes } = this.#draw(response, id, status);
    const total = parts.reduce((sum, part) => sum + part.length, 0);
    let left = fault === "truncate" ? random.integer(0, total - 1) : total;
    parts.forEach((part, i) => {
      const bytes = part.subarray(0, left);
      left -= bytes.length;
      this.#after(`answers ${id}`, () => {
        this.#isMidResponse = closes || fault === "truncate" || i < parts.length - 1;
        conn.send(bytes, i === 0 ? () => this.#ledger.responseArrived(response) : undefined);
      });
    });
    if (fault === "truncate") {
      if (random.chance(0.5)) this.#after("cuts", () => conn.reset());
      else this.#after("cuts", () => conn.serverClose());
    } else if (closes) this.#after("closes", () => conn.serverClose());
    else this.#afterwards();
  }

  #drawFault(): Fault {
    let draw = this.#random.next();
    for (const fault of ["silent", "reset", "close", "truncate", "malformed"] as const) {
      draw -= this.#manners[fault];
      if (draw < 0) return fault;
    }
    return "none";
  }

  /** What happens on a connection that has answered. */
  #afterwards(): void {
    const random = this.#random;
    const { plant, idleClose } = this.#manners;
    const conn = this.#conn;
    if (random.chance(plant)) {
      const delayMs = this.#freeAtMs - this.#clock.now() +
        (random.chance(0.4) ? 0 : random.delay(60));
      this.#clock.plan(delayMs, `#${conn.id} plants`, () => {
        if (this.#gone || this.#isMidResponse) return;
        const planted = this.#ledger.responding(conn, 0);
        const { parts } = this.#draw(planted, 0, 200);
        conn.send(concat(parts), () => this.#ledger.responseArrived(planted));
      });
    }
    if (random.chance(idleClose)) {
      const delayMs = this.#freeAtMs - this.#clock.now() + random.delay(150);
      this.#clock.plan(delayMs, `#${conn.id} idle close`, () => conn.serverClose());
    }
  }

  #draw(response: SentResponse, id: number, status: number) {
    const random = this.#random;
    const { bodyBytes, connectionClose, hint } = this.#manners;
    const length = random.chance(0.3) ? 0 : random.integer(1, random.chance(0.5) ? 40 : bodyBytes);
    const body = bodyFor(id, length);
    const framing = random.pick(
      ["length", "length", "chunked", "chunked", id === 0 ? "length" : "close"] as const,
    );
    const closes = framing === "close" || (id !== 0 && random.chance(connectionClose));
    const lines = [
      `HTTP/1.1 ${status} Status`,
      `X-Id: ${id}`,
      `X-Response: ${response.number}`,
      `X-Length: ${length}`,
    ];
    const head = id !== 0 && this.#scanner.current?.method === "HEAD";
    if (framing === "length") lines.push(`Content-Length: ${length}`);
    if (framing === "chunked") lines.push("Transfer-Encoding: chunked");
    if (closes && (framing !== "close" || head)) lines.push("Connection: close");
    if (id !== 0 && random.chance(hint)) {
      const timeoutS = random.chance(0.7) ? random.integer(1, 3) : null;
      const max = random.chance(0.5) ? random.integer(0, 5) : null;
      const members = [
        ...(timeoutS === null ? [] : [`timeout=${timeoutS}`]),
        ...(max === null ? [] : [`max=${max}`]),
      ];
      if (members.length > 0) lines.push(`Keep-Alive: ${members.join(", ")}`);
      this.#ledger.hinted(this.#conn, { timeoutS, max });
    }
    const parts = [encoder.encode(lines.join("\r\n") + "\r\n\r\n")];
    if (!head) parts.push(...(framing === "chunked" ? this.#chunks(body) : [body]));
    return {
      parts: random.chance(0.5) ? [concat(parts)] : parts.filter((p) => p.length > 0),
      closes,
    };
  }

  #chunks(body: Uint8Array): Uint8Array<ArrayBuffer>[] {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0; at < body.length;) {
      const piece = body.subarray(at, at + this.#random.integer(1, body.length));
      at += piece.length;
      parts.push(concat([
        encoder.encode(`${piece.length.toString(16)}\r\n`),
        piece,
        encoder.encode("\r\n"),
      ]));
    }
    parts.push(encoder.encode(this.#random.chance(0.2) ? "0\r\nX-End: 1\r\n\r\n" : "0\r\n\r\n"));
    return parts;
  }
}
