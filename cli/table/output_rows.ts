/**
 * Options of the command line: where responses go, and what is told.
 *
 * @module
 */
import { idleRows, type OptionRow, refusedRows } from "./option_row.ts";

/** The rows. */
export const OUTPUT_ROWS: readonly OptionRow[] = [
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
  { long: "skip-existing", section: "output", help: "ask for nothing whose file is there" },
  {
    long: "create-file-mode",
    value: "OCTAL",
    section: "output",
    help: "who may read and write files that are made (666 less the umask)",
  },
  ...refusedRows("output", "is not there yet: -o names a file", [
    ["out-null", "write no body"],
  ]),
  ...refusedRows("output", "cannot be had: no runtime writes extended attributes", [
    ["xattr", "note the URL at the file"],
  ]),
  {
    long: "include",
    short: "i",
    section: "output",
    isCommon: true,
    help: "write response heads too",
  },
  { long: "show-headers", section: "output", help: "the same as -i" },
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
    help: 'every byte that goes over connections, secrets too, to FILE; "-" is standard output, ' +
      "% standard error",
  },
  {
    long: "trace-ascii",
    value: "FILE",
    takes: "file",
    section: "telling",
    help: "the same, without hexadecimal numbers",
  },
  { long: "trace-time", section: "telling", help: "the time before each line of -v and --trace" },
  {
    long: "har",
    value: "FILE",
    takes: "file",
    section: "telling",
    isCommon: true,
    isOurs: true,
    help: "every exchange, to FILE, as browsers write it (HAR 1.2), with secrets masked",
  },
  {
    long: "har-secrets",
    section: "telling",
    isOurs: true,
    help: "with --har: secrets too",
  },
  {
    long: "stderr",
    value: "FILE",
    takes: "file",
    section: "telling",
    help: 'tell what is told to FILE; "-" is standard output',
  },
  ...idleRows("telling", [
    ["trace-ids", "numbers of connections, which -v and --trace tell anyway"],
    ["styled-output", "names in heads in bold, which they are not"],
  ]),
  ...refusedRows("telling", "cannot be had: -v and --trace tell of everything", [
    ["trace-config LIST", "what is traced"],
  ]),
  ...refusedRows("telling", "cannot be had: no C is written here", [
    ["libcurl FILE", "a program that does the same"],
  ]),
];
