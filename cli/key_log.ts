/**
 * The secrets of TLS connections, for programs that look into what was recorded: `SSLKEYLOGFILE`.
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import process from "node:process";
import type { TlsOptions } from "../conn/conn.ts";
import type { CliIo } from "./cli_io.ts";
import { OutputError } from "./fd_output.ts";

/**
 * What TLS is told of it.
 *
 * @throws {OutputError} The file cannot be written.
 */
export function keyLogOf({ env }: CliIo): Pick<TlsOptions, "keyLog"> {
  const path = env.SSLKEYLOGFILE ?? "";
  // Deno writes the file by itself.
  if (path === "" || process.versions["deno"] !== undefined) return {};
  const append = (text: string): void => {
    try {
      appendFileSync(path, text, { mode: 0o600 });
    } catch (cause) {
      throw new OutputError(path, cause);
    }
  };
  append("");
  return { keyLog: (line) => append(line + "\n") };
}
