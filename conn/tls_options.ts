/**
 * Checks of dial and TLS options, and the choice of the TLS engine.
 *
 * @module
 */
import type { Address, DialOptions, TlsOptions } from "./conn.ts";
import { HttpError, printable } from "./http_error.ts";
import { checkTcpOptions } from "./socket_options.ts";

/**
 * Which values of each option an engine honours. One table for each native engine; an option
 * that it does not honour sends the connection to the second engine.
 */
export type HonouredOptions = Readonly<
  Required<{ [K in keyof TlsOptions]: (value: NonNullable<TlsOptions[K]>) => boolean }>
>;

const dialKeys: ReadonlySet<string> = new Set<keyof DialOptions>([
  "signal",
  "tls",
  "localAddress",
  "tcpNoDelay",
  "tcpKeepAliveMs",
  "onConnect",
]);

const isString = (value: unknown): value is string => typeof value === "string";
const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(isString);
// The engines pass over text without PEM in it as if nothing had been given.
const isPem = (value: unknown): boolean => isString(value) && value.includes("-----BEGIN ");

/** What shape a value of each option must have. */
const tlsShapes: Readonly<Required<{ [K in keyof TlsOptions]: (value: unknown) => boolean }>> = {
  caCerts: (value) => isStrings(value) && value.every(isPem),
  caMode: (value) => value === "extra" || value === "only",
  cert: isPem,
  key: isPem,
  serverName: (value) => isString(value) && value !== "",
  alpnProtocols: (value) =>
    isStrings(value) && value.every((name) => name.length > 0 && name.length < 256),
  minVersion: (value) => value === "TLSv1.2" || value === "TLSv1.3",
  insecureSkipVerify: (value) => typeof value === "boolean",
  verifyPeer: (value) => typeof value === "function",
  keyLog: (value) => typeof value === "function",
};

/**
 * Refuses an address that cannot be one, and dial options that nobody would honour.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a bad host, port or path, an unknown key, or as for
 * {@linkcode checkTlsOptions}.
 */
export function checkDial(address: Address, options: DialOptions): void {
  if (address.transport === "tcp") {
    const { hostname, port } = address;
    if (!isName(hostname)) throw invalidAddress("hostname");
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw invalidAddress("port");
  } else if (address.transport !== "unix") {
    throw invalidAddress("transport");
  } else if (!isName(address.path)) {
    throw invalidAddress("path");
  }
  for (const key of Object.keys(options)) {
    if (!dialKeys.has(key)) throw invalidOption("dial", key, "unknown option");
  }
  if (options.localAddress !== undefined && !isIpAddress(options.localAddress)) {
    throw invalidOption("dial", "localAddress", "not an IP address");
  }
  if (options.localAddress !== undefined && address.transport === "unix") {
    throw invalidOption("dial", "localAddress", "a Unix socket has none");
  }
  checkTcpOptions(options);
  if (options.onConnect !== undefined && typeof options.onConnect !== "function") {
    throw invalidOption("dial", "onConnect", "not a function");
  }
  if (options.tls !== undefined) checkTlsOptions(options.tls);
}

/**
 * Tells the caller that the connection is open.
 *
 * @param close Called when the caller throws.
 * @param socket What keeps the process alive during the handshake, where that can be let go of.
 * @throws What the caller throws.
 */
export function tellConnected(
  options: DialOptions,
  close: () => void,
  socket?: { ref(): unknown; unref(): unknown },
): void {
  try {
    options.onConnect?.(
      socket && { ref: () => void socket.ref(), unref: () => void socket.unref() },
    );
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Refuses TLS options that nobody would honour.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown key, a value of the wrong kind, or two
 * options that do not go together.
 */
export function checkTlsOptions(options: TlsOptions): void {
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(tlsShapes, key)) throw invalidOption("TLS", key, "unknown option");
    if (value !== undefined && !tlsShapes[key as keyof TlsOptions](value)) {
      throw invalidOption("TLS", key, "value is not valid");
    }
  }
  if ((options.cert === undefined) !== (options.key === undefined)) {
    throw invalidOption("TLS", options.cert === undefined ? "key" : "cert", "needs key and cert");
  }
  if (options.caMode === "only" && (options.caCerts ?? []).length === 0) {
    throw invalidOption("TLS", "caMode", '"only" needs caCerts');
  }
  if (options.insecureSkipVerify === true && !hasWarned) {
    hasWarned = true;
    console.warn("Warning: insecureSkipVerify is set: anybody can pose as the server");
  }
}

/** Whether the process has been warned of connections that check nothing. */
let hasWarned = false;

/** Tells whether an engine honours every option that is set. Pure. */
export function honours(engine: HonouredOptions, options: TlsOptions): boolean {
  for (const key of Object.keys(options) as (keyof TlsOptions)[]) {
    const value = options[key];
    const accepts = engine[key] as (value: unknown) => boolean;
    if (value !== undefined && !accepts(value)) return false;
  }
  return true;
}

/**
 * The name to send as SNI and to check the certificate against: `serverName`, else the host of
 * `address`, without the dot that may end a DNS name.
 *
 * Pure.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: there is no name, and the certificate is to be checked.
 */
export function serverNameFor(options: TlsOptions, address: Address): string {
  const name = options.serverName ?? (address.transport === "tcp" ? address.hostname : "");
  if (name === "" && options.insecureSkipVerify !== true) {
    throw invalidOption("TLS", "serverName", "needed where the address has no host name");
  }
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

/** Tells an IP address from a host name. SNI is for names only. Pure. */
export function isIpAddress(name: string): boolean {
  return name.includes(":") || /^[0-9]+(\.[0-9]+){3}$/.test(name);
}

/** A name ends at its first NUL for the operating system, not for us. */
function isName(value: unknown): boolean {
  return isString(value) && value !== "" && !value.includes("\0");
}

function invalidAddress(key: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot dial: ${key} of the address is not valid`, {
    phase: "dial",
  });
}

/** `ERR_INVALID_REQUEST` naming an option, and the runtime where that matters. */
export function invalidOption(kind: "dial" | "TLS", key: string, reason: string): HttpError {
  const message = `Cannot use ${kind} option ${printable(key)}: ${reason}`;
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: kind === "TLS" ? "tls" : "dial" });
}

/** `ERR_INVALID_REQUEST` for PEM that the engine cannot use. */
export function unusablePem(cause: unknown): HttpError {
  const message = "Cannot use TLS options caCerts, cert, key: not usable PEM";
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "tls", cause });
}
