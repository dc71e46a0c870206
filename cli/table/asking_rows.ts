/**
 * Options of the command line: what is asked for, and what is sent.
 *
 * @module
 */
import { type OptionRow, refusedRows } from "./option_row.ts";

/** The rows. */
export const ASKING_ROWS: readonly OptionRow[] = [
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
    help: "HTTP/1.1 alone",
  },
  ...refusedRows("request", "cannot be had: HTTP/1.1 and HTTP/2 are spoken", [
    ["-0 http1.0", "HTTP/1.0"],
    ["http0.9", "take an answer without a head"],
  ]),
  {
    long: "http2",
    section: "request",
    help: "HTTP/2 over TLS, where the server chooses it: the default",
  },
  {
    long: "http2-prior-knowledge",
    section: "request",
    help: "HTTP/2 without asking the server for it, also without TLS",
  },
  ...refusedRows("request", "is not there yet: HTTP goes over TCP here", [
    ["http3", "HTTP/3 where the server has it"],
    ["http3-only", "HTTP/3"],
  ]),
  {
    long: "etag-compare",
    value: "FILE",
    takes: "file",
    section: "request",
    help: "only if it is not what --etag-save has noted in FILE",
  },
  {
    long: "etag-save",
    value: "FILE",
    takes: "file",
    section: "request",
    help: "note in FILE which version the server has sent",
  },
  {
    long: "proto",
    value: "LIST",
    section: "request",
    help: 'which schemes may be asked for: "=https" is that one alone; "-all,+http", "-http"',
  },
  {
    long: "proto-redir",
    value: "LIST",
    section: "request",
    help: "the same for redirects",
  },
  {
    long: "proto-default",
    value: "SCHEME",
    section: "request",
    help: "of a URL that has none, instead of http",
  },
  ...refusedRows("request", "cannot be had: only chunked is taken off", [
    ["tr-encoding", "ask for a compressed transfer coding"],
  ]),
  ...refusedRows("request", "cannot be had: the length tells where the answer ends", [
    ["ignore-content-length", "take as much as comes"],
  ]),
  ...refusedRows("request", "cannot be had: ipfs: is not spoken", [
    ["ipfs-gateway URL", "by which ipfs: URLs are asked for"],
  ]),
  ...refusedRows("request", "is not there yet: the shell's variables are", [
    ["variable NAME=TEXT", "a variable for --expand-OPTION"],
    ["expand-url TEXT", "an option with variables in its value; so all of --expand-"],
  ]),
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
  ...refusedRows("data", "cannot be had: names in forms are escaped as browsers do it", [
    ["form-escape", "by backslashes"],
  ]),
  ...refusedRows("data", "cannot be had: what is sent is sent as it is", [
    ["crlf", "send line ends as CRLF"],
  ]),
];
