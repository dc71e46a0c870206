/**
 * Which proxies the requests of the command line pass.
 *
 * @module
 */
import type { Address } from "../conn/conn.ts";
import { HttpRequest } from "../transport/message/http_request.ts";
import { environmentProxy, noProxyList } from "../transport/route/proxy_environment.ts";
import { forwarderOf, parseProxies, type ProxyChoice } from "../transport/route/route.ts";
import type { RoundTripper } from "../transport/transport.ts";
import type { GetOptions } from "./get_options.ts";

/** The proxies of one request; the same each time. */
export type ChooseProxies = (request: HttpRequest) => ProxyChoice;

/**
 * Those of `-x`, else those of the environment, but for the hosts of `--noproxy`.
 *
 * @returns Null: there are none.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a proxy that cannot be used.
 */
export function proxiesOf(
  { proxies, proxyUser, usesEnvironment, noProxy }: GetOptions,
  env: Readonly<Record<string, string | undefined>>,
): ChooseProxies | null {
  // To curl, a dot before a name says nothing.
  const list = noProxy?.replace(/(^|[\s,])\.+/g, "$1") ?? null;
  if (usesEnvironment) {
    const choose = environmentProxy(
      list === null ? env : { ...env, no_proxy: list, NO_PROXY: list },
    );
    if (choose === null || proxyUser === null) return choose;
    const known: Map<string, URL> = new Map();
    return (request) => {
      const proxy = choose(request);
      if (proxy === null) return null;
      if (!known.has(proxy.href)) known.set(proxy.href, withUser(proxy, proxyUser));
      return known.get(proxy.href)!;
    };
  }
  if (parseProxies(proxies).length === 0) return null;
  const isExcepted = list === null ? () => false : noProxyList(list);
  const named = proxyUser === null
    ? proxies
    : proxies.map((proxy, index) =>
      index === proxies.length - 1 ? withUser(new URL(proxy), proxyUser) : proxy
    );
  return (request) => isExcepted(request) ? null : named;
}

/** Fields for the proxy alone go with requests that are given to it as they are, too. */
export function withProxyHeaders(
  transport: RoundTripper,
  fields: readonly [string, string][],
  proxies: ChooseProxies,
): RoundTripper {
  if (fields.length === 0) return transport;
  return {
    roundTrip: (request) => {
      const isGiven = forwarderOf(request, { proxies: parseProxies(proxies(request)) }) !== null;
      return transport.roundTrip(
        isGiven ? request.with({ headers: [...request.headers, ...fields] }) : request,
      );
    },
  };
}

/** Those that are passed on the way to an address, in their order; none to a Unix socket. */
export function chosenFor(proxies: ChooseProxies, address: Address): readonly string[] {
  if (address.transport === "unix") return [];
  const { hostname, port } = address;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const choice = proxies(new HttpRequest(`http://${host}:${port}/`));
  return [choice ?? []].flat().map(String);
}

/** The last proxy that is passed is the one whose credentials are asked for. */
function withUser(proxy: URL, user: string): URL {
  const [name] = user.split(":", 1);
  const url = new URL(proxy);
  url.username = encodeURIComponent(name);
  url.password = encodeURIComponent(user.slice(name.length + 1));
  return url;
}
