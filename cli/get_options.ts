/**
 * What is asked for by one set of options.
 *
 * @module
 */

/** The requests of one set of options. */
export interface GetOptions {
  /** One at least. */
  readonly targets: readonly Target[];
  /** Whether brackets and braces in a URL stand for several URLs. */
  readonly globs: boolean;
  /** Null: GET, or POST where there is data. */
  readonly method: string | null;
  readonly headers: readonly HeaderOption[];
  /** Empty: none is sent. Null: our own. */
  readonly userAgent: string | null;
  /** User name and, behind a colon, password. Without a colon the password is to be asked for. */
  readonly user: string | null;
  readonly authentication: Authentication;
  /** Whether a URL with credentials in it is refused. */
  readonly refusesUserInUrl: boolean;
  readonly bearer: string | null;
  readonly netrc: NetrcOption | null;
  readonly data: DataOption | null;
  /** What is added to the query. */
  readonly query: readonly DataPart[];
  readonly form: readonly FormPart[];
  /** What is asked for instead of the path of the URL. */
  readonly requestTarget: string | null;
  readonly http2: Http2Option;
  /** Whether dot segments of the path are sent. */
  readonly pathAsIs: boolean;
  /** Which schemes may be asked for, without a colon; null: all that are spoken. */
  readonly schemes: ReadonlySet<string> | null;
  /** The same for redirects. */
  readonly redirectSchemes: ReadonlySet<string> | null;
  /** That of a URL that has none. */
  readonly usualScheme: string;
  /** Path of the file of hosts that want https; empty: they are forgotten in the end; or null. */
  readonly hsts: string | null;
  /** Path of the file with the version that is not asked for again, or null. */
  readonly etagCompare: string | null;
  /** Path of the file that the version is written to, or null. */
  readonly etagSave: string | null;
  readonly range: string | null;
  readonly referer: string | null;
  /** Whether a followed redirect tells where it came from. */
  readonly tellsReferer: boolean;
  /** A date, or the path of a file whose time it is. */
  readonly timeCondition: TimeCondition | null;
  /** Cookies to send, `name=value`. */
  readonly cookies: readonly string[];
  /** Paths of files to read cookies from. */
  readonly cookieFiles: readonly string[];
  readonly dropsSessionCookies: boolean;
  /** Path of the file that the cookies are written to. */
  readonly cookieJar: string | null;
  /** Write response heads before the body. */
  readonly include: boolean;
  /** Path of the file that response heads are written to; `"-"`: standard output. */
  readonly dumpHeader: string | null;
  /** What is written at the end, or `@` and the path of a file of it. */
  readonly writeOut: string | null;
  readonly verbose: boolean;
  /** Whether there is no progress bar. */
  readonly silent: boolean;
  /** Whether JSON is written to a terminal as it comes. */
  readonly raw: boolean;
  readonly outputDir: string | null;
  readonly createDirs: boolean;
  /** Whether the server names the file. */
  readonly namedByServer: boolean;
  readonly clobber: boolean;
  /** Whether nothing is asked for whose file is there. */
  readonly skipsExisting: boolean;
  /** Permissions of files that are made; null: the usual ones. */
  readonly fileMode: number | null;
  readonly remoteTime: boolean;
  readonly removeOnError: boolean;
  /** Where a download goes on: a count of bytes, or what is there; null: from the beginning. */
  readonly continueAt: number | "there" | null;
  /** Bytes; 0: no limit. */
  readonly maxFileBytes: number;
  /** Bytes in a second; 0: no limit. */
  readonly bytesPerSecond: number;
  /** Milliseconds; 0 is off. */
  readonly maxTimeMs: number;
  /** How slow a transfer may be; null: as slow as it is. */
  readonly speed: SpeedOption | null;
  /** Milliseconds; 0 is the transport's default. */
  readonly connectTimeMs: number;
  /** Milliseconds; null is the transport's default. */
  readonly continueTimeMs: number | null;
  readonly retry: RetryOption;
  readonly tls: TlsOption;
  /** The same, of proxies. */
  readonly proxyTls: TlsOption;
  /** How many connections to one host; 0: any number. */
  readonly maxConnsPerHost: number;
  /** Path of a Unix socket. */
  readonly unixSocket: string | null;
  readonly addresses: readonly HostAddresses[];
  readonly otherPlaces: readonly OtherPlace[];
  /** 4 or 6; null: both. */
  readonly family: 4 | 6 | null;
  /** Name or address. */
  readonly networkInterface: string | null;
  /** When the system probes idle connections; 0: never. */
  readonly tcpKeepAliveMs: number;
  /** URLs with schemes, in the order in which they are passed. */
  readonly proxies: readonly string[];
  /** Whether proxies are asked for tunnels for http: too. */
  readonly tunnels: boolean;
  readonly proxyUser: string | null;
  /** How proxies are told the credentials of -U and of their URLs. */
  readonly proxyAuth: "basic" | "digest";
  readonly proxyHeaders: readonly HeaderOption[];
  /** Whether the proxies that the environment names are passed. */
  readonly usesEnvironment: boolean;
  /** Hosts that are reached without any proxy, as in `NO_PROXY`, whose place it takes; or null. */
  readonly noProxy: string | null;
  readonly compressed: boolean;
  readonly follow: boolean;
  /** How many redirects are followed; Infinity: any number. */
  readonly maxRedirects: number;
  /** Whether a status of 400 or above is a failure, and whether its body is written then. */
  readonly fail: "never" | "without body" | "with body";
}

