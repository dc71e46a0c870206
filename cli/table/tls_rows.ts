/**
 * Options of the command line: TLS.
 *
 * @module
 */
import { idleRows, type OptionRow, refusedRows } from "./option_row.ts";

/** The rows. */
export const TLS_ROWS: readonly OptionRow[] = [
  {
    long: "insecure",
    short: "k",
    section: "tls",
    isCommon: true,
    help: "accept any certificate",
  },
  {
    long: "cacert",
    value: "FILE",
    takes: "file",
    section: "tls",
    isCommon: true,
    help: "trust the authorities in FILE (PEM) and no others",
  },
  {
    long: "capath",
    value: "FOLDER",
    takes: "folder",
    section: "tls",
    help: "the same, of all files in FOLDER",
  },
  {
    long: "pinnedpubkey",
    value: "FILE|HASHES",
    section: "tls",
    help: "the server's public key is this one (PEM or DER), or one of these: " +
      '"sha256//BASE64;sha256//BASE64"',
  },
  {
    long: "cert",
    short: "E",
    value: "FILE[:PASSWORD]",
    takes: "file",
    section: "tls",
    isCommon: true,
    help: "our certificate (PEM), and the key, if it is in there",
  },
  {
    long: "key",
    value: "FILE",
    takes: "file",
    section: "tls",
    isCommon: true,
    help: "the key of --cert (PEM)",
  },
  { long: "pass", value: "PASSWORD", section: "tls", isCommon: true, help: "that of the key" },
  {
    long: "cert-type",
    value: "PEM",
    section: "tls",
    help: "what kind of file that of --cert is; no other is understood",
  },
  {
    long: "key-type",
    value: "PEM",
    section: "tls",
    help: "what kind of file that of --key is; no other is understood",
  },
  { long: "tlsv1.2", section: "tls", help: "TLS 1.2 or above, as is usual" },
  { long: "tlsv1.3", section: "tls", isCommon: true, help: "TLS 1.3 or above" },
  {
    long: "tlsv1",
    short: "1",
    section: "tls",
    changesNothing: true,
    help: "TLS; below 1.2 none is",
  },
  { long: "tlsv1.0", section: "tls", changesNothing: true, help: "the same" },
  { long: "tlsv1.1", section: "tls", changesNothing: true, help: "the same" },
  {
    long: "tls-max",
    value: "VERSION",
    section: "tls",
    help: "the highest version; only 1.3 and default are understood",
  },
  {
    long: "ssl-reqd",
    section: "tls",
    changesNothing: true,
    help: "TLS or nothing, as https: means anyway",
  },
  {
    long: "ssl-no-revoke",
    section: "tls",
    changesNothing: true,
    help: "do not ask whether a certificate was taken back, as nobody does",
  },
  {
    long: "no-sessionid",
    section: "tls",
    help: "begin each session anew, take none up",
  },
  ...idleRows("tls", [
    ["-2 sslv2", "a version that nobody speaks any more"],
    ["-3 sslv3", "a version that nobody speaks any more"],
    ["ssl-allow-beast", "of a fault of such versions"],
    ["ssl-auto-client-cert", "of Windows"],
    ["ssl-revoke-best-effort", "of Windows"],
    ["false-start", "of macOS"],
    ["no-npn", "of an extension that was given up"],
    ["egd-file FILE", "where random numbers come from: the runtime has its own"],
    ["random-file FILE", "where random numbers come from: the runtime has its own"],
    ["tls-earlydata", "data in the first packet, which is never sent"],
  ]),
  ...refusedRows("tls", "cannot be had: not every runtime lets a program choose", [
    ["ciphers LIST", "which ciphers may be used"],
    ["tls13-ciphers LIST", "the same, for TLS 1.3"],
    ["curves LIST", "which groups keys are exchanged in"],
    ["sigalgs LIST", "how certificates may be signed"],
    ["ech MODE", "whether the name of the host is encrypted"],
    ["engine NAME", "what computes"],
    ["ca-native", "trust the authorities of the system"],
    ["no-alpn", "do not tell what is spoken"],
  ]),
  ...refusedRows("tls", "cannot be had: no runtime asks it", [
    ["cert-status", "whether the certificate was taken back, as its server says"],
    ["crlfile FILE", "whether it was taken back, as FILE says"],
  ]),
  ...refusedRows("tls", "cannot be had: no runtime has SRP", [
    ["tlsauthtype TYPE", "how a password is proven within TLS"],
    ["tlsuser NAME", "whose it is"],
    ["tlspassword TEXT", "what it is"],
  ]),
  ...refusedRows("tls", "cannot be had: --cacert says what is trusted", [
    ["dump-ca-embed", "print the authorities that are built in"],
  ]),
  ...refusedRows("tls", "cannot be had: sessions are secrets, and stay in memory", [
    ["ssl-sessions FILE", "take sessions up on another day"],
  ]),
];
