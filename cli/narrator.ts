/**
 * What `-v` tells, in the manner of curl: `*` what happens, `>` what is sent, `<` what comes.
 *
 * @module
 */
import type { Address, TlsInfo } from "../conn/conn.ts";
import type { HttpError } from "../conn/http_error.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import type { ClientTrace, HttpRequest } from "../transport/message/http_request.ts";
import type { HttpResponse, Timings } from "../transport/message/http_response.ts";
import { msText } from "./amounts.ts";
import type { ChooseProxies } from "./proxies.ts";
import { sentHead } from "./sent_head.ts";
import type { Voice } from "./voice.ts";

/** Tells what happens to requests that are sent one after the other. */
export class Narrator implements ClientTrace {
  readonly #voices: readonly Voice[];
  readonly #proxies: ChooseProxies | null;
  #request: HttpRequest | null = null;
  #withoutExpect = false;
  #isHttp2 = false;
  #phaseBegunAt = 0;
  #over = false;
  /** What is told of the end before the head: a small response is over at once. */
  #held: string[] | null = null;

  constructor(voices: readonly Voice[], proxies: ChooseProxies | null = null) {
    this.#voices = voices;
    this.#proxies = proxies;
  }

  /** From here on, the events are those of `request`. */
  request(request: HttpRequest): void {
    this.#request = request;
    this.#held = [];
    this.#withoutExpect = false;
  }