/** One URL of the command line, before brackets in it are looked at. */
export interface Target {
  readonly url: string;
  readonly output: OutputOption;
  /** Path of a file to send as it is, before brackets in it are looked at; `"-"`: standard input. */
  readonly upload: string | null;
}

/** Where a response goes: standard output, a file, or one that is called as the URL says. */
export type OutputOption =
  | { readonly kind: "standard" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "remote" };

/** A header field; null: one of ours that is not to be sent. Or the path of a file of them. */
export type HeaderOption =
  | { readonly name: string; readonly value: string | null }
  | { readonly file: string };

/** How it is proven who asks. */
export type Authentication =
  | { readonly kind: "basic" | "digest" | "any" }
  | { readonly kind: "aws"; readonly region: string | null; readonly service: string | null };

/** A transfer that is slower, for as long, ends. */
export interface SpeedOption {
  /** Bytes in a second, more than 0. */
  readonly leastBytesPerSecond: number;
  /** Milliseconds, more than 0. */
  readonly timeMs: number;
}

/** Where credentials are looked up. */
export interface NetrcOption {
  /** Null: `.netrc` in the home folder. */
  readonly file: string | null;
  /** Whether those of the URL and of `-u` go before, and the file may be missing. */
  readonly isOptional: boolean;
}

/** Only if it has changed since, or has not. */
export interface TimeCondition {
  readonly ifChanged: boolean;
  /** A date, or the path of a file. */
  readonly since: string;
}

/** Whether HTTP/2 is spoken. */
export type Http2Option = "never" | "negotiated" | "priorKnowledge";

/** How often and when it is tried again. */
export interface RetryOption {
  /** How often; 0: never. */
  readonly count: number;
  /** Milliseconds between two tries; null: ever more. */
  readonly delayMs: number | null;
  /** Milliseconds after which no try begins; 0: no limit. */
  readonly maxTimeMs: number;
  readonly allErrors: boolean;
}

/** What is trusted, and who we are. Paths of PEM files. */
export interface TlsOption {
  readonly insecure: boolean;
  readonly caFile: string | null;
  /** Of a folder of such files. */
  readonly caFolder: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly password: string | null;
  /** Path of a file with the peer's public key, or `sha256//` and its hash, several with `;` between. */
  readonly pinnedKeys: string | null;
  readonly minVersion: "TLSv1.2" | "TLSv1.3" | null;
  /** Whether sessions of earlier connections are taken up. */
  readonly resumes: boolean;
}

/** One `--resolve`: what is dialled instead of looking a name up. */
export interface HostAddresses {
  readonly hostname: string;
  readonly port: number;
  /** IP addresses, without brackets. */
  readonly addresses: readonly string[];
}

/** One `--connect-to`: what is dialled instead. Empty and null: any, or the same. */
export interface OtherPlace {
  readonly hostname: string;
  readonly port: number | null;
  readonly otherHostname: string;
  readonly otherPort: number | null;
}

/** One `-F`. */
export interface FormPart {
  readonly name: string;
  /** The text, or the path of what is sent; `"-"` is standard input. */
  readonly value: string;
  /** Whether the text is given, is that of a file, or a file is uploaded with its name. */
  readonly kind: "text" | "text of file" | "file";
  /** What the uploaded file is called; null: as on the disk. */
  readonly fileName: string | null;
  /** Media type, or null. */
  readonly type: string | null;
}

/** Data to send. */
export interface DataOption {
  readonly kind: "form" | "json";
  readonly parts: readonly DataPart[];
}

/** One `-d` or its like. */
export interface DataPart {
  /** The data, or the path of a file; `"-"`: standard input. */
  readonly value: string;
  readonly isFile: boolean;
  /** What comes from a file loses its line ends. */
  readonly dropLineEnds: boolean;
  /** Null: sent as it is. Else encoded, behind this name, which may be empty. */
  readonly encodedAs: string | null;
}
