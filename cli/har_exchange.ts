/**
 * One exchange on its way into a HAR file.
 *
 * @module
 */
import type { HttpHeaders } from "../http/http_headers.ts";
import type { ClientTrace, HttpRequest } from "../transport/message/http_request.ts";
import type { HttpResponse, Timings } from "../transport/message/http_response.ts";
import type {
  HarContent,
  HarEntry,
  HarPair,
  HarPostData,
  HarRequest,
  HarResponse,
  HarTimings,
} from "./har_format.ts";
import { type HarMask, isForm } from "./har_mask.ts";
import { utf8Text } from "./header_text.ts";
import { joined } from "./joined.ts";
import type { ChooseProxies } from "./proxies.ts";
import { sentHead } from "./sent_head.ts";

/** Bytes. Of a longer body it is told only how long it is. */
const MAX_TEXT_BYTES = 1024 * 1024;

const NOT_KEPT = "left out: more than 1 MiB";

/** Gathers what is told of it. */
export class HarExchange implements ClientTrace {
  readonly #request: HttpRequest;
  readonly #proxies: ChooseProxies | null;
  readonly #mask: HarMask;
  readonly #begun: Date = new Date();
  #response: HttpResponse | null = null;
  #headBytes = -1;
  #failure: string | null = null;
  #isHttp2 = false;
  #sentBytes = 0;
  /** As they came over the wire; null: it is not known yet. */
  #wireBytes: number | null = null;
  #pieces: Uint8Array[] | null = [];
  #bytes = 0;

  constructor(request: HttpRequest, how: { proxies: ChooseProxies | null; mask: HarMask }) {
    this.#request = request;
    this.#proxies = how.proxies;
    this.#mask = how.mask;
  }

  /** Some of the body has been sent: bytes so far. */
  sent(bytes: number): void {
    this.#sentBytes = bytes;
  }

  /** The head of the final response. */
  response(response: HttpResponse, headBytes: number): void {
    this.#response = response;
    this.#headBytes = headBytes;
  }

