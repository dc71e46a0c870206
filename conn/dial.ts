/**
 * Picks the adapter of the running runtime; nothing above this file knows which one that is.
 *
 * @module
 */
import type { Address, Conn, Dialer, DialOptions, TlsOptions } from "./conn.ts";
import { isBelowLocalhost } from "./names/ip_class.ts";
import { resolvingDialer } from "./names/resolving_dialer.ts";
import { checkNetwork } from "./network_guard.ts";

/** Loads the adapter when it is first needed, and passes everything on to it. */
class LoadedDialer implements Dialer {
  /** Bun and Node then have one buffer less for the whole life of the connection. */
  get securesDials(): boolean {
    return true;
  }

  protected loaded: Dialer | null = null;
  protected loading: Promise<Dialer> | null = null;
  readonly #loadAdapter: () => Promise<Dialer>;

  /** Dials names of this machine that the runtimes would look up, each in another way. */
  #local: Dialer | null = null;

  constructor(loadAdapter: () => Promise<Dialer>) {
    this.#loadAdapter = loadAdapter;
  }

  /** {@inheritDoc Dialer.dial} */
  dial(address: Address, options?: DialOptions): Promise<Conn> {
    try {
      checkNetwork(address);
    } catch (error) {
      return Promise.reject(error);
    }
    if (address.transport === "tcp" && isBelowLocalhost(address.hostname)) {
      this.#local ??= resolvingDialer({ dialer: this, hosts: {} });
      return this.#local.dial(address, options);
    }
    return this.loaded === null
      ? this.#load().then((dialer) => dialer.dial(address, options))
      : this.loaded.dial(address, options);
  }

  /** {@inheritDoc Dialer.startTls} */
  async startTls(conn: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn> {
    return await (this.loaded ?? await this.#load()).startTls(conn, options, signal);
  }

  #load(): Promise<Dialer> {
    return this.loading ??= this.#loadAdapter().then((dialer) => this.loaded = dialer);
  }
}

/** For runtimes that can be asked what they hold back. */
class SystemDialer extends LoadedDialer {
  /** {@inheritDoc Dialer.pollBarrier} */
  pollBarrier(sure?: () => void): Promise<void> {
    if (this.loaded !== null) return this.loaded.pollBarrier!(sure);
    // Before the first dial there is no connection to wait for.
    return this.loading?.then((dialer) => dialer.pollBarrier!(sure)) ?? Promise.resolve();
  }
}

/** For Workers, where nobody tells. */
class WorkerDialer extends LoadedDialer {
  readonly holdsBack = true;
}

async function loadForWorkers(): Promise<Dialer> {
  return new (await import("./runtimes/workerd.ts")).WorkerdDialer();
}

function runsInWorker(): boolean {
  return (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent ===
    "Cloudflare-Workers";
}

async function loadDialer(): Promise<Dialer> {
  if ("Deno" in globalThis) return new (await import("./runtimes/deno.ts")).DenoDialer();
  if ("Bun" in globalThis) return new (await import("./runtimes/bun.ts")).BunDialer();
  return new (await import("./runtimes/node.ts")).NodeDialer();
}

/**
 * Makes a dialer of the running runtime's own sockets. Its adapter is loaded at the first dial.
 *
 * The system looks names up, but for `localhost.` and the names below `localhost`: those are
 * 127.0.0.1 and ::1, which race as RFC 8305 says. On Deno, `--allow-net` must permit these then.
 * In Cloudflare's Workers it dials by `cloudflare:sockets`, and each connection belongs to the request
 * in which it was made.
 *
 * @example Connect, write, read
 * ```ts
 * import { HttpError, systemDialer } from "@roundtrip/http/conn";
 *
 * try {
 *   const conn = await systemDialer().dial({ transport: "tcp", hostname: "127.0.0.1", port: 7 });
 *   await conn.write(new TextEncoder().encode("hello"));
 *   const buffer = new Uint8Array(1024);
 *   const count = await conn.read(buffer);
 *   console.log(buffer.subarray(0, count ?? 0));
 *   conn.close();
 * } catch (error) {
 *   // Nobody listens there.
 *   if (!(error instanceof HttpError) || error.code !== "ERR_DIAL") throw error;
 * }
 * ```
 */
export function systemDialer(): Dialer {
  return runsInWorker() ? new WorkerDialer(loadForWorkers) : new SystemDialer(loadDialer);
}
