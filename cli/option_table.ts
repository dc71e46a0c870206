/**
 * Every option of the command line, once: the parser, `--help`, the man page and the completions
 * are made from these rows.
 *
 * @module
 */

/** Under which heading an option is told of. */
export type OptionSection =
  | "request"
  | "data"
  | "output"
  | "telling"
  | "credentials"
  | "redirects and retries"
  | "many transfers"
  | "connection"
  | "tls"
  | "proxy"
  | "other";

/** What follows an option: words that a shell can complete. */
export type OptionValue = "file" | "folder" | "text";

/** One option. */
export interface OptionRow {
  /** Without the dashes. */
  readonly long: string;
  /** The letter, without the dash. */
  readonly short?: string;
  /** What its value is called in the help; absent: it is a flag, and `--no-` before it takes it back. */
  readonly value?: string;
  /** What its value is. @default {"text"} */
  readonly takes?: OptionValue;
  /** What it does, without a full stop. */
  readonly help: string;
  readonly section: OptionSection;
  /** Whether `--help` tells of it; `--help all` tells of all. */
  readonly isCommon?: true;
  /** It is understood and changes nothing, as the help says. */
  readonly changesNothing?: true;
  /** It is refused, for this reason. */
  readonly refused?: string;
  /** It is not of curl's: `--curl` leaves it out. */
  readonly isOurs?: true;
}

const NOT_YET = "is not there yet";

