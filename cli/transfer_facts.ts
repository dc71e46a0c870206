/**
 * What there is to tell of one transfer in the end, in curl's words.
 *
 * @module
 */
import type { Address } from "../conn/conn.ts";
import type { ClientTrace } from "../transport/message/http_request.ts";
import { attemptsOf, type HttpResponse } from "../transport/message/http_response.ts";
import { withScheme } from "./option_values.ts";

/** A value of `-w`; null: it is not known, or is not there. */
export type Fact = string | number | null;

/** What is known from outside of the exchange. */
export interface TransferEnd {
  /** As it was asked for. */
  readonly url: string;
  readonly method: string;
  readonly referer: string | null;
  /** Which one of the transfers, from 0. */
  readonly number: number;
  /** The file that was written, or null. */
  readonly file: string | null;
  readonly exitCode: number;
  /** What went wrong, or null. */
  readonly message: string | null;
  readonly version: string;
}

/** Gathers it while the transfer goes on. One for each transfer. */
export class TransferFacts implements ClientTrace {
  readonly #begunAt: number = performance.now();
  #connects = 0;
  #proxyStatus = 0;
  #headBytes = 0;
  #requestBytes = 0;
  #bodyBytes = 0;
  #sentBytes = 0;
  #lastBegunAt = this.#begunAt;
  #last: HttpResponse | null = null;
  #endedAt = 0;

  /** A request begins: the first one, or one after a redirect. */
  request(): void {
    this.#lastBegunAt = performance.now();
    this.#sentBytes = 0;
    this.#bodyBytes = 0;
  }

  /** A response has begun. */
  response(response: HttpResponse, headBytes: number): void {
    this.#last = response;
    this.#headBytes += headBytes;
    for (const { bytesWritten } of attemptsOf(response).slice(-1)) {
      this.#requestBytes += Math.max(0, bytesWritten - this.#sentBytes);
    }
  }

  /** Some of the body has been sent. */
  sent(bytes: number): void {
    this.#sentBytes = bytes;
  }

  /** It is over. */
  end(): void {
    this.#endedAt = performance.now();
  }

  gotConn({ reused }: { reused: boolean }): void {
    if (!reused) this.#connects++;
  }

  proxyConnectDone({ status }: { status?: number }): void {
    this.#proxyStatus = status ?? 0;
  }

  bodyDone({ bytes }: { bytes: number }): void {
    this.#bodyBytes = bytes;
  }

  /** The last response, or null. */
  get lastResponse(): HttpResponse | null {
    return this.#last;
  }

