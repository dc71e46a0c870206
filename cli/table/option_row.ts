/**
 * What one row of the table of options says.
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
  | "other"
  | "other protocols";

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

/** An option as it is spelled, and what it does: `"-2 sslv2"`, `"engine NAME"`. */
export type SpelledOption = readonly [spelling: string, help: string];

/** Rows of options that are refused for one reason. */
export function refusedRows(
  section: OptionSection,
  refused: string,
  options: readonly SpelledOption[],
): OptionRow[] {
  return options.map((option) => ({ ...spelledRow(section, option), refused }));
}

/** Rows of options that are understood and change nothing. */
export function idleRows(section: OptionSection, options: readonly SpelledOption[]): OptionRow[] {
  return options.map((option) => ({ ...spelledRow(section, option), changesNothing: true }));
}

function spelledRow(section: OptionSection, [spelling, help]: SpelledOption): OptionRow {
  const [, short, long, value] = /^(?:-(.) )?(\S+)(?: (.+))?$/.exec(spelling)!;
  return {
    long,
    ...short === undefined ? {} : { short },
    ...value === undefined ? {} : { value },
    section,
    help,
  };
}
