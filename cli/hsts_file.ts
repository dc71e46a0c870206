/**
 * The file of hosts that want to be asked by https: `--hsts`, in curl's format.
 *
 * @see RFC 6797
 * @module
 */
import { readFile, writeFile } from "node:fs/promises";
import { HstsStore } from "../client/hsts_store.ts";
import { isIpAddress } from "../conn/tls_options.ts";
import { OutputError } from "./fd_output.ts";
import { FileError } from "./file_error.ts";

/** What curl writes for a host whose time has no end. */
const UNLIMITED = "unlimited";

/** Takes nothing in: what comes without checked certificates may be anybody's word. */
class ReadHsts extends HstsStore {
  readonly #known: HstsStore;

  constructor(known: HstsStore) {
    super();
    this.#known = known;
  }

  override isKnown(hostname: string): boolean {
    return this.#known.isKnown(hostname);
  }

  override note(): void {
    // As its class says.
  }
}

/**
 * The hosts of a file; one that is not there has none. A line that is none of the format is left out, as by
 * curl.
 *
 * @param path Empty: there is no file.
 * @param learns Whether answers tell of more hosts.
 * @throws {FileError}
 */
export async function readHstsFile(path: string, learns: boolean): Promise<HstsStore> {
  const hosts = (await textOf(path)).split(/\r?\n/).flatMap((line) => {
    const [, dot, host, time] = /^\s*(\.?)([^\s#".][^\s#"]*)\s+"([^"]*)"/.exec(line) ?? [];
    const expires = time === undefined ? null : expiryOf(time);
    if (expires === null || !isHost(host)) return [];
    return [{ host: host.toLowerCase(), includeSubDomains: dot === ".", expires }];
  });
  const known = HstsStore.fromJSON({ version: 1, hosts });
  return learns ? known : new ReadHsts(known);
}

/**
 * Writes the hosts whose time is not over, in place of what is there.
 *
 * @throws {OutputError}
 */
export async function writeHstsFile(path: string, hsts: HstsStore): Promise<void> {
  const lines = hsts.toJSON().hosts.map(({ host, includeSubDomains, expires }) =>
    `${includeSubDomains ? "." : ""}${host} "${timeText(expires)}"\n`
  );
  const text = `# Hosts that are asked by https only: roundtrip --hsts, or curl's.\n${
    lines.join("")
  }`;
  try {
    await writeFile(path, text, { mode: 0o600 });
  } catch (cause) {
    throw new OutputError(path, cause);
  }
}

async function textOf(path: string): Promise<string> {
  if (path === "") return "";
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ENOENT") return "";
    throw new FileError(path, cause);
  }
}

/** `20300131 23:59:59` in ISO 8601, or null. */
function expiryOf(time: string): string | null {
  if (time === UNLIMITED) return "9999-12-31T23:59:59Z";
  const [, year, month, day, clock] = /^(\d{4})(\d\d)(\d\d) (\d\d:\d\d:\d\d)$/.exec(time) ?? [];
  const expires = `${year}-${month}-${day}T${clock}Z`;
  return Number.isNaN(Date.parse(expires)) ? null : expires;
}

function timeText(expires: string): string {
  return expires.replace(/^(\d+)-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d).*$/, "$1$2$3 $4");
}

function isHost(host: string): boolean {
  return !isIpAddress(host) && URL.canParse(`http://${host}/`) &&
    new URL(`http://${host}/`).hostname === host.toLowerCase();
}
