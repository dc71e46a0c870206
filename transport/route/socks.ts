/**
 * Opens a connection through a SOCKS server: versions 5 and 4a.
 *
 * @module
 */
import type { Conn, TcpAddress } from "../../conn/conn.ts";
import { addressText } from "../../conn/conn_error.ts";
import { parseIp } from "../../conn/names/ip_address.ts";
import { ProxyError } from "./proxy_error.ts";
import type { ProxyServer } from "./proxy_server.ts";

/** Bytes. The length field of a name has one byte. */
const MAX_NAME_BYTES = 255;

/**
 * Asks the server at the other end of `conn` to connect to `target`. Reads exactly its answer: the
 * next byte of `conn` is the target's.
 *
 * Cancel: closing `conn`, which also ends with every error but is the caller's to do.
 *
 * @throws {ProxyError} The server refused, or does not speak its protocol. The target cannot be
 * said in it: a name above 255 bytes, an IPv6 address in SOCKS4a.
 * @throws What writing and reading throw.
 * @see RFC 1928, RFC 1929
 */
export async function socksTunnel(
  conn: Conn,
  proxy: ProxyServer,
  target: TcpAddress,
): Promise<void> {
  if (proxy.scheme === "socks4a:") await socks4(conn, proxy, target);
  else await socks5(conn, proxy, target);
}

const NO_AUTHENTICATION = 0x00;
const PASSWORD = 0x02;

async function socks5(conn: Conn, proxy: ProxyServer, target: TcpAddress): Promise<void> {
  // Made first: what cannot be said is not begun.
  const destination = addressBytes(proxy, target);
  const methods = proxy.username === null ? [NO_AUTHENTICATION] : [NO_AUTHENTICATION, PASSWORD];
  await conn.write(Uint8Array.of(5, methods.length, ...methods));
  const [version, method] = await readExactly(conn, 2);
  if (version !== 5) throw notSocks(proxy);
  if (method === PASSWORD && proxy.username !== null) await authenticate(conn, proxy);
  else if (method !== NO_AUTHENTICATION) {
    const wanted = proxy.username === null ? "wants credentials" : "accepts none of our methods";
    throw refused(proxy, `${wanted} (method ${method})`);
  }
  await conn.write(Uint8Array.of(5, 1, 0, ...destination, target.port >> 8, target.port & 0xff));
  const [replyVersion, reply, , type] = await readExactly(conn, 4);
  if (replyVersion !== 5) throw notSocks(proxy);
  // Where it is connected from is of no use, but has to be read.
  if (reply === 0) await readExactly(conn, await boundAddressBytes(conn, proxy, type) + 2);
  else throw refusedTarget(proxy, target, SOCKS5_REPLIES[reply - 1] ?? "no known reason", reply);
}

/** @see RFC 1929 section 2 */
async function authenticate(conn: Conn, proxy: ProxyServer): Promise<void> {
  const encoder = new TextEncoder();
  const name = encoder.encode(proxy.username!);
  const secret = encoder.encode(proxy.password);
  await conn.write(Uint8Array.of(1, name.length, ...name, secret.length, ...secret));
  const [, status] = await readExactly(conn, 2);
  if (status !== 0) throw refused(proxy, "does not accept the credentials");
}

/** Bytes of the address in an answer, without its port. */
async function boundAddressBytes(conn: Conn, proxy: ProxyServer, type: number): Promise<number> {
  switch (type) {
    case 1:
      return 4;
    case 3:
      return (await readExactly(conn, 1))[0];
    case 4:
      return 16;
    default:
      throw notSocks(proxy);
  }
}

/** By reply code, from 1. @see RFC 1928 section 6 */
const SOCKS5_REPLIES = [
  "general failure",
  "not allowed by its rules",
  "network unreachable",
  "host unreachable",
  "connection refused",
  "time to live expired",
  "command not supported",
  "address type not supported",
];

/** Type and address, as SOCKS5 writes them. */
function addressBytes(proxy: ProxyServer, target: TcpAddress): number[] {
  const ip = parseIp(target.hostname)?.bytes;
  if (ip !== undefined) return [ip.length === 4 ? 1 : 4, ...ip];
  const name = nameBytes(proxy, target);
  return [3, name.length, ...name];
}

/** The protocol of version 4 with the extension for names: the address 0.0.0.1 announces one. */
async function socks4(conn: Conn, proxy: ProxyServer, target: TcpAddress): Promise<void> {
  const ip = parseIp(target.hostname)?.bytes;
  if (ip?.length === 16) {
    throw refusedTarget(proxy, target, "SOCKS4a has no IPv6 addresses");
  }
  if (ip?.subarray(0, 3).every((byte) => byte === 0) && ip[3] !== 0) {
    throw refusedTarget(proxy, target, "to SOCKS4a the address announces a name");
  }
  const name = ip === undefined ? [...nameBytes(proxy, target), 0] : [];
  await conn.write(Uint8Array.of(
    4,
    1,
    target.port >> 8,
    target.port & 0xff,
    ...ip ?? [0, 0, 0, 1],
    ...new TextEncoder().encode(proxy.username ?? ""),
    0,
    ...name,
  ));
  const [version, reply] = await readExactly(conn, 8);
  if (version !== 0) throw notSocks(proxy);
  if (reply !== 90) {
    throw refusedTarget(proxy, target, SOCKS4_REPLIES[reply] ?? "no known reason", reply);
  }
}

const SOCKS4_REPLIES: Readonly<Record<number, string>> = {
  91: "rejected or failed",
  92: "it cannot ask this machine who its user is",
  93: "the user is another than this machine says",
};

function nameBytes(proxy: ProxyServer, target: TcpAddress): Uint8Array {
  const name = new TextEncoder().encode(target.hostname);
  if (name.length > MAX_NAME_BYTES) {
    throw refusedTarget(proxy, target, `the name is longer than ${MAX_NAME_BYTES} bytes`);
  }
  return name;
}

/** Reads `count` bytes and none behind them. */
async function readExactly(conn: Conn, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let length = 0; length < count;) {
    const n = await conn.read(bytes.subarray(length));
    if (n === null) throw new Error("the connection ended before its answer was complete");
    length += n;
  }
  return bytes;
}

function notSocks({ label }: ProxyServer): ProxyError {
  return new ProxyError(`Proxy ${label} does not speak this version of SOCKS`, { proxy: label });
}

function refused({ label }: ProxyServer, why: string): ProxyError {
  return new ProxyError(`Proxy ${label} ${why}`, { proxy: label });
}

function refusedTarget(
  { label }: ProxyServer,
  target: TcpAddress,
  why: string,
  reply?: number,
): ProxyError {
  const message = `Proxy ${label} cannot connect to ${addressText(target)}: ${why}`;
  return new ProxyError(message, { proxy: label, reply });
}