  /** All of it, by curl's names. */
  facts(end: TransferEnd): Map<string, Fact> {
    const response = this.#last;
    const times = this.#times();
    const rate = (bytes: number): number => Math.round(bytes / Math.max(times.total, 1e-6));
    const { localAddr = null, remoteAddr = null, tls = null } = response?.connection ?? {};
    const location = response?.headers.get("location") ?? null;
    const status = response?.status ?? 0;
    const seconds = (value: number): string => value.toFixed(6);
    return new Map<string, Fact>([
      ["conn_id", response?.connection.id ?? null],
      ["content_type", response?.headers.get("content-type") ?? null],
      ["errormsg", end.message],
      ["exitcode", end.exitCode],
      ["filename_effective", end.file],
      ["ftp_entry_path", null],
      ["http_code", String(status).padStart(3, "0")],
      ["http_connect", String(this.#proxyStatus).padStart(3, "0")],
      ["http_version", response?.httpVersion ?? "0"],
      ["local_ip", hostOf(localAddr)],
      ["local_port", portOf(localAddr)],
      ["method", response?.request.method ?? end.method],
      ["num_connects", this.#connects],
      ["num_headers", response === null ? 0 : [...response.headers].length],
      ["num_redirects", redirectsTo(response)],
      ["num_retries", response === null ? 0 : Math.max(0, attemptsOf(response).length - 1)],
      ["proxy_ssl_verify_result", 0],
      ["redirect_url", location === null ? null : absolute(location, response!.url)],
      ["referer", end.referer],
      ["remote_ip", hostOf(remoteAddr)],
      ["remote_port", portOf(remoteAddr)],
      ["response_code", String(status).padStart(3, "0")],
      ["scheme", (response?.request.scheme ?? "").replace(":", "") || null],
      ["size_download", this.#bodyBytes],
      ["size_header", this.#headBytes],
      ["size_request", this.#requestBytes],
      ["size_upload", this.#sentBytes],
      ["speed_download", rate(this.#bodyBytes)],
      ["speed_upload", rate(this.#sentBytes)],
      ["ssl_verify_result", 0],
      ["time_appconnect", seconds(tls === null ? 0 : times.secured)],
      ["time_connect", seconds(times.connected)],
      ["time_namelookup", seconds(times.lookedUp)],
      ["time_pretransfer", seconds(times.ready)],
      ["time_redirect", seconds(times.redirected)],
      ["time_starttransfer", seconds(times.first)],
      ["time_total", seconds(times.total)],
      ["tls_protocol", tls?.protocol ?? null],
      ["url", end.url],
      ["url_effective", response?.url ?? end.url],
      ["urlnum", end.number],
      ["xfer_id", end.number],
      ...urlFacts("url", withScheme(end.url)),
      ...urlFacts("urle", response?.url ?? withScheme(end.url)),
      ["curl_version", `roundtrip/${end.version}`],
      ["roundtrip_version", end.version],
    ]);
  }

  /** Seconds since the beginning, of the last exchange. Looking a name up is part of connecting. */
  #times(): Record<
    "redirected" | "lookedUp" | "connected" | "secured" | "ready" | "first" | "total",
    number
  > {
    const base = this.#lastBegunAt - this.#begunAt;
    const timings = this.#last?.timings;
    const ms = (value: number | null | undefined): number => value ?? 0;
    const queued = base + ms(timings?.queueMs);
    const connected = queued + ms(timings?.dialMs) + ms(timings?.proxyMs);
    const secured = connected + ms(timings?.tlsMs);
    const first = secured + ms(timings?.requestMs) + ms(timings?.continueMs) + ms(timings?.waitMs);
    const total = this.#endedAt - this.#begunAt;
    const isAnswered = timings !== undefined;
    const at = (value: number): number => (isAnswered ? value : 0) / 1000;
    return {
      redirected: (redirectsTo(this.#last) > 0 ? base : 0) / 1000,
      lookedUp: at(queued),
      connected: at(connected),
      secured: at(secured),
      ready: at(secured),
      first: at(first),
      total: total / 1000,
    };
  }
}

/** The parts of a URL: `url.host` and so on; those of one that cannot be read are not known. */
function urlFacts(prefix: string, text: string): [string, Fact][] {
  const url = URL.canParse(text) ? new URL(text) : null;
  const part = (value: string | undefined): Fact => value || null;
  const port = url?.port || { "http:": "80", "https:": "443" }[url?.protocol ?? ""];
  const parts: Record<string, Fact> = {
    scheme: part(url?.protocol.slice(0, -1)),
    user: part(url?.username),
    password: part(url?.password),
    host: part(url?.hostname),
    port: part(port),
    path: part(url?.pathname),
    query: part(url?.search.slice(1)),
    fragment: part(url?.hash.slice(1)),
  };
  return Object.entries(parts).map(([name, value]) => [`${prefix}.${name}`, value]);
}

/** How many answers led to it. */
function redirectsTo(response: HttpResponse | null): number {
  let count = 0;
  let request = response?.request ?? null;
  while ((request = request?.redirectedFrom ?? null) !== null) count++;
  return count;
}

function hostOf(address: Address | null): string | null {
  return address?.transport === "tcp" ? address.hostname : null;
}

function portOf(address: Address | null): number | null {
  return address?.transport === "tcp" ? address.port : null;
}

function absolute(location: string, base: string): string {
  try {
    return new URL(location, base).href;
  } catch {
    // As it came.
    return location;
  }
}
