/**
 * The manual page, made from the table of options. Pure.
 *
 * @module
 */
import { type OptionRow, OPTIONS, type OptionSection, SECTIONS } from "./option_table.ts";
import { EXIT_CODES, helpOf } from "./usage.ts";

/** The page as roff, for `man -l`. */
export function manPage(version: string): string {
  const sections = (Object.keys(SECTIONS) as OptionSection[]).map((section) =>
    `.SS ${SECTIONS[section]}\n` +
    OPTIONS.filter((row) => row.section === section).map(optionText).join("")
  );
  const codes = EXIT_CODES.map(([code, meaning]) => `.TP\n.B ${code}\n${escaped(meaning)}\n`);
  return `.TH ROUNDTRIP 1 "" "roundtrip ${version}"
.SH NAME
roundtrip \\- send HTTP requests, with the options of curl
.SH SYNOPSIS
.B roundtrip
[\\fBget\\fR] \\fIURL\\fR... [\\fIoptions\\fR]
.br
.B roundtrip
\\(aqcurl ...\\(aq
.br
.B roundtrip completions
bash|zsh|fish
.SH DESCRIPTION
Sends HTTP requests and writes the response bodies to standard output. Without a URL it shows what
the transport does, against a server of its own.
.PP
A curl line that is pasted as one argument runs as it is: it is parsed, and never given to a shell. What only
a shell can do, such as running another program, is refused.
.SH OPTIONS
${sections.join("")}.SH EXIT STATUS
The numbers are those of curl where it has one.
${codes.join("")}.SH ENVIRONMENT
.TP
.B HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY
Proxies, unless \\-x or \\-q is given.
.TP
.B SSLKEYLOGFILE
A file to which the secrets of TLS connections are added, for programs that look into what was recorded.
On Deno its own engine does that, which is not the one for \\-\\-cacert, \\-\\-cert and \\-k.
.TP
.B NO_COLOR, TERM
Whether there are colours in a terminal.
.SH SEE ALSO
.BR curl (1)
`;
}

function optionText(row: OptionRow): string {
  const names = row.short === undefined ? `--${row.long}` : `-${row.short}, --${row.long}`;
  const value = row.value === undefined ? "" : ` \\fI${escaped(row.value)}\\fR`;
  const help = helpOf(row);
  return `.TP\n\\fB${escaped(names)}\\fR${value}\n${
    escaped(help.charAt(0).toUpperCase() + help.slice(1))
  }.\n`;
}

/** A dot or a quote at the beginning of a line would be a command. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");
}