/** The options, in the order in which they are told of. */
export const OPTIONS: readonly OptionRow[] = [
  // Request
  {
    long: "request",
    short: "X",
    value: "METHOD",
    section: "request",
    isCommon: true,
    help: "instead of GET (POST where data is sent)",
  },
  {
    long: "head",
    short: "I",
    section: "request",
    isCommon: true,
    help: "ask for the head alone, and write it",
  },
  {
    long: "header",
    short: "H",
    value: '"N: VALUE"',
    section: "request",
    isCommon: true,
    help:
      'send a header field; repeat for more. "N;" is sent empty, "N:" takes one of ours away, ' +
      "@FILE is a file of them",
  },
  {
    long: "user-agent",
    short: "A",
    value: "NAME",
    section: "request",
    isCommon: true,
    help: "instead of our own",
  },
  {
    long: "referer",
    short: "e",
    value: "URL",
    section: "request",
    isCommon: true,
    help: 'where the request comes from; ";auto" behind it: along redirects too',
  },
  {
    long: "range",
    short: "r",
    value: "FROM-TO",
    section: "request",
    isCommon: true,
    help: "ask for these bytes only",
  },
  {
    long: "time-cond",
    short: "z",
    value: "DATE|FILE",
    section: "request",
    help: "only if it has changed since, or since FILE was written; a dash before it: only if not",
  },
  {
    long: "compressed",
    section: "request",
    isCommon: true,
    help: "ask for gzip, deflate, br or zstd, and take it off",
  },
  {
    long: "request-target",
    value: "PATH",
    section: "request",
    help: "ask for this instead of the path of the URL",
  },
  {
    long: "path-as-is",
    section: "request",
    help: "leave /../ and /./ in the path",
  },
  {
    long: "url",
    value: "URL",
    section: "request",
    help: "the URL, where it is not a word of its own",
  },
  {
    long: "url-query",
    value: "DATA",
    section: "request",
    help: "add to the query, encoded as by --data-urlencode; what is behind a + is added as it is",
  },
  {
    long: "http1.1",
    section: "request",
    help: "HTTP/1.1, which is what is spoken by default",
  },
  { long: "http2", section: "request", help: "HTTP/2 over TLS, where the server chooses it" },
  {
    long: "http2-prior-knowledge",
    section: "request",
    help: "HTTP/2 without asking the server for it, also without TLS",
  },
  // Data
  {
    long: "data",
    short: "d",
    value: "DATA",
    section: "data",
    isCommon: true,
    help:
      'send DATA as a form; several are joined by "&". @FILE sends FILE without its line ends, ' +
      "@- standard input",
  },
  { long: "data-ascii", value: "DATA", section: "data", help: "the same as -d" },
  {
    long: "data-raw",
    value: "DATA",
    section: "data",
    isCommon: true,
    help: "the same, and an @ means nothing",
  },
  {
    long: "data-binary",
    value: "DATA",
    section: "data",
    isCommon: true,
    help: "as -d, line ends kept",
  },
  {
    long: "data-urlencode",
    value: "DATA",
    section: "data",
    isCommon: true,
    help: "as -d, encoded: TEXT, NAME=TEXT, @FILE, NAME@FILE",
  },
  {
    long: "json",
    value: "DATA",
    section: "data",
    isCommon: true,
    help: "send DATA (or @FILE, @-) as JSON, and ask for JSON",
  },
  {
    long: "get",
    short: "G",
    section: "data",
    isCommon: true,
    help: "put the data into the query, and GET",
  },
  {
    long: "form",
    short: "F",
    value: '"N=VALUE"',
    section: "data",
    isCommon: true,
    help:
      'send a form in parts; repeat for more. "N=@FILE" uploads FILE (";type=", ";filename="), ' +
      '"N=<FILE" sends what is in it',
  },
  {
    long: "form-string",
    value: '"N=TEXT"',
    section: "data",
    help: "as -F, and no character of TEXT means anything",
  },
  {
    long: "upload-file",
    short: "T",
    value: "FILE",
    takes: "file",
    section: "data",
    isCommon: true,
    help: 'PUT FILE; "-" is standard input',
  },
  // Output
  {
    long: "output",
    short: "o",
    value: "FILE",
    takes: "file",
    section: "output",
    isCommon: true,
    help: 'write to FILE, one for each URL; "-" is standard output, #1 what stood in the first ' +
      "brackets of the URL",
  },
  {
    long: "remote-name",
    short: "O",
    section: "output",
    isCommon: true,
    help: "write to a file that is called as at the end of the URL",
  },
  {
    long: "remote-name-all",
    section: "output",
    help: "-O for every URL that has no -o",
  },
  {
    long: "remote-header-name",
    short: "J",
    section: "output",
    isCommon: true,
    help: "with -O: as the server calls it; a file that is there is kept",
  },
  {
    long: "output-dir",
    value: "FOLDER",
    takes: "folder",
    section: "output",
    isCommon: true,
    help: "the folder of -o and -O",
  },
  { long: "create-dirs", section: "output", isCommon: true, help: "make the folders of the file" },
  {
    long: "continue-at",
    short: "C",
    value: "-|BYTES",
    section: "output",
    isCommon: true,
    help: '"-": go on with a download to a file that broke off, if the server still has the same ' +
      "content",
  },
  { long: "no-clobber", section: "output", help: "keep a file that is there: write to FILE.1" },
  {
    long: "remote-time",
    short: "R",
    section: "output",
    help: "give the file the time of its Last-Modified",
  },
  { long: "remove-on-error", section: "output", help: "leave no file where it fails" },
  {
    long: "include",
    short: "i",
    section: "output",
    isCommon: true,
    help: "write response heads too",
  },
  {
    long: "dump-header",
    short: "D",
    value: "FILE",
    takes: "file",
    section: "output",
    isCommon: true,
    help: "write response heads to FILE",
  },
  {
    long: "write-out",
    short: "w",
    value: "FORMAT",
    section: "output",
    isCommon: true,
    help: "write this at the end: %{http_code}, %{time_total}, %header{NAME}, %{json} and so on, " +
      '"\\n"; @FILE is a file of it',
  },
  {
    long: "raw",
    section: "output",
    isCommon: true,
    isOurs: true,
    help: "in a terminal too, JSON as it comes: neither coloured nor indented",
  },
  {
    long: "max-filesize",
    value: "BYTES",
    section: "output",
    help: "fail where the body is larger; k, M, G for more",
  },
  {
    long: "no-buffer",
    short: "N",
    section: "output",
    isCommon: true,
    help: "write what comes when it comes, JSON too",
  },
  {
    long: "fail",
    short: "f",
    section: "output",
    isCommon: true,
    help: "a status of 400 or above is a failure, without a body",
  },
  {
    long: "fail-with-body",
    section: "output",
    isCommon: true,
    help: "the same, and the body is written",
  },
  // Telling
  {
    long: "verbose",
    short: "v",
    section: "telling",
    isCommon: true,
    help: "tell on standard error what happens: heads, connections, TLS, timings",
  },
  {
    long: "silent",
    short: "s",
    section: "telling",
    isCommon: true,
    help: "no progress bar; errors are told all the same (-S)",
  },
  {
    long: "show-error",
    short: "S",
    section: "telling",
    changesNothing: true,
    help: "tell of errors, as -s does too",
  },
  { long: "no-progress-meter", section: "telling", help: "no progress bar" },
  {
    long: "progress-bar",
    short: "#",
    section: "telling",
    changesNothing: true,
    help: "a bar, which is what is drawn",
  },
  {
    long: "curl",
    section: "telling",
    isCommon: true,
    isOurs: true,
    help: "send nothing: print the curl line that asks for the same",
  },
  {
    long: "trace",
    value: "FILE",
    takes: "file",
    section: "telling",
    refused: NOT_YET,
    help: "every byte, to FILE",
  },
  {
    long: "trace-ascii",
    value: "FILE",
    takes: "file",
    section: "telling",
    refused: NOT_YET,
    help: "the same, without hexadecimal numbers",
  },
  { long: "trace-time", section: "telling", refused: NOT_YET, help: "the time before each line" },
  {
    long: "har",
    value: "FILE",
    takes: "file",
    section: "telling",
    isOurs: true,
    refused: NOT_YET,
    help: "every exchange, to FILE, as browsers write it",
  },
  // Credentials
  {
    long: "user",
    short: "u",
    value: "NAME:PASSWORD",
    section: "credentials",
    isCommon: true,
    help: "credentials, as in http://NAME:PASSWORD@host; without a colon the password is asked for",
  },
  { long: "basic", section: "credentials", help: "send those of -u as they are, as is usual" },
  {
    long: "digest",
    section: "credentials",
    isCommon: true,
    help: "prove to know the password of -u without sending it",
  },
  {
    long: "anyauth",
    section: "credentials",
    help: "ask first, then --digest or --basic, what the server has",
  },
  {
    long: "negotiate",
    section: "credentials",
    refused: "cannot be had: Kerberos is not spoken here",
    help: "Kerberos",
  },
  {
    long: "ntlm",
    section: "credentials",
    refused: "cannot be had: it is too weak to be spoken",
    help: "what old servers of Windows want",
  },
  {
    long: "oauth2-bearer",
    value: "TOKEN",
    section: "credentials",
    isCommon: true,
    help: "send TOKEN as a bearer token",
  },
  {
    long: "disallow-username-in-url",
    section: "credentials",
    help: "refuse a URL with credentials in it, as those of redirects always are",
  },
  {
    long: "aws-sigv4",
    value: "aws:amz[:REGION[:SERVICE]]",
    section: "credentials",
    help: "sign with -u KEY:SECRET, as Amazon wants it",
  },
  {
    long: "netrc",
    short: "n",
    section: "credentials",
    isCommon: true,
    help: "take credentials from ~/.netrc",
  },
  {
    long: "netrc-file",
    value: "FILE",
    takes: "file",
    section: "credentials",
    help: "take them from FILE",
  },
  {
    long: "netrc-optional",
    section: "credentials",
    help: "take them from ~/.netrc, if it is there and the URL has none",
  },
  {
    long: "cookie",
    short: "b",
    value: '"N=V"|FILE',
    section: "credentials",
    isCommon: true,
    help: "send a cookie, or those of a file",
  },
  {
    long: "cookie-jar",
    short: "c",
    value: "FILE",
    takes: "file",
    section: "credentials",
    isCommon: true,
    help: "write the cookies to FILE in the end",
  },
  {
    long: "junk-session-cookies",
    short: "j",
    section: "credentials",
    help: "of the cookies of a file, only those that outlive a session",
  },
  // Redirects and retries
  {
    long: "location",
    short: "L",
    section: "redirects and retries",
    isCommon: true,
    help: "follow redirects, which is done anyway but for a line that begins with curl",
  },
  {
    long: "no-follow",
    section: "redirects and retries",
    isCommon: true,
    isOurs: true,
    help: "do not follow redirects",
  },
  {
    long: "max-redirs",
    value: "N",
    section: "redirects and retries",
    help: "how many are followed (50); -1: any number",
  },
  {
    long: "retry",
    value: "N",
    section: "redirects and retries",
    isCommon: true,
    help: "try again N times: broken connections, 408, 429, 500, 502, 503, 504; a download that " +
      "breaks goes on where it did",
  },
  {
    long: "retry-delay",
    value: "S",
    section: "redirects and retries",
    help: "seconds between two tries, instead of ever more",
  },
  {
    long: "retry-max-time",
    value: "S",
    section: "redirects and retries",
    help: "seconds after which no further try begins",
  },
  {
    long: "retry-all-errors",
    section: "redirects and retries",
    help: "try again whatever happened, and also what may then be done twice, as a POST",
  },
  {
    long: "retry-connrefused",
    section: "redirects and retries",
    changesNothing: true,
    help: "try again where nobody listens, as is done anyway",
  },
  {
    long: "max-time",
    short: "m",
    value: "S",
    section: "redirects and retries",
    isCommon: true,
    help: "seconds for everything, the body included",
  },
  // Many transfers
  {
    long: "parallel",
    short: "Z",
    section: "many transfers",
    isCommon: true,
    help: "several URLs at once, not one after the other",
  },
  {
    long: "parallel-max",
    value: "N",
    section: "many transfers",
    help: "how many at once (50)",
  },
  {
    long: "parallel-immediate",
    section: "many transfers",
    changesNothing: true,
    help: "dial rather than wait for a connection, as is done anyway",
  },
  {
    long: "fail-early",
    section: "many transfers",
    help: "end with the first that fails",
  },
  {
    long: "globoff",
    short: "g",
    section: "many transfers",
    isCommon: true,
    help: "brackets and braces in a URL mean themselves; else [1-9], [a-z:2] and {a,b} are " +
      "several URLs",
  },
  {
    long: "next",
    short: ":",
    section: "many transfers",
    help: "what follows is for other URLs, with options of their own",
  },
  // Connection
  {
    long: "connect-timeout",
    value: "S",
    section: "connection",
    isCommon: true,
    help: "seconds for connecting (30)",
  },
  {
    long: "expect100-timeout",
    value: "S",
    section: "connection",
    help: 'seconds that a body waits where "Expect: 100-continue" is sent (1)',
  },
  {
    long: "resolve",
    value: "H:PORT:IP",
    section: "connection",
    isCommon: true,
    help: 'connect to IP (or several: "IP,IP") instead of host H',
  },
  {
    long: "connect-to",
    value: "H:PORT:H2:PORT2",
    section: "connection",
    isCommon: true,
    help: "connect to H2 and PORT2 instead of H and PORT; an empty one is any, or the same",
  },
  {
    long: "unix-socket",
    value: "PATH",
    takes: "file",
    section: "connection",
    isCommon: true,
    help: "connect to a Unix socket instead of the host",
  },
  { long: "ipv4", short: "4", section: "connection", isCommon: true, help: "IPv4 addresses only" },
  { long: "ipv6", short: "6", section: "connection", isCommon: true, help: "IPv6 addresses only" },
  {
    long: "interface",
    value: "NAME|IP",
    section: "connection",
    help: "connect from this interface, or this address of it",
  },
  {
    long: "limit-rate",
    value: "BYTES",
    section: "connection",
    isCommon: true,
    help: "bytes in a second, at most; k, M, G for more",
  },
  {
    long: "no-keepalive",
    section: "connection",
    changesNothing: true,
    help: "no probes of idle connections, as none are sent",
  },
  {
    long: "keepalive-time",
    value: "S",
    section: "connection",
    changesNothing: true,
    help: "when idle connections are probed, which none are",
  },
  {
    long: "tcp-nodelay",
    section: "connection",
    changesNothing: true,
    help: "send small pieces at once, as is done anyway",
  },
  // TLS
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
    long: "ciphers",
    value: "LIST",
    section: "tls",
    refused: "cannot be had: not every runtime lets a program choose",
    help: "which ciphers may be used",
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
  // Proxy
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
  // Other
  {
    long: "config",
    short: "K",
    value: "FILE",
    takes: "file",
    section: "other",
    isCommon: true,
    help: 'options from FILE, one a line; "-" is standard input',
  },
  {
    long: "help",
    short: "h",
    section: "other",
    isCommon: true,
    help: 'this text; "--help all" tells of every option',
  },
  {
    long: "version",
    short: "V",
    section: "other",
    isCommon: true,
    help: "version and runtime",
  },
];

/** The heading of each section, in the order in which they are told of. */
export const SECTIONS: Readonly<Record<OptionSection, string>> = {
  "request": "Request",
  "data": "Data",
  "output": "Output",
  "telling": "What is told",
  "credentials": "Credentials and cookies",
  "redirects and retries": "Redirects, retries, time",
  "many transfers": "Several URLs",
  "connection": "Connection",
  "tls": "TLS",
  "proxy": "Proxies",
  "other": "Other",
};
