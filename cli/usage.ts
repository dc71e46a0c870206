/**
 * The text of `--help`, made from the table of options. Pure.
 *
 * @module
 */
import { type OptionRow, OPTIONS, type OptionSection, SECTIONS } from "./option_table.ts";

/** Characters. No line is longer. */
const WIDTH = 80;

/** Where the words begin that tell what an option does. */
const HELP_COLUMN = 29;

const HEADING = `Usage: roundtrip [get] URL... [options]
       roundtrip 'curl ...'       a curl line, pasted as one argument
       roundtrip                  a demonstration against a server of its own
       roundtrip completions bash|zsh|fish
       roundtrip man              the manual page

Sends HTTP requests and writes the response bodies to standard output.
Redirects are followed, but by a line that begins with curl only with -L. A URL
without a scheme means http.
`;

/** Numbers of exit codes and what they say, in the order in which they are told of. */
export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, "a response was received"],
  [1, "scheme not supported, other"],
  [2, "options not understood"],
  [3, "request cannot be sent"],
  [5, "host of the proxy unknown"],
  [6, "host unknown"],
  [7, "cannot connect"],
  [8, "response malformed"],
  [9, "blocked by a rule"],
  [16, "HTTP/2 connection"],
  [18, "body incomplete"],
  [22, "status 400 or above, -f"],
  [23, "output cannot be written"],
  [26, "data to send cannot be read"],
  [28, "out of time"],
  [33, "cannot go on, -C"],
  [35, "TLS handshake"],
  [45, "no such interface"],
  [47, "redirect"],
  [52, "nothing was answered"],
  [55, "request cannot be written"],
  [56, "connection lost, proxy refused"],
  [58, "our certificate or its key"],
  [60, "certificate of the server"],
  [61, "content coding"],
  [63, "body too large"],
  [67, "credentials in the URL"],
  [77, "file of --cacert"],
  [90, "public key of the server"],
  [92, "HTTP/2 stream"],
  [97, "SOCKS proxy"],
  [130, "interrupted (Ctrl-C)"],
  [141, "the reader of output went away"],
];

/**
 * What `--help` prints.
 *
 * @param topic Null: the common options. `"all"`: all of them. A section: those of it.
 * @returns Null: there is no such topic.
 */
export function usage(topic: string | null): string | null {
  if (topic === null) {
    const common = OPTIONS.filter(({ isCommon }) => isCommon === true);
    return `${HEADING}\n${common.map(optionText).join("")}
--help all tells of all ${OPTIONS.length} options, --help and one of these of some:
${wrapped(Object.keys(SECTIONS).map((name) => `"${name}"`).join(", "), 2)}
${exitCodes()}`;
  }
  if (topic === "all") {
    return `${HEADING}${
      Object.keys(SECTIONS).map((each) => sectionText(each as OptionSection)).join("")
    }
${exitCodes()}`;
  }
  const section = Object.keys(SECTIONS).find((each) => each === topic.toLowerCase());
  return section === undefined ? null : sectionText(section as OptionSection).trimStart();
}

function sectionText(section: OptionSection): string {
  const rows = OPTIONS.filter((row) => row.section === section);
  return `\n${SECTIONS[section]}:\n${rows.map(optionText).join("")}`;
}

function optionText(row: OptionRow): string {
  const letter = row.short === undefined ? "    " : `-${row.short}, `;
  const value = row.value === undefined ? "" : ` ${row.value}`;
  const name = `  ${letter}--${row.long}${value}`;
  const [first, ...more] = wrapped(helpOf(row), HELP_COLUMN).split("\n");
  const text = first.slice(HELP_COLUMN);
  const begin = name.length + 2 > HELP_COLUMN
    ? `${name}\n${" ".repeat(HELP_COLUMN)}`
    : name.padEnd(HELP_COLUMN);
  return [begin + text, ...more].join("\n") + "\n";
}

/** What an option does, and that it does nothing. */
export function helpOf({ help, refused, changesNothing, section }: OptionRow): string {
  if (refused !== undefined) return `${help} (${refused})`;
  // There the heading says it.
  return changesNothing === true && section !== "other protocols"
    ? `${help} (understood, changes nothing)`
    : help;
}

/** Text in lines that begin at a column. */
function wrapped(text: string, column: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && column + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each) => " ".repeat(column) + each).join("\n");
}

function exitCodes(): string {
  const half = Math.ceil(EXIT_CODES.length / 2);
  const cell = ([code, meaning]: readonly [number, string]): string =>
    `${String(code).padStart(4)}  ${meaning}`;
  const rows = EXIT_CODES.slice(0, half).map((left, index) => {
    const right = EXIT_CODES.at(half + index);
    return right === undefined ? cell(left) : `${cell(left).padEnd(38)}${cell(right)}`;
  });
  return `Exit codes, curl's where it has one; without -f no status is a failure:\n${
    rows.join("\n")
  }\n`;
}