  /** A piece of the body, which may change afterwards. */
  piece(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > MAX_TEXT_BYTES) this.#pieces = null;
    this.#pieces?.push(piece.slice());
  }

  /** It has failed. */
  failed(message: string): void {
    this.#failure = message;
  }

  gotConn({ protocol }: { protocol: "http/1.1" | "h2" }): void {
    this.#isHttp2 = protocol === "h2";
  }

  bodyDone({ bytes }: { bytes: number }): void {
    this.#wireBytes = bytes;
  }

  /** All of it, as it stands now. */
  entry(): HarEntry {
    const timings = timingsOf(this.#response?.timings ?? null);
    const { blocked, connect, send, wait, receive } = timings;
    const connection = this.#response?.connection;
    const address = connection?.remoteAddr;
    return {
      startedDateTime: this.#begun.toISOString(),
      time: [blocked, connect, send, wait, receive].reduce((sum, ms) => sum + Math.max(0, ms), 0),
      request: this.#requestPart(),
      response: this.#responsePart(),
      cache: {},
      timings,
      ...address?.transport === "tcp" ? { serverIPAddress: address.hostname } : {},
      ...connection === undefined ? {} : { connection: String(connection.id) },
    };
  }

  #requestPart(): HarRequest {
    const lines = sentHead(this.#request, {
      proxies: this.#proxies,
      isHttp2: this.#isHttp2,
      withoutExpect: false,
    });
    const fields = lines.slice(1).filter((line) => line !== "").map(fieldOf);
    const url = this.#mask.url(this.#request.href);
    const query = new URL(url).searchParams;
    return {
      method: this.#request.method,
      url,
      httpVersion: versionOf(this.#isHttp2 ? "2" : "1.1"),
      cookies: fields.filter(({ name }) => name.toLowerCase() === "cookie")
        .flatMap(({ value }) => value.split(/; */)).map((text) => this.#cookie(text)),
      headers: fields.map(this.#mask.pair),
      queryString: [...query].map(([name, value]) => ({ name, value })),
      ...this.#postData(fields),
      headersSize: this.#isHttp2 ? -1 : lines.reduce((sum, line) => sum + line.length + 2, 0),
      bodySize: this.#sentBytes,
    };
  }

  #postData(fields: readonly HarPair[]): { postData?: HarPostData } {
    const { body } = this.#request;
    if (body === null) return {};
    const mimeType = fields.find(({ name }) => name.toLowerCase() === "content-type")?.value ?? "";
    const bytes = body instanceof Uint8Array ? body : null;
    const told = bytes === null
      ? { comment: "left out: sent as it was read" }
      : this.#told(bytes, mimeType);
    const text = told.encoding === undefined ? told.text : undefined;
    return {
      postData: {
        mimeType,
        params: isForm(mimeType) ? pairsOf(text ?? "") : [],
        text: text ?? "",
        ...text === undefined ? { comment: told.comment ?? "left out: not text" } : {},
      },
    };
  }

  #responsePart(): HarResponse {
    const response = this.#response;
    if (response === null) return noResponse(this.#failure ?? "");
    const fields = fieldsOf(response.headers);
    const location = response.headers.get("location") ?? "";
    return {
      status: response.status,
      statusText: response.statusText,
      httpVersion: versionOf(response.httpVersion),
      cookies: fields.filter(({ name }) => name.toLowerCase() === "set-cookie")
        .map(({ value }) => this.#cookie(value.split(";", 1)[0])),
      headers: fields.map(this.#mask.pair),
      content: this.#content(response),
      redirectURL: this.#mask.url(location),
      headersSize: response.httpVersion === "2" ? -1 : this.#headBytes,
      bodySize: this.#wireBytes ?? -1,
      ...this.#failure === null ? {} : { comment: this.#failure },
    };
  }

  #content({ headers }: HttpResponse): HarContent {
    const mimeType = headers.get("content-type") ?? "";
    // Of a body that nobody has read it is known what came.
    const size = this.#bytes === 0 ? this.#wireBytes ?? 0 : this.#bytes;
    if (this.#pieces === null) return { size, mimeType, comment: NOT_KEPT };
    if (this.#bytes === 0) return { size, mimeType };
    return { size, mimeType, ...this.#told(joined(this.#pieces), mimeType) };
  }

  #told(bytes: Uint8Array, mimeType: string): Pick<HarContent, "text" | "encoding" | "comment"> {
    if (bytes.length > MAX_TEXT_BYTES) return { comment: NOT_KEPT };
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      // Not text: nothing in it has a name.
      const characters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
      return { text: btoa(characters), encoding: "base64" };
    }
    const shown = this.#mask.body(text, mimeType);
    return shown === null
      ? { comment: "left out: it may hold secrets (--har-secrets keeps it)" }
      : { text: shown };
  }

  #cookie(text: string): HarPair {
    const [name, value = ""] = text.split(/=(.*)/s, 2);
    return this.#mask.secret({ name: name.trim(), value: value.trim() });
  }
}

function noResponse(comment: string): HarResponse {
  return {
    status: 0,
    statusText: "",
    httpVersion: "",
    cookies: [],
    headers: [],
    content: { size: 0, mimeType: "" },
    redirectURL: "",
    headersSize: -1,
    bodySize: -1,
    comment,
  };
}

/** Connecting is all of it, TLS included. */
function timingsOf(timings: Timings | null): HarTimings {
  const { queueMs, dialMs, proxyMs, tlsMs, requestMs, continueMs, waitMs, bodyMs } = timings ?? {};
  const connecting = [dialMs, proxyMs, tlsMs].filter((ms) => typeof ms === "number");
  return {
    blocked: queueMs ?? -1,
    dns: -1,
    connect: connecting.length === 0 ? -1 : connecting.reduce((sum, ms) => sum + ms, 0),
    ssl: tlsMs ?? -1,
    send: (requestMs ?? 0) + (continueMs ?? 0),
    wait: waitMs ?? 0,
    receive: bodyMs ?? 0,
  };
}

function fieldsOf(headers: HttpHeaders): HarPair[] {
  return [...headers].map(([name, value]) => ({ name, value: utf8Text(value) }));
}

function fieldOf(line: string): HarPair {
  const [, name, value] = /^(:?[^:]*): ?(.*)$/s.exec(line)!;
  return { name, value: utf8Text(value) };
}

function pairsOf(form: string): HarPair[] {
  return [...new URLSearchParams(form)].map(([name, value]) => ({ name, value }));
}

function versionOf(version: string): string {
  return `HTTP/${version}`;
}
