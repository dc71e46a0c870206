/**
 * Roundtrip: an HTTP client transport over raw TCP for Deno, Bun and Node.
 *
 * @example
 * ```ts
 * import { get } from "@roundtrip/http";
 *
 * try {
 *   const response = await get("http://127.0.0.1:1/");
 *   console.log(response.status, response.timings.waitMs, await response.text());
 * } catch (error) {
 *   console.log((error as Error).message);
 * }
 * ```
 *
 * @module
 */
export type { BodyInput } from "./client/readers/body_lines.ts";
export {
  type CheckRedirect,
  Client,
  type ClientOptions,
  type FormSource,
} from "./client/client.ts";
export type { CookieJar } from "./client/cookies/cookie_jar.ts";
export {
  MemoryCookieJar,
  type MemoryCookieJarOptions,
  type StoredCookie,
  type StoredCookies,
} from "./client/cookies/memory_cookie_jar.ts";
export type { BackOffOptions } from "./client/recovery/back_off.ts";
export { type ResumeOptions, ResumingTransport } from "./client/recovery/resume.ts";
export type { ResumeEvent } from "./client/recovery/resumed_content.ts";
export { type RetryEvent, RetryingTransport, type RetryOptions } from "./client/recovery/retry_policy.ts";
export { defaultClient, defaultTransport, get } from "./client/default_client.ts";
export { dataProtocol } from "./client/protocols/data_protocol.ts";
export { fileProtocol, type FileProtocolOptions } from "./client/protocols/file_protocol.ts";
export { jsonLines, type JsonLinesOptions } from "./client/readers/json_lines.ts";
export {
  type ServerSentEvent,
  serverSentEvents,
  type ServerSentEventsOptions,
} from "./client/readers/server_sent_events.ts";
export { createFetch, fetch, type FetchOptions } from "./client/fetch/fetch.ts";
export { exchangeOf } from "./client/fetch_response.ts";
export type {
  Address,
  Closer,
  Conn,
  Dialer,
  DialOptions,
  Reader,
  TcpAddress,
  TlsInfo,
  TlsOptions,
  UnixAddress,
  Writer,
} from "./conn/conn.ts";
export { systemDialer } from "./conn/dial.ts";
export type { EgressPolicy } from "./conn/names/egress.ts";
export {
  type Attempt,
  HttpError,
  type HttpErrorCode,
  type HttpErrorOptions,
  type HttpErrorPhase,
} from "./conn/http_error.ts";
export { unixDialer } from "./conn/unix_dialer.ts";
export { type ContentCoding, decodableCodings } from "./http/content_coding.ts";
export type { ParserMode } from "./http1/field_lines_reader.ts";
export { HttpHeaders, type HttpHeadersInit } from "./http/http_headers.ts";
export type { DigestCheck } from "./transport/message/body_digests.ts";
export type { Clock, TimerHandle } from "./transport/clock.ts";
export {
  HttpRequest,
  type HttpRequestInit,
  type TrailersSource,
} from "./transport/http_request.ts";
export type { HttpResponse, ResponseConnection, Timings } from "./transport/message/http_response.ts";
export type { LeasedConnection } from "./transport/pool/leased_connection.ts";
export type { HostCounts } from "./transport/pool/pool.ts";
export { proxyDialer, type ProxyDialerOptions } from "./transport/route/proxy_dialer.ts";
export { ProxyError, type ProxyErrorOptions, type ProxyResponse } from "./transport/route/proxy_error.ts";
export type { ProxySpeechOptions } from "./transport/route/proxy_settings.ts";
export { proxyFromEnvironment } from "./transport/route/proxy_environment.ts";
export type { ProgressHook, TransferProgress } from "./transport/progress.ts";
export type { BodySource } from "./transport/request_body.ts";
export type { ResponseBody } from "./transport/message/response_body.ts";
export type { ProxyChoice, ProxyOption } from "./transport/route/route.ts";
export type { TransportSnapshot, TransportStats } from "./transport/pool/snapshot.ts";
export type { ClientTrace } from "./transport/trace.ts";
export { type RoundTripper, Transport, type TransportOptions } from "./transport/transport.ts";
