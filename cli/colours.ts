/**
 * Colours for those who see them.
 *
 * @module
 */
import { styleText } from "node:util";

/** The styles that the program uses. */
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Gives a text a style, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/**
 * Colours for a terminal; none elsewhere, where `NO_COLOR` is set, or where `TERM` is `dumb`.
 *
 * @see https://no-color.org
 */
export function paintFor(
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): Paint {
  const coloured = isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  return coloured
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_style, text) => text;
}
