/**
 * Options of the command line: the program itself.
 *
 * @module
 */
import { idleRows, type OptionRow, refusedRows } from "./option_row.ts";

/** The rows. */
export const PROGRAM_ROWS: readonly OptionRow[] = [
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
  ...refusedRows("other", "has another name here: roundtrip man", [
    ["-M manual", "the manual page"],
  ]),
  ...idleRows("other", [
    ["metalink", "read lists of places, which curl does not any more either"],
  ]),
];
