/**
 * What the transport of the command line is told.
 *
 * @module
 */
import type { Dialer } from "../conn/conn.ts";
import type { ClientTrace } from "../transport/message/http_request.ts";
import { proxyDialer } from "../transport/route/proxy_dialer.ts";
import { Transport } from "../transport/transport.ts";
import type { TransportOptions } from "../transport/transport_options.ts";
import type { CliIo } from "./cli_io.ts";
import type { GetOptions } from "./get_options.ts";
import { placesOf } from "./places.ts";
import { type ChooseProxies, chosenFor } from "./proxies.ts";
import { tappedDialer } from "./tapped_dialer.ts";
import { tlsOf } from "./tls_files.ts";
import type { TraceDump } from "./trace_dump.ts";

/** What it is made of besides options. */
export interface TransportParts {
  readonly proxies: ChooseProxies | null;
  /** Fields for proxies alone. */
  readonly proxyFields: readonly [string, string][];
  /** Absent: nobody listens. */
  readonly trace: ClientTrace | undefined;
  /** Where bytes are told of, or null. */
  readonly dump: TraceDump | null;
}

/**
 * Makes it.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`.
 * @throws {FileError}
 * @throws {InterfaceError}
 * @throws {UsageError}
 */
export async function openTransport(
  options: GetOptions,
  io: CliIo,
  parts: TransportParts,
): Promise<Transport> {
  const { http2, connectTimeMs, continueTimeMs, maxConnsPerHost } = options;
  const tls = await tlsOf(options.tls, io);
  const { dialer, ...places } = placesOf(options);
  const near = parts.dump === null ? dialer! : tappedDialer(dialer!, parts.dump);
  return new Transport({
    tls,
    tlsSessions: options.tls.resumes,
    http2: http2 === "priorKnowledge" ? { priorKnowledge: true } : http2 === "negotiated",
    dialTimeoutMs: connectTimeMs || undefined,
    // 0 would be as long as it takes.
    expectContinueTimeoutMs: continueTimeMs === null
      ? undefined
      : Math.max(1, Math.ceil(continueTimeMs)),
    maxConnsPerHost,
    trace: parts.trace,
    ...places,
    ...await proxyParts(options, io, { ...parts, near, resolve: places.resolve }),
  });
}

/** With `--proxytunnel` every proxy is passed where connections are made. */
async function proxyParts(
  options: GetOptions,
  io: CliIo,
  { proxies, proxyFields, near, resolve }: TransportParts & {
    near: Dialer;
    resolve: TransportOptions["resolve"];
  },
): Promise<TransportOptions> {
  const speech = {
    proxyAuth: options.proxyAuth,
    proxyTls: await tlsOf(options.proxyTls, io),
    proxyConnectHeaders: proxyFields.length === 0 ? undefined : [...proxyFields],
  };
  if (!options.tunnels || proxies === null) return { dialer: near, proxy: proxies, ...speech };
  const known: Map<string, Dialer> = new Map();
  const dialerFor: Dialer["dial"] = (address, dialOptions) => {
    const chosen = chosenFor(proxies, address);
    if (chosen.length === 0) return near.dial(address, dialOptions);
    const key = chosen.join(" ");
    const dialer = known.get(key) ?? proxyDialer([...chosen], { dialer: near, resolve, ...speech });
    known.set(key, dialer);
    return dialer.dial(address, dialOptions);
  };
  return {
    dialer: {
      dial: dialerFor,
      startTls: (conn, tls, signal) => near.startTls(conn, tls, signal),
      pollBarrier: near.pollBarrier && ((sure) => near.pollBarrier!(sure)),
    },
    // A name is for the proxy to look up.
    resolve: undefined,
    proxy: null,
  };
}