  /** The head of a final response. */
  response(response: HttpResponse): void {
    const { httpVersion, status, statusText, headers, connection } = response;
    this.#lines("<", [`HTTP/${httpVersion} ${status} ${statusText}`, ...fieldLines(headers), ""]);
    for (const deviation of response.deviations) {
      this.#note(`the server deviates from the standard: ${deviation}`);
    }
    if (response.uncompressed) {
      this.#note("content coding taken off, with the fields that told of it");
    }
    if (response.redirected) this.#note(`redirected to ${response.url}`);
    const { localAddr, remoteAddr } = connection;
    this.#note(
      `connection #${connection.id}${connection.reused ? " (reused)" : ""} ` +
        `from ${addressOf(localAddr)} to ${addressOf(remoteAddr)}`,
    );
    this.#tellHeld();
    this.#held = null;
  }

  /** The exchange is over. */
  timings(timings: Timings): void {
    const parts: [string, number | null][] = [
      ["queue", timings.queueMs],
      ["dial", timings.dialMs],
      ...timings.proxyMs === null ? [] : [["proxy", timings.proxyMs] as [string, number]],
      ["TLS", timings.tlsMs],
      ["request", timings.requestMs],
      ...timings.continueMs === null ? [] : [["continue", timings.continueMs] as [string, number]],
      ["wait", timings.waitMs],
      ["body", timings.bodyMs],
    ];
    const total = parts.reduce((sum, [, ms]) => sum + (ms ?? 0), 0);
    this.#note(
      `time: ${parts.map(([name, ms]) => `${name} ${msText(ms)}`).join(", ")}, ` +
        `together ${msText(total)} ms`,
    );
  }

  /** The request, or the rest of its answer, is asked for again. */
  again(delayMs: number, reason: string): void {
    this.#note(`trying again in ${msText(delayMs)} ms, because: ${reason}`);
    this.#tellHeld();
  }

  /** Nothing more is told: what is left is cleaning up. */
  end(): void {
    this.#over = true;
  }

  connectStart(event: { address: Address }): void {
    this.#phaseBegunAt = performance.now();
    this.#note(`connecting to ${addressOf(event.address)}`);
  }

  connectDone(event: { error?: unknown }): void {
    if (event.error === undefined) this.#note(`connected in ${this.#phaseMs()} ms`);
  }

  proxyConnectStart(event: { proxy: string; target: string }): void {
    this.#phaseBegunAt = performance.now();
    this.#note(`asking proxy ${event.proxy} for a tunnel to ${event.target}`);
  }

  proxyConnectDone(event: { status?: number; error?: unknown }): void {
    if (event.error !== undefined) return;
    const answer = event.status === undefined ? "" : `: ${event.status}`;
    this.#note(`tunnel opened in ${this.#phaseMs()} ms${answer}`);
  }

  tlsHandshakeStart(): void {
    this.#phaseBegunAt = performance.now();
  }

  tlsHandshakeDone(event: { proxy?: string; tls?: TlsInfo; error?: unknown }): void {
    if (event.error !== undefined || event.tls === undefined) return;
    const whose = event.proxy === undefined ? "" : `proxy ${event.proxy} `;
    const { protocol, alpnProtocol, engine, peerCertificate } = event.tls;
    this.#note(
      `${whose}secured in ${this.#phaseMs()} ms: ${protocol ?? "TLS"}, ` +
        `ALPN ${alpnProtocol ?? "none"}, engine ${engine}`,
    );
    if (peerCertificate === null) return;
    const { subject, issuer, validTo, fingerprint256 } = peerCertificate;
    this.#note(`certificate of ${oneLine(subject)}, by ${oneLine(issuer)}, until ${validTo}`);
    this.#note(`certificate SHA-256 ${fingerprint256}`);
  }

  gotConn(event: { id: number; protocol: "http/1.1" | "h2"; reused: boolean }): void {
    const how = event.reused ? "reused" : "new";
    this.#isHttp2 = event.protocol === "h2";
    this.#note(`sending on connection #${event.id}, ${how}${this.#isHttp2 ? ", by HTTP/2" : ""}`);
    this.#lines(
      ">",
      sentHead(this.#request!, {
        proxies: this.#proxies,
        isHttp2: this.#isHttp2,
        withoutExpect: this.#withoutExpect,
      }),
    );
  }

  streamOpened(event: { streamId: number }): void {
    this.#note(`stream ${event.streamId}`);
  }

  streamReset(event: { streamId: number; code: string; from: "peer" | "here" }): void {
    const who = event.from === "peer" ? "the server" : "this end";
    this.#noteOfEnd(`stream ${event.streamId} was reset by ${who}: ${event.code}`);
  }

  goAway(event: { id: number; code: string; debugData: string }): void {
    const why = event.debugData === "" ? event.code : `${event.code}, "${event.debugData}"`;
    this.#noteOfEnd(`the server leaves connection #${event.id}: ${why}`);
  }

  wait100Continue(): void {
    this.#note("holding the body back until the server asks for it");
  }

  got1xxResponse(status: number, headers: HttpHeaders): void {
    const version = this.#isHttp2 ? "2" : "1.1";
    this.#lines("<", [`HTTP/${version} ${status}`, ...fieldLines(headers), ""]);
  }

  retry(event: { attempt: number; error: HttpError }): void {
    // Of the retries only the one after a 417 leaves a field out.
    this.#withoutExpect = event.error.attempts.at(-1)?.verdict === "answered";
    this.#note(`attempt ${event.attempt}, because: ${event.error.message}`);
    this.#tellHeld();
  }

  bodyDone(event: { bytes: number }): void {
    this.#noteOfEnd(`body: ${event.bytes} bytes`);
  }

  putIdleConn(event: { id: number; error?: HttpError }): void {
    const { id, error } = event;
    this.#noteOfEnd(
      `connection #${id} ${error === undefined ? "kept" : `closed: ${error.message}`}`,
    );
  }

  #phaseMs(): string {
    return msText(performance.now() - this.#phaseBegunAt);
  }

  #noteOfEnd(text: string): void {
    if (this.#held === null) this.#note(text);
    else this.#held.push(text);
  }

  #tellHeld(): void {
    for (const text of this.#held?.splice(0) ?? []) this.#note(text);
  }

  #note(text: string): void {
    if (this.#over) return;
    for (const voice of this.#voices) voice.note(text);
  }

  #lines(mark: ">" | "<", lines: readonly string[]): void {
    for (const voice of this.#voices) voice.head(mark, lines);
  }
}

/** The field lines of a section, without line ends. */
export function fieldLines(headers: HttpHeaders): string[] {
  return [...headers].map(([name, value]) => `${name}: ${value}`);
}

function addressOf(address: Address): string {
  if (address.transport === "unix") return address.path === "" ? "a Unix socket" : address.path;
  const { hostname, port } = address;
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Names of certificates come with line ends between their parts. */
function oneLine(name: string): string {
  return name.replaceAll("\n", ", ");
}
