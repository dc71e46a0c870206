/**
 * How proxies are spoken to: the caller's options, checked and copied once.
 *
 * @module
 */
import type { Dialer, TcpAddress, TlsOptions } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import { checkTlsOptions } from "../../conn/tls_options.ts";
import type { TlsSessions } from "../../conn/tls_sessions.ts";
import { HttpHeaders, type HttpHeadersInit } from "../../http/http_headers.ts";
import type { Clock } from "../clock.ts";
import { type ProxyAuth, ProxyLogins } from "./proxy_login.ts";
import { checkOffered } from "./spoken_protocol.ts";

/** How proxies are spoken to. */
export interface ProxySpeechOptions {
  /**
   * How HTTP proxies are told the credentials of their URLs. `"basic"`: they are shown at once, and
   * proven (RFC 7616) to a proxy that asks for a proof. `"digest"`: proven where a proxy asks for it,
   * and never shown.
   *
   * @default {"basic"}
   */
  proxyAuth?: ProxyAuth;
  /** For the TLS of `https:` proxies; `serverName` defaults to each proxy's host. */
  proxyTls?: TlsOptions;
  /**
   * Fields for `CONNECT` requests: the same for all HTTP proxies, or what the function returns for
   * one, called with its URL without credentials and with the host and port that the tunnel goes to.
   *
   * `Proxy-Authorization` takes the place of the credentials in the proxy's URL; one for all is
   * refused where a request passes several HTTP proxies. `User-Agent` takes the place of ours, an
   * empty one leaves it out. `Host`, `Content-Length` and `Transfer-Encoding` are refused.
   */
  proxyConnectHeaders?: HttpHeadersInit | ((proxy: URL, target: string) => HttpHeadersInit);
  /**
   * Called with each answer that opens a tunnel, and the proxy's URL without credentials. Throw or
   * reject to refuse the tunnel: the request fails with `ERR_PROXY` and that cause. A promise is
   * waited for, within the time for dialling.
   */
  onProxyConnectResponse?: (
    proxy: URL,
    response: { status: number; headers: HttpHeaders },
  ) => void | Promise<void>;
}

/** The same, complete. */
export interface ProxySettings {
  readonly dialer: Dialer;
  readonly proxyTls: TlsOptions;
  /** Of TLS with proxies too; null: none is taken up again. */
  readonly sessions: TlsSessions | null;
  /** What they are told of who asks. */
  readonly logins: ProxyLogins;
  readonly connectHeaders: HttpHeaders | ((proxy: URL, target: string) => HttpHeadersInit) | null;
  readonly onConnectResponse: ProxySpeechOptions["onProxyConnectResponse"] | null;
  /** The addresses of a host that may be dialled, best first; one at least. */
  readonly lookUp: (address: TcpAddress, signal: AbortSignal | undefined) => Promise<string[]>;
  readonly clock: Clock;
}

/**
 * Checks and copies.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: TLS options or fields that cannot be used.
 */
export function proxySettings(
  options: ProxySpeechOptions,
  tools: Pick<ProxySettings, "dialer" | "lookUp" | "clock" | "sessions">,
): ProxySettings {
  const { proxyTls = {}, proxyConnectHeaders: headers, onProxyConnectResponse } = options;
  const { proxyAuth = "basic" } = options;
  if (proxyAuth !== "basic" && proxyAuth !== "digest") {
    throw new HttpError("ERR_INVALID_REQUEST", 'proxyAuth is neither "basic" nor "digest"', {
      phase: "proxy",
    });
  }
  checkTlsOptions(proxyTls);
  checkOffered("proxyTls", proxyTls, "never");
  return {
    ...tools,
    proxyTls: copiedTls(proxyTls),
    logins: new ProxyLogins(proxyAuth),
    connectHeaders: headers === undefined
      ? null
      : typeof headers === "function"
      ? headers
      : connectFields(headers),
    onConnectResponse: onProxyConnectResponse ?? null,
  };
}

/**
 * TLS options that the caller cannot change any more.
 *
 * Pure.
 */
export function copiedTls(tls: TlsOptions): TlsOptions {
  return { ...tls, caCerts: tls.caCerts?.slice(), alpnProtocols: tls.alpnProtocols?.slice() };
}

/**
 * Fields for a `CONNECT` request.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: no fields, or one that is ours.
 */
export function connectFields(init: HttpHeadersInit): HttpHeaders {
  // A promise has no fields, and what it will have would be left out without a word.
  if (typeof (init as Partial<Promise<unknown>> | null)?.then === "function") {
    Promise.resolve(init).catch(() => {});
    throw new HttpError("ERR_INVALID_REQUEST", "proxyConnectHeaders cannot be a promise", {
      phase: "proxy",
    });
  }
  const fields = new HttpHeaders(init);
  for (const name of ["Host", "Content-Length", "Transfer-Encoding"]) {
    if (fields.has(name)) {
      throw new HttpError("ERR_INVALID_REQUEST", `proxyConnectHeaders cannot set ${name}`, {
        phase: "proxy",
      });
    }
  }
  return fields;
}
