/**
 * Tests that must not reach the network.
 *
 * @module
 */
import type { Address } from "../conn/conn.ts";
import { addressText } from "../conn/conn_error.ts";
import { HttpError } from "../conn/http_error.ts";
import { replaceNetworkGuard } from "../conn/network_guard.ts";
import { isTestServer } from "./test_server.ts";

/** What may be dialled all the same. */
export interface DisableNetworkOptions {
  /**
   * Each a host (`"localhost"`, `"::1"`), a host and its port (`"127.0.0.1:8080"`, `"[::1]:80"`), all below a
   * domain (`"*.test"`), the path of a socket (`"unix:/run/a.sock"`), or a function of the address.
   * Where a transport looks names up itself (`resolve`, `hosts`, `egress`), the addresses that it dials have
   * to be allowed too.
   *
   * @default {[]}
   */
  allow?: readonly (string | ((address: Address) => boolean))[];
}

/** The network as long as it is disabled. */
export interface DisabledNetwork extends Disposable {
  /** What was refused, as `host:port`, also where the program has swallowed the error. */
  readonly blocked: readonly string[];
  /** Ends it. Idempotent. */
  enable(): void;
}

/** All must allow what is dialled. */
const active: Set<Guard> = new Set();

/**
 * Makes every dial of this process by Roundtrip's own sockets an error, but for what is allowed: so that
 * nothing that was not mocked reaches a network. So are look-ups of names. Test servers of this process, and
 * dialers of your own, are not concerned; neither is what does not go through Roundtrip, such as the platform's
 * `fetch` and `node:http`.
 *
 * A dial that is refused fails with {@linkcode HttpError} `ERR_BLOCKED`, which is never tried again.
 *
 * @example
 * ```ts
 * import { get } from "@roundtrip/http";
 * import { disableNetwork } from "@roundtrip/http/testing";
 *
 * const network = disableNetwork({ allow: ["localhost"] });
 * try {
 *   await get("http://example.com/");
 * } catch (error) {
 *   console.log((error as { code: string }).code, network.blocked); // ERR_BLOCKED ["example.com:80"]
 * } finally {
 *   network.enable();
 * }
 * ```
 */
export function disableNetwork(options: DisableNetworkOptions = {}): DisabledNetwork {
  const guard = new Guard(options.allow ?? []);
  active.add(guard);
  replaceNetworkGuard(checkAll);
  return guard;
}

function checkAll(address: Address): void {
  if (isTestServer(address)) return;
  for (const guard of active) guard.check(address);
}

class Guard implements DisabledNetwork {
  readonly blocked: string[] = [];
  readonly #allowed: readonly ((address: Address) => boolean)[];

  constructor(allow: NonNullable<DisableNetworkOptions["allow"]>) {
    this.#allowed = allow.map((one) => typeof one === "function" ? one : allowing(one));
  }

  check(address: Address): void {
    if (this.#allowed.some((allows) => allows(address))) return;
    const text = addressText(address);
    this.blocked.push(text);
    const message = `The network is disabled, and ${text} is not mocked: answer it with ` +
      "mockTransport(), mockFetch() or testServer() of @roundtrip/http/testing (nock and others that patch " +
      `node:http do not reach here), or disableNetwork({ allow: [${
        JSON.stringify(nameOf(address))
      }] })`;
    throw new HttpError("ERR_BLOCKED", message, { phase: "dial" });
  }

  enable(): void {
    active.delete(this);
    if (active.size === 0) replaceNetworkGuard(null);
  }

  [Symbol.dispose](): void {
    this.enable();
  }
}

/** How to allow it. */
function nameOf(address: Address): string {
  return address.transport === "unix" ? `unix:${address.path}` : bare(address.hostname);
}

function allowing(text: string): (address: Address) => boolean {
  if (text.startsWith("unix:")) {
    return (address) => address.transport === "unix" && address.path === text.slice("unix:".length);
  }
  const [, host, port] = /^(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(text) ?? [];
  if (host === undefined || host === "") {
    throw new HttpError(
      "ERR_INVALID_REQUEST",
      `Cannot allow "${text}": not a host, nor one with its port`,
      {
        phase: "client",
      },
    );
  }
  const wanted = bare(host);
  return (address) => {
    if (address.transport !== "tcp") return false;
    const name = bare(address.hostname);
    const isHost = wanted.startsWith("*.") ? name.endsWith(wanted.slice(1)) : name === wanted;
    return isHost && (port === undefined || Number(port) === address.port);
  };
}

/** Without brackets, a dot at its end, and case. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "").toLowerCase();
}
