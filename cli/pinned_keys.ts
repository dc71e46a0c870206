/**
 * Which public key a peer must have: `--pinnedpubkey`.
 *
 * @see RFC 7469 section 2.4
 * @module
 */
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { TlsInfo } from "../conn/conn.ts";
import { FileError } from "./file_error.ts";
import { PinnedKeyError } from "./transfer_error.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Makes what looks at a peer's key.
 *
 * @param pinned `sha256//` and a hash in Base64, several with `;` between; or the path of a file with the key
 * itself, PEM or DER.
 * @returns What throws {@linkcode PinnedKeyError} for any other key.
 * @throws {UsageError} Not such a hash.
 * @throws {FileError} No key in the file.
 */
export async function pinnedKeyCheck(pinned: string): Promise<(info: TlsInfo) => void> {
  const hashes = pinned.startsWith("sha256//")
    ? new Set(pinned.split(";").map(pinnedHash))
    : new Set([await hashOfFile(pinned)]);
  return ({ peerCertificate }) => {
    if (peerCertificate === null) throw new PinnedKeyError(null);
    const { publicKey } = new X509Certificate(peerCertificate.raw);
    const hash = hashOf(publicKey.export({ type: "spki", format: "der" }));
    if (!hashes.has(hash)) throw new PinnedKeyError(hash);
  };
}

function pinnedHash(text: string): string {
  const [, hash] = /^sha256\/\/([A-Za-z0-9+/]{43}=)$/.exec(text) ?? [];
  if (hash === undefined) {
    throw new UsageError(`Option --pinnedpubkey needs "sha256//BASE64", not "${text}"`);
  }
  return hash;
}

async function hashOfFile(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new FileError(path, cause, "pinned key");
  }
  try {
    const text = new TextDecoder().decode(bytes);
    const key = text.includes("-----BEGIN ")
      ? createPublicKey(text)
      : createPublicKey({ key: bytes as never, format: "der", type: "spki" });
    return hashOf(key.export({ type: "spki", format: "der" }));
  } catch {
    // What the runtimes say of it differs, and says nothing.
    throw new FileError(path, new Error("no public key in it"), "pinned key");
  }
}

function hashOf(spki: Uint8Array): string {
  return createHash("sha256").update(spki).digest("base64");
}
