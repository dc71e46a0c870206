/**
 * Opens a tunnel through an HTTP proxy.
 *
 * @module
 */
import { BufferedReader } from "../../conn/buffered_reader.ts";
import { BufferedWriter } from "../../conn/buffered_writer.ts";
import type { Conn, TcpAddress } from "../../conn/conn.ts";
import { addressText } from "../../conn/conn_error.ts";
import { HttpError, printable } from "../../conn/http_error.ts";
import { ContentReader } from "../../http1/content_reader.ts";
import { responseFraming } from "../../http1/framing.ts";
import { fieldLine, HEAD_END, requestLine } from "../../http1/head_writer.ts";
import { isPersistent } from "../../http1/persistence.ts";
import type { Challenge } from "../../http/challenge.ts";
import type { DigestSession } from "../../http/digest_session.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { connectionLost, headsTooLarge, switchNotAsked } from "../../http1/response_error.ts";
import { type Http1ResponseHead, ResponseHeadReader } from "../../http1/response_head.ts";
import { USER_AGENT } from "../message/outgoing.ts";
import { ProofWanted, ProxyError } from "./proxy_error.ts";
import { MAX_PROXY_ANSWERS, type ProxyProof } from "./proxy_login.ts";
import type { ProxyServer } from "./proxy_server.ts";
import { connectFields, type ProxySettings } from "./proxy_settings.ts";

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

/** Bytes. What is read of it where the connection is to be asked once more. */
const MAX_BODY_BYTES = 64 * 1024;

/** Milliseconds. How long the body of a refusal is waited for. */
const BODY_START_MS = 1_000;

/**
 * Asks the proxy at the other end of `conn` for a tunnel; again on the same connection where it wants
 * a proof of who asks.
 *
 * Cancel: closing `conn`, which also ends with every error but is the caller's to do.
 *
 * @throws {ProxyError} The proxy refused, or `onProxyConnectResponse` did. A {@linkcode ProofWanted}:
 * it is to be asked once more, on another connection.
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
  const fields = extraFields(wish, authorityOf(target), settings);
  const login = fields?.has("Proxy-Authorization") ? null : settings.logins.of(proxy);
  const output = new BufferedWriter(conn);
  const input = new BufferedReader(conn, BODY_START_BYTES);
  let fresh: DigestSession | null = null;
  for (let answers = 0;; answers++) {
    const said: ProxyProof | null = login?.proof("CONNECT", () => authorityOf(target), fresh) ??
      null;
    output.text(requestHead(target, fields, said?.value ?? null));
    await output.flush();
    const head = await finalHead(input);
    if (head.statusCode < 300) {
      if (said !== null) login!.accepted(said, head.headers);
      return await opened(input, head, { proxy, settings });
    }
    const challenges: Challenge[] | null =
      head.statusCode === 407 && said !== null && answers < MAX_PROXY_ANSWERS
        ? login!.challenges(head.headers, said)
        : null;
    const rest = await readRest(conn, input, head, { settings, isWanted: challenges !== null });
    fresh = challenges === null ? null : await login!.answer(challenges);
    if (fresh === null) throw refused(wish, head, rest, ProxyError);
    // What lies behind the answer is none to the next question.
    const isKept = rest.isWhole && input.buffered === 0 && isPersistent(head);
    if (!isKept) throw refused(wish, head, rest, ProofWanted);
  }
}

/** The proxy has opened the tunnel. */
async function opened(
  input: BufferedReader,
  { statusCode: status, headers }: Http1ResponseHead,
  { proxy, settings }: { proxy: ProxyServer; settings: ProxySettings },
): Promise<Tunnel> {
  try {
    await settings.onConnectResponse?.(new URL(proxy.label), { status, headers });
  } catch (cause) {
    const message = `onProxyConnectResponse refused the tunnel through proxy ${proxy.label}`;
    throw new ProxyError(message, { proxy: proxy.label, cause });
  }
  return { status, unread: input.bytes.slice(input.start, input.end) };
}

function refused(
  { proxy, target }: TunnelWish,
  { statusCode: status, reasonPhrase, headers }: Http1ResponseHead,
  { bodyStart }: RefusalBody,
  kind: typeof ProxyError,
): ProxyError {
  const reason = printable(`${status} ${reasonPhrase}`.trimEnd());
  return new kind(
    `Proxy ${proxy.label} refused a tunnel to ${addressText(target)}: ${reason}`,
    { proxy: proxy.label, response: { status, headers, bodyStart } },
  );
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

/** @param login The value of `Proxy-Authorization`, unless it is among the fields; or null. */
function requestHead(
  target: TcpAddress,
  fields: HttpHeaders | null,
  login: string | null,
): string {
  const authority = authorityOf(target);
  let head = requestLine("CONNECT", authority) + fieldLine("Host", authority);
  if (!fields?.has("User-Agent")) head += fieldLine("User-Agent", USER_AGENT);
  if (login !== null) head += fieldLine("Proxy-Authorization", login);
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
async function finalHead(input: BufferedReader): Promise<Http1ResponseHead> {
  const heads = new ResponseHeadReader("strict");
  let leftBytes = MAX_HEADS_BYTES;
  for (;;) {
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
  }
}

/** What came of the body of a refusal. */
interface RefusalBody {
  readonly bodyStart: Uint8Array;
  /** Whether all of it was read, and the connection told where it ends. */
  readonly isWhole: boolean;
}

/**
 * The first bytes of a refusal's body, those that come soon; all of it, within bounds, where the
 * connection is wanted for another question.
 */
async function readRest(
  conn: Conn,
  input: BufferedReader,
  head: Http1ResponseHead,
  { settings, isWanted }: { settings: ProxySettings; isWanted: boolean },
): Promise<RefusalBody> {
  const { clock } = settings;
  const start = new Uint8Array(BODY_START_BYTES);
  const further = new Uint8Array(BODY_START_BYTES);
  const limitBytes = isWanted ? MAX_BODY_BYTES : BODY_START_BYTES;
  let length = 0;
  let isWhole = false;
  const timer = clock.startTimer(() => conn.close(), BODY_START_MS);
  try {
    const framing = responseFraming("CONNECT", head, "strict", []);
    const content = new ContentReader(input, conn, {
      framing,
      mode: "strict",
      deviations: [],
      code: "ERR_MALFORMED_RESPONSE",
      maxTrailerBytes: MAX_HEADS_BYTES,
    });
    while (length < limitBytes) {
      const rest = length < start.length ? start.subarray(length) : further;
      const count = await content.read(rest);
      if (count === null) break;
      length += count;
    }
    isWhole = content.complete && framing.kind !== "closeDelimited";
  } catch {
    // That it is incomplete does not matter beside the refusal itself.
  } finally {
    clock.stopTimer(timer);
  }
  return { bodyStart: start.slice(0, length), isWhole };
}
