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
export { type AuthOptions, AuthTransport } from "./client/auth/auth_transport.ts";
export type {
  Authenticator,
  Finder,
  Login,
  Origins,
  Refusal,
} from "./client/auth/authenticator.ts";
export { basicAuth, type BasicAuthOptions } from "./client/auth/basic_auth.ts";
export { bearerAuth, type BearerAuthOptions, type TokenSource } from "./client/auth/bearer_auth.ts";
export { digestAuth, type DigestAuthOptions } from "./client/auth/digest_auth.ts";
export type { BodyInput } from "./client/readers/body_lines.ts";
export { type CheckRedirect, Client, type ClientOptions } from "./client/client.ts";
export type { FormSource } from "./client/form_body.ts";
export {
  HstsStore,
  type HstsStoreOptions,
  type StoredHsts,
  type StoredHstsHost,
} from "./client/hsts_store.ts";
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
export {
  type RetryEvent,
  RetryingTransport,
  type RetryOptions,
} from "./client/recovery/retry_policy.ts";
export { compose, type Layer } from "./client/layers/compose.ts";
export { defaultClient, defaultTransport, get } from "./client/default_client.ts";
export { dataProtocol } from "./client/protocols/data_protocol.ts";
export { fileProtocol, type FileProtocolOptions } from "./client/protocols/file_protocol.ts";
export { jsonLines, type JsonLinesOptions } from "./client/readers/json_lines.ts";
export { EventSourceError } from "./client/readers/event_source_error.ts";
export {
  type ReconnectEvent,
  reconnectingEvents,
  type ReconnectingEventsOptions,
} from "./client/readers/reconnecting_events.ts";
export {
  type EventStreamPosition,
  type ServerSentEvent,
  serverSentEvents,
  type ServerSentEventsOptions,
} from "./client/readers/server_sent_events.ts";
export { createFetch, fetch, type FetchOptions } from "./client/fetch/fetch.ts";
export { httpErrorOf } from "./client/http_error_of.ts";
export {
  type BodyExcerpt,
  StatusError,
  type StatusErrorRequest,
  type StatusErrorResponse,
} from "./client/status_error.ts";
export { exchangeOf } from "./client/fetch/fetch_response.ts";
export type { DecodedHeaders } from "./client/fetch/decoded_headers.ts";
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
export type { SocketOptions } from "./conn/socket_options.ts";
export type { EgressPolicy } from "./conn/names/egress.ts";
export {
  type Attempt,
  type Http2Cause,
  HttpError,
  type HttpErrorCode,
  type HttpErrorOptions,
  type HttpErrorPhase,
} from "./conn/http_error.ts";
export { unixDialer } from "./conn/unix_dialer.ts";
export { type ConnOverrides, wrapConn } from "./conn/wrap_conn.ts";
export { type ContentCoding, decodableCodings } from "./http/content_coding.ts";
export type { ParserMode } from "./http/deviation.ts";
export { HttpHeaders, type HttpHeadersInit } from "./http/http_headers.ts";
export type { DigestCheck } from "./transport/message/body_digests.ts";
export type { Clock, TimerHandle } from "./transport/clock.ts";
export {
  type ClientTrace,
  HttpRequest,
  type HttpRequestInit,
  type RoundTripIds,
  type TracedRoundTrip,
} from "./transport/message/http_request.ts";
export type {
  HttpResponse,
  ResponseConnection,
  Timings,
} from "./transport/message/http_response.ts";
export type { LeasedConnection } from "./transport/pool/leased_connection.ts";
export type { HostCounts } from "./transport/pool/pool.ts";
export { proxyDialer, type ProxyDialerOptions } from "./transport/route/proxy_dialer.ts";
export {
  ProxyError,
  type ProxyErrorOptions,
  type ProxyResponse,
} from "./transport/route/proxy_error.ts";
export type { ProxyAuth } from "./transport/route/proxy_login.ts";
export type { ProxySpeechOptions } from "./transport/route/proxy_settings.ts";
export { proxyFromEnvironment } from "./transport/route/proxy_environment.ts";
export type { ProgressHook, TransferProgress } from "./transport/progress.ts";
export type { BodySource } from "./transport/message/request_body.ts";
export type { TrailersSource } from "./transport/message/request_trailers.ts";
export type { SearchParam, SearchParamsInit } from "./transport/message/search_params.ts";
export type { ResponseBody } from "./transport/message/response_body.ts";
export type { ProxyChoice, ProxyOption } from "./transport/route/route.ts";
export type { TransportSnapshot, TransportStats } from "./transport/pool/snapshot.ts";
export { type RoundTripper, Transport } from "./transport/transport.ts";
export type { Http2Options, TransportOptions } from "./transport/transport_options.ts";
