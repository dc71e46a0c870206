/**
 * What is trusted, and who we are, from files.
 *
 * @module
 */
import { createPrivateKey } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TlsOptions } from "../conn/conn.ts";
import type { CliIo } from "./cli_io.ts";
import { FileError, type FilePurpose } from "./file_error.ts";
import { keyLogOf } from "./key_log.ts";
import { pinnedKeyCheck } from "./pinned_keys.ts";
import type { TlsOption } from "./get_options.ts";

/**
 * TLS options with what is in the files.
 *
 * @throws {FileError} Of the purpose `"authorities"`, `"certificate"` or `"pinned key"`.
 * @throws {OutputError} The file of `SSLKEYLOGFILE` cannot be written.
 * @throws {UsageError} Not the hash of a key.
 */
export async function tlsOf(option: TlsOption, io: CliIo): Promise<TlsOptions> {
  const { cert, key, minVersion, pinnedKeys } = option;
  return {
    ...await trusting(option),
    ...keyLogOf(io),
    ...minVersion === null ? {} : { minVersion },
    ...pinnedKeys === null ? {} : { verifyPeer: await pinnedKeyCheck(pinnedKeys) },
    ...cert === null ? {} : await ourselves(cert, key, option.password, io),
  };
}

/** Which peers are trusted. */
async function trusting({ insecure, caFile, caFolder }: TlsOption): Promise<TlsOptions> {
  const tls: TlsOptions = {};
  if (insecure) tls.insecureSkipVerify = true;
  const caCerts = [
    ...caFile === null ? [] : [await pemFile(caFile, "authorities")],
    ...caFolder === null ? [] : await pemsIn(caFolder),
  ];
  if (caCerts.length > 0) {
    tls.caCerts = caCerts;
    tls.caMode = "only";
  }
  return tls;
}

/** Those of all files of a folder that hold any. */
async function pemsIn(folder: string): Promise<string[]> {
  const pems: string[] = [];
  try {
    for (const entry of await readdir(folder)) {
      // A folder in it, or what may not be read, holds none.
      const text = await readFile(join(folder, entry), "utf8").catch(() => "");
      if (text.includes("-----BEGIN CERTIFICATE-----")) pems.push(text);
    }
  } catch (cause) {
    throw new FileError(folder, cause, "authorities");
  }
  if (pems.length === 0) throw new FileError(folder, new Error("no PEM in it"), "authorities");
  return pems;
}

async function ourselves(
  certFile: string,
  keyFile: string | null,
  password: string | null,
  io: CliIo,
): Promise<TlsOptions> {
  const text = await pemFile(certFile, "certificate");
  const keyText = keyFile === null ? text : await pemFile(keyFile, "certificate");
  const blocks = (pem: string): string[] =>
    pem.match(/-----BEGIN ([^-]+)-----[^]*?-----END \1-----\n?/g) ?? [];
  const isKey = (block: string): boolean => /^-----BEGIN [^-]*PRIVATE KEY-----/.test(block);
  const cert = blocks(text).filter((block) => block.startsWith("-----BEGIN CERTIFICATE-----"));
  const key = blocks(keyText).find(isKey);
  if (cert.length === 0) throw lacking(certFile, "certificate");
  if (key === undefined) throw lacking(keyFile ?? certFile, "private key (--key FILE)");
  return { cert: cert.join("\n"), key: await opened(key, keyFile ?? certFile, password, io) };
}

/** A key that is not encrypted. */
async function opened(
  key: string,
  path: string,
  password: string | null,
  io: CliIo,
): Promise<string> {
  if (!/^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(key)) return key;
  const passphrase = password ?? await io.askSecret?.(`Password of the key in ${path}: `) ?? "";
  try {
    const made = createPrivateKey({ key, format: "pem", passphrase });
    return made.export({ type: "pkcs8", format: "pem" }) as string;
  } catch {
    // What the runtimes say of it differs, and says nothing.
    throw new FileError(
      path,
      new Error("wrong password, or an encryption that is not known"),
      "certificate",
    );
  }
}

async function pemFile(path: string, purpose: FilePurpose): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new FileError(path, cause, purpose);
  }
  if (!text.includes("-----BEGIN ")) throw new FileError(path, new Error("no PEM in it"), purpose);
  return text;
}

function lacking(path: string, what: string): FileError {
  return new FileError(path, new Error(`no ${what} in it`), "certificate");
}
