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
export type { BodyInput } from "./client/body_lines.ts";
export {
  type CheckRedirect,
  Client,
  type ClientOptions,
  type FormSource,
} from "./client/client.ts";
export type { CookieJar } from "./client/cookie_jar.ts";
export {
  MemoryCookieJar,
  type MemoryCookieJarOptions,
  type StoredCookie,
  type StoredCookies,
} from "./client/memory_cookie_jar.ts";
export type { BackOffOptions } from "./client/back_off.ts";
export { type ResumeOptions, ResumingTransport } from "./client/resume.ts";
export type { ResumeEvent } from "./client/resumed_content.ts";
export { type RetryEvent, RetryingTransport, type RetryOptions } from "./client/retry_policy.ts";
export { defaultClient, defaultTransport, get } from "./client/default_client.ts";
export { dataProtocol } from "./client/protocols/data_protocol.ts";
export { fileProtocol, type FileProtocolOptions } from "./client/protocols/file_protocol.ts";
export { jsonLines, type JsonLinesOptions } from "./client/json_lines.ts";
export {
  type ServerSentEvent,
  serverSentEvents,
  type ServerSentEventsOptions,
} from "./client/server_sent_events.ts";
export { createFetch, fetch, type FetchOptions } from "./client/fetch.ts";
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
export type { EgressPolicy } from "./conn/egress.ts";
export {
  type Attempt,
  HttpError,
  type HttpErrorCode,
  type HttpErrorOptions,
  type HttpErrorPhase,
} from "./conn/http_error.ts";
export { unixDialer } from "./conn/unix_dialer.ts";
export { type ContentCoding, decodableCodings } from "./http1/content_coding.ts";
export type { ParserMode } from "./http1/field_lines.ts";
export { HttpHeaders, type HttpHeadersInit } from "./http1/http_headers.ts";
export type { DigestCheck } from "./transport/body_digests.ts";
export type { Clock, TimerHandle } from "./transport/clock.ts";
export {
  HttpRequest,
  type HttpRequestInit,
  type TrailersSource,
} from "./transport/http_request.ts";
export type { HttpResponse, ResponseConnection, Timings } from "./transport/http_response.ts";
export type { LeasedConnection } from "./transport/leased_connection.ts";
export type { HostCounts } from "./transport/pool.ts";
export { proxyDialer, type ProxyDialerOptions } from "./transport/proxy_dialer.ts";
export { ProxyError, type ProxyErrorOptions, type ProxyResponse } from "./transport/proxy_error.ts";
export type { ProxySpeechOptions } from "./transport/proxy_settings.ts";
export { proxyFromEnvironment } from "./transport/proxy_environment.ts";
export type { ProgressHook, TransferProgress } from "./transport/progress.ts";
export type { BodySource } from "./transport/request_body.ts";
export type { ResponseBody } from "./transport/response_body.ts";
export type { ProxyChoice, ProxyOption } from "./transport/route.ts";
export type { TransportSnapshot, TransportStats } from "./transport/snapshot.ts";
export type { ClientTrace } from "./transport/trace.ts";
export { type RoundTripper, Transport, type TransportOptions } from "./transport/transport.ts";
