/**
 * Opens a tunnel through an HTTP proxy.
 *
 * @module
 */
import { BufferedReader } from "../conn/buffered_reader.ts";
import { BufferedWriter } from "../conn/buffered_writer.ts";
import type { Conn, TcpAddress } from "../conn/conn.ts";
import { addressText } from "../conn/conn_error.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import { ContentReader } from "../http1/content_reader.ts";
import { responseFraming } from "../http1/framing.ts";
import { fieldLine, HEAD_END, requestLine } from "../http1/head_writer.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import {
  connectionLost,
  headsTooLarge,
  MAX_INFORMATIONAL,
  switchNotAsked,
  tooManyInformational,
} from "../http1/response_error.ts";
import { type ResponseHead, ResponseHeadReader } from "../http1/response_head.ts";
import { USER_AGENT } from "./message/outgoing.ts";
import { ProxyError } from "./route/proxy_error.ts";
import { basicCredentials, type ProxyServer } from "./route/proxy_server.ts";
import { connectFields, type ProxySettings } from "./route/proxy_settings.ts";

/** A tunnel that was opened. */
export interface Tunnel {
  /** Of the answer to `CONNECT`; null: the proxy speaks SOCKS. */
  readonly status: number | null;
  /** What came behind the answer and has been read with it. */
  readonly unread: Uint8Array;
}

/** One step through a proxy. */
export interface TunnelWish {
  readonly proxy: ProxyServer;
  readonly target: TcpAddress;
  /** Whether other HTTP proxies are asked for tunnels by the same request. */
  readonly isOneOfSeveral: boolean;
}

/** Bytes. All heads of one answer to `CONNECT` together. */
const MAX_HEADS_BYTES = 64 * 1024;

/** Bytes. What is kept of the body of a refusal. */
const BODY_START_BYTES = 4 * 1024;

/** Milliseconds. How long the body of a refusal is waited for. */
const BODY_START_MS = 1_000;

/**
 * Asks the proxy at the other end of `conn` for a tunnel.
 *
 * Cancel: closing `conn`, which also ends with every error but is the caller's to do.
 *
 * @throws {ProxyError} The proxy refused, or `onProxyConnectResponse` did.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: fields that cannot be sent. Or what went wrong while
 * writing and reading.
 * @see RFC 9110 section 9.3.6
 */
export async function connectTunnel(
  conn: Conn,
  wish: TunnelWish,
  settings: ProxySettings,
): Promise<Tunnel> {
  const { proxy, target } = wish;
  const output = new BufferedWriter(conn);
  output.text(requestHead(wish, settings));
  await output.flush();
  const input = new BufferedReader(conn, BODY_START_BYTES);
  const head = await finalHead(input);
  const status = head.statusCode;
  const { headers } = head;
  if (status >= 300) {
    const bodyStart = await readBodyStart(conn, input, head, settings);
    const reason = printable(`${status} ${head.reasonPhrase}`.trimEnd());
    throw new ProxyError(
      `Proxy ${proxy.label} refused a tunnel to ${addressText(target)}: ${reason}`,
      { proxy: proxy.label, response: { status, headers, bodyStart } },
    );
  }
  try {
    await settings.onConnectResponse?.(new URL(proxy.label), { status, headers });
  } catch (cause) {
    const message = `onProxyConnectResponse refused the tunnel through proxy ${proxy.label}`;
    throw new ProxyError(message, { proxy: proxy.label, cause });
  }
  return { status, unread: input.bytes.slice(input.start, input.end) };
}

/**
 * Host and port as a request target.
 *
 * Pure.
 *
 * @see RFC 9112 section 3.2.3
 */
export function authorityOf({ hostname, port }: TcpAddress): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function requestHead(wish: TunnelWish, settings: ProxySettings): string {
  const { proxy, target } = wish;
  const authority = authorityOf(target);
  const fields = extraFields(wish, authority, settings);
  let head = requestLine("CONNECT", authority) + fieldLine("Host", authority);
  if (!fields?.has("User-Agent")) head += fieldLine("User-Agent", USER_AGENT);
  if (proxy.username !== null && !fields?.has("Proxy-Authorization")) {
    head += fieldLine("Proxy-Authorization", basicCredentials(proxy));
  }
  for (const [name, value] of fields ?? []) {
    if (value !== "" || name.toLowerCase() !== "user-agent") head += fieldLine(name, value);
  }
  return head + HEAD_END;
}

function extraFields(
  { proxy, isOneOfSeveral }: TunnelWish,
  target: string,
  { connectHeaders }: ProxySettings,
): HttpHeaders | null {
  if (typeof connectHeaders === "function") {
    return connectFields(connectHeaders(new URL(proxy.label), target));
  }
  if (isOneOfSeveral && connectHeaders?.has("Proxy-Authorization")) {
    throw new HttpError(
      "ERR_INVALID_REQUEST",
      "One Proxy-Authorization in proxyConnectHeaders for several proxies: use a function",
      { phase: "proxy" },
    );
  }
  return connectHeaders;
}

/** The head that is not informational; everything before it is dropped. */
async function finalHead(input: BufferedReader): Promise<ResponseHead> {
  const heads = new ResponseHeadReader("strict");
  let leftBytes = MAX_HEADS_BYTES;
  for (let informational = 0;;) {
    const head = input.buffered === 0 ? null : heads.read(input.bytes, input.start, input.end, []);
    if ((head === null ? input.buffered : heads.length) > leftBytes) {
      throw headsTooLarge(MAX_HEADS_BYTES);
    }
    if (head === null) {
      if (await input.fill() === null) throw connectionLost("no answer to CONNECT");
      continue;
    }
    leftBytes -= heads.length;
    input.consume(heads.length);
    if (head.statusCode >= 200) return head;
    if (head.statusCode === 101) throw switchNotAsked();
    if (++informational > MAX_INFORMATIONAL) throw tooManyInformational(MAX_INFORMATIONAL);
  }
}

/** The first bytes of a refusal's body: those that come soon. */
async function readBodyStart(
  conn: Conn,
  input: BufferedReader,
  head: ResponseHead,
  { clock }: ProxySettings,
): Promise<Uint8Array> {
  const start = new Uint8Array(BODY_START_BYTES);
  let length = 0;
  const timer = clock.startTimer(() => conn.close(), BODY_START_MS);
  try {
    const content = new ContentReader(input, conn, {
      framing: responseFraming("CONNECT", head, "strict", []),
      mode: "strict",
      deviations: [],
      code: "ERR_MALFORMED_RESPONSE",
      maxTrailerBytes: MAX_HEADS_BYTES,
    });
    while (length < start.length) {
      const count = await content.read(start.subarray(length));
      if (count === null) break;
      length += count;
    }
  } catch {
    // That it is incomplete does not matter beside the refusal itself.
  } finally {
    clock.stopTimer(timer);
  }
  return start.slice(0, length);
}
