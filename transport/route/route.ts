/**
 * The way to a server: directly, or through which proxies.
 *
 * @module
 */
import type { Conn } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import { type ConnectMethod, connectMethodKey, forwardedMethod } from "./connect_method.ts";
import type { HttpRequest } from "../message/http_request.ts";
import { environmentProxy } from "./proxy_environment.ts";
import { invalidProxy, isHttpProxy, parseProxy, type ProxyServer } from "./proxy_server.ts";
import {
  http1Key,
  type Http2Mode,
  keySuffix,
  type SpokenVersions,
  versionsOf,
} from "./spoken_protocol.ts";

/** One proxy, several in the order in which they are passed, or null for none. */
export type ProxyChoice = string | URL | readonly (string | URL)[] | null;

/** A proxy for all requests, those that the environment names, or for each request its own. */
export type ProxyOption =
  | ProxyChoice
  | "environment"
  | ((request: HttpRequest) => ProxyChoice | Promise<ProxyChoice>);

/** How one request reaches its server. */
export interface Route extends ConnectMethod {
  /** In the order in which they are passed; empty: none. */
  readonly proxies: readonly ProxyServer[];
  /** What may be spoken with the server. */
  readonly versions: SpokenVersions;
}

/** A request whose route is known: what a connection is wanted for. */
export interface RoutedRequest {
  readonly request: HttpRequest;
  readonly route: Route;
}

const NO_PROXIES: readonly ProxyServer[] = [];

/**
 * The HTTP proxy that is given the request itself, in absolute form; null: the request is written to
 * its server.
 *
 * Pure.
 *
 * @see RFC 9112 section 3.2.2
 */
export function forwarderOf(
  request: HttpRequest,
  { proxies }: Pick<Route, "proxies">,
): ProxyServer | null {
  const last = proxies.at(-1);
  return last !== undefined && request.scheme === "http:" && isHttpProxy(last) ? last : null;
}

/**
 * What a response tells of its connection. The TLS session with a proxy is none with a server to
 * which the proxy speaks plainly.
 *
 * Pure.
 */
export function connectionEnds(
  request: HttpRequest,
  route: Route,
  { localAddr, remoteAddr, tls }: Conn,
): Pick<Conn, "localAddr" | "remoteAddr" | "tls"> {
  const isProxys = route.proxies.length > 0 && request.scheme !== "https:";
  return { localAddr, remoteAddr, tls: isProxys ? null : tls };
}

/**
 * The same way, for requests that only HTTP/1.1 can carry.
 *
 * Pure.
 */
export function http1Route(route: Route): Route {
  const key = http1Key(route.key, route.versions);
  return key === route.key ? route : { ...route, key, versions: "http/1.1" };
}

/** Finds the route of each request. */
export class Router {
  readonly #http2: Http2Mode;
  readonly #choose: ((request: HttpRequest) => ProxyChoice | Promise<ProxyChoice>) | null;
  readonly #proxies: readonly ProxyServer[];
  /** Whether requests to `http:` URLs are given to the last of these. */
  readonly #forwards: boolean;
  /** The last route and whither it leads: most requests go where the one before them went. */
  #last: { origin: Origin; route: Route } | null = null;

  /** @throws {HttpError} `ERR_INVALID_REQUEST`: a proxy that cannot be used. */
  constructor(option: ProxyOption, http2: Http2Mode) {
    this.#http2 = http2;
    const choice = option === "environment" ? environmentProxy() : option;
    this.#choose = typeof choice === "function" ? choice : null;
    this.#proxies = typeof choice === "function" ? NO_PROXIES : parseProxies(choice);
    this.#forwards = this.#proxies.length > 0 && isHttpProxy(this.#proxies.at(-1)!);
  }

  /** Whether it knows of any proxy. */
  get usesProxies(): boolean {
    return this.#choose !== null || this.#proxies.length > 0;
  }

  /**
   * The route of a request.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: a proxy that cannot be used. `ERR_PROXY`: choosing
   * one failed.
   */
  route(request: HttpRequest): Route | Promise<Route> {
    // Their fields count too.
    if (this.#forwards && request.scheme === "http:") return this.#routeOf(request, this.#proxies);
    if (this.#choose === null || request.scheme === "http+unix:") {
      if (this.#last === null || !hasOriginOf(this.#last.origin, request)) {
        const { scheme, hostname, port, socketPath } = request;
        const origin = { scheme, hostname, port, socketPath };
        this.#last = { origin, route: this.#routeOf(request, this.#proxies) };
      }
      return this.#last.route;
    }
    try {
      const choice = this.#choose(request);
      if (!isPromise(choice)) return this.#routeOf(request, parseProxies(choice));
      return Promise.resolve(choice).then((chosen) => this.#routeOf(request, parseProxies(chosen)))
        .catch((error) => {
          throw choiceFailed(error);
        });
    } catch (error) {
      throw choiceFailed(error);
    }
  }

  #routeOf(request: HttpRequest, proxies: readonly ProxyServer[]): Route {
    // The socket is on this machine.
    const passed = request.scheme === "http+unix:" ? NO_PROXIES : proxies;
    if (forwarderOf(request, { proxies: passed }) !== null) {
      return { ...forwardedMethod(request, passed), proxies: passed, versions: "http/1.1" };
    }
    const versions = versionsOf(request.scheme, this.#http2);
    const key = connectMethodKey(request, passed) + keySuffix(versions);
    return { key, sharing: "origin", proxies: passed, versions };
  }
}

type Origin = Pick<HttpRequest, "scheme" | "hostname" | "port" | "socketPath">;

function hasOriginOf(one: Origin, other: Origin): boolean {
  return one.hostname === other.hostname && one.port === other.port &&
    one.scheme === other.scheme && one.socketPath === other.socketPath;
}

/**
 * The proxies of a choice, in the order in which they are passed.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: one that cannot be used.
 */
export function parseProxies(choice: ProxyChoice | undefined): readonly ProxyServer[] {
  if (choice === null || choice === undefined) return NO_PROXIES;
  if (typeof choice === "string" || choice instanceof URL) return [parseProxy(choice)];
  if (!Array.isArray(choice)) throw invalidProxy("neither a URL, nor an array, nor null");
  return choice.map(parseProxy);
}

function isPromise(choice: ProxyChoice | Promise<ProxyChoice>): choice is Promise<ProxyChoice> {
  return typeof (choice as Partial<Promise<ProxyChoice>> | null | undefined)?.then === "function";
}

function choiceFailed(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  return new HttpError("ERR_PROXY", "Choosing the proxy failed", { phase: "proxy", cause: error });
}
