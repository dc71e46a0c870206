/**
 * Options of the command line: proxies.
 *
 * @module
 */
import { idleRows, type OptionRow, refusedRows } from "./option_row.ts";

/** The rows. */
export const PROXY_ROWS: readonly OptionRow[] = [
  {
    long: "proxy",
    short: "x",
    value: "URL",
    section: "proxy",
    isCommon: true,
    help: "pass a proxy (http, https, socks5, socks5h, socks4a), its credentials as in " +
      "http://user:password@host. Repeat for more, in the order they are passed. If it is not " +
      'given, HTTP_PROXY and its like count, but not to this machine; "" is none',
  },
  {
    long: "preproxy",
    value: "URL",
    section: "proxy",
    help: "pass this one before those of -x",
  },
  {
    long: "proxytunnel",
    short: "p",
    section: "proxy",
    help: "ask for a tunnel through the proxy for http: too, as is done for https:",
  },
  {
    long: "proxy-user",
    short: "U",
    value: "NAME:PASSWORD",
    section: "proxy",
    isCommon: true,
    help: "credentials for the proxy of -x",
  },
  {
    long: "proxy-basic",
    section: "proxy",
    help: "send those of -U as they are, and prove them where a proxy asks for that, as is usual",
  },
  {
    long: "proxy-digest",
    section: "proxy",
    help: "prove to know the password of -U without sending it",
  },
  {
    long: "proxy-anyauth",
    section: "proxy",
    help: "the same as --proxy-basic, which proves what it is asked to",
  },
  {
    long: "proxy-header",
    value: '"N: VALUE"',
    section: "proxy",
    help: "send a header field to HTTP proxies only; repeat for more",
  },
  { long: "proxy-insecure", section: "proxy", help: "accept any certificate of a proxy" },
  {
    long: "proxy-cacert",
    value: "FILE",
    takes: "file",
    section: "proxy",
    help: "trust the authorities in FILE for the proxy, and no others",
  },
  {
    long: "proxy-capath",
    value: "FOLDER",
    takes: "folder",
    section: "proxy",
    help: "the same, of all files in FOLDER",
  },
  {
    long: "proxy-cert",
    value: "FILE[:PASSWORD]",
    takes: "file",
    section: "proxy",
    help: "as --cert, for the proxy",
  },
  {
    long: "proxy-key",
    value: "FILE",
    takes: "file",
    section: "proxy",
    help: "as --key, for the proxy",
  },
  { long: "proxy-pass", value: "PASSWORD", section: "proxy", help: "that of the key" },
  { long: "proxy-cert-type", value: "PEM", section: "proxy", help: "as --cert-type" },
  { long: "proxy-key-type", value: "PEM", section: "proxy", help: "as --key-type" },
  {
    long: "proxy-pinnedpubkey",
    value: "FILE|HASHES",
    section: "proxy",
    help: "as --pinnedpubkey, for the proxy",
  },
  {
    long: "socks5",
    value: "HOST[:PORT]",
    section: "proxy",
    help: "the same as -x socks5://HOST",
  },
  {
    long: "socks5-hostname",
    value: "HOST[:PORT]",
    section: "proxy",
    help: "the same as -x socks5h://HOST",
  },
  {
    long: "socks4a",
    value: "HOST[:PORT]",
    section: "proxy",
    help: "the same as -x socks4a://HOST",
  },
  {
    long: "noproxy",
    value: "HOSTS",
    section: "proxy",
    isCommon: true,
    help: 'hosts reached without a proxy, as in NO_PROXY, whose place it takes; "*" is all',
  },
  {
    long: "disable",
    short: "q",
    section: "proxy",
    isCommon: true,
    help: "leave out the proxies of the environment",
  },
  ...idleRows("proxy", [
    ["suppress-connect-headers", "leave out heads of CONNECT, which are never written"],
    ["proxy-tlsv1", "TLS with the proxy; below 1.2 none is"],
    ["proxy-ssl-allow-beast", "of a fault of old versions of TLS"],
    ["proxy-ssl-auto-client-cert", "of Windows"],
    ["proxy-service-name NAME", "of Kerberos, which is not spoken here"],
    ["socks5-basic", "a password for SOCKS 5, as is usual"],
    ["socks5-gssapi-service NAME", "of Kerberos, which is not spoken here"],
    ["socks5-gssapi-nec", "of Kerberos, which is not spoken here"],
  ]),
  ...refusedRows("proxy", "cannot be had: Kerberos is not spoken here", [
    ["proxy-negotiate", "Kerberos"],
    ["socks5-gssapi", "Kerberos for SOCKS 5"],
  ]),
  ...refusedRows("proxy", "cannot be had: it is too weak to be spoken", [
    ["proxy-ntlm", "what old proxies of Windows want"],
  ]),
  ...refusedRows("proxy", "cannot be had: SOCKS 4 is spoken with names alone, --socks4a", [
    ["socks4 HOST[:PORT]", "SOCKS 4"],
  ]),
  ...refusedRows("proxy", "cannot be had: proxies are asked by HTTP/1.1", [
    ["proxy1.0 HOST[:PORT]", "HTTP/1.0"],
    ["proxy-http2", "HTTP/2"],
  ]),
  ...refusedRows("proxy", "cannot be had: not every runtime lets a program choose", [
    ["proxy-ciphers LIST", "which ciphers may be used"],
    ["proxy-tls13-ciphers LIST", "the same, for TLS 1.3"],
    ["proxy-ca-native", "trust the authorities of the system"],
  ]),
  ...refusedRows("proxy", "cannot be had: no runtime asks it", [
    ["proxy-crlfile FILE", "whether a certificate was taken back, as FILE says"],
  ]),
  ...refusedRows("proxy", "cannot be had: no runtime has SRP", [
    ["proxy-tlsauthtype TYPE", "how a password is proven within TLS"],
    ["proxy-tlsuser NAME", "whose it is"],
    ["proxy-tlspassword TEXT", "what it is"],
  ]),
];
