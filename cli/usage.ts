/**
 * The text of `--help`, and the version.
 *
 * @module
 */
import process from "node:process";
import { USER_AGENT } from "../transport/message/outgoing.ts";

/** What `--help` prints. */
export const USAGE: string = `Usage: roundtrip [get] URL [options]
       roundtrip                 a demonstration against a server of its own

Sends an HTTP/1.1 request and writes the response body to standard output.
Redirects are followed, with or without -L. A URL without a scheme means http.

  -i, --include            write response heads too
  -v, --verbose            tell on standard error what happens: heads,
                           connections, TLS, timings
  -s, --silent             no progress bar; errors are told all the same (-S)
  -o, --output FILE        write to FILE; "-" is standard output
  -X, --request METHOD     instead of GET (POST where data is sent)
  -I, --head               the same as -X HEAD -i
  -H, --header "N: value"  send a header field; repeat for more. "N;" is empty
  -d, --data DATA          send DATA as a form; several are joined by "&". @FILE
                           sends FILE without its line ends, @- standard input
      --data-binary DATA   the same, line ends kept
      --json DATA          send DATA (or @FILE, @-) as JSON, and ask for JSON
  -F, --form "N=VALUE"     send a form in parts; repeat for more. "N=@FILE"
                           uploads FILE (";type=", ";filename="), "N=<FILE"
                           sends what is in it
  -T, --upload-file FILE   PUT FILE; "-" is standard input
  -u, --user NAME:PASSWORD Basic credentials, as in http://NAME:PASSWORD@host
  -A, --user-agent NAME    instead of our own
  -b, --cookie "N=V"|FILE  send a cookie, or those of a file
  -c, --cookie-jar FILE    write the cookies to FILE in the end
  -f, --fail               a status of 400 or above is a failure, without a body
      --retry N            try again N times: broken connections, 429, 502, 503,
                           504; a download that breaks goes on where it did
      --connect-timeout S  seconds for connecting (30)
  -m, --max-time SECONDS   for everything, the body included
  -k, --insecure           accept any certificate
      --cacert FILE        trust the authorities in FILE (PEM) and no others
      --unix-socket PATH   connect to a Unix socket instead of the host
      --resolve H:PORT:IP  connect to IP (or several: "IP,IP") instead of host H
  -x, --proxy URL          pass a proxy (http, https, socks5, socks5h, socks4a),
                           its credentials as in http://user:password@host.
                           Repeat for more, in the order they are passed
      --compressed         ask for gzip, deflate, br or zstd, and take it off
      --no-follow          do not follow redirects
  -h, --help               this text
  -V, --version            version and runtime

Exit codes, curl's where it has one; without -f no status is a failure:
   0  a response was received      23  output cannot be written
   1  scheme not supported, other  26  data to send cannot be read
   2  options not understood       28  out of time
   3  request cannot be sent       35  TLS or certificate
   5  proxy                        47  redirect
   7  cannot connect               56  connection lost
   8  response malformed           61  content coding
   9  blocked by a rule           130  interrupted (Ctrl-C)
  18  body incomplete             141  the reader of standard output went away
  22  status 400 or above, -f
`;

/** The version of Roundtrip. */
export const VERSION: string = USER_AGENT.slice(USER_AGENT.indexOf("/") + 1);

/** The running runtime and its version. */
export function runtimeName(): string {
  const { versions } = process;
  if (versions["deno"] !== undefined) return `Deno ${versions["deno"]}`;
  if (versions["bun"] !== undefined) return `Bun ${versions["bun"]}`;
  return `Node ${versions["node"]}`;
}
