/**
 * TypeScript source with its comments, and the contents of its strings, blanked. Pure.
 *
 * @module
 */

/** A source text in three views of equal length and equal line breaks. */
export interface SourceText {
  readonly text: string;
  /** Comments are spaces. */
  readonly withoutComments: string;
  /** Comments and what strings and regular expressions hold are spaces; their delimiters stay. */
  readonly codeOnly: string;
}

const token =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'|[`{}/]/g;

/** What may stand before a regular expression but not before a division. */
const regexpMayFollow =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|await|yield))\s*$/;

const regexp = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//y;

/**
 * Blanks comments, and separately also the contents of strings, in a source text.
 *
 * Pure.
 */
export function readSource(text: string): SourceText {
  const blank = (part: string): string => part.replace(/[^\n]/g, " ");
  let withoutComments = "";
  let codeOnly = "";
  let done = 0;
  /** For each template literal that surrounds the place: how many braces are open in its `${}`. */
  const templates: number[] = [];

  function copyTo(end: number): void {
    withoutComments += text.slice(done, end);
    codeOnly += text.slice(done, end);
    done = end;
  }
  function blankTo(end: number, kind: "comment" | "string"): void {
    const part = text.slice(done, end);
    withoutComments += kind === "comment" ? blank(part) : part;
    codeOnly += kind === "comment" ? blank(part) : part[0] + blank(part.slice(1, -1)) + part.at(-1);
    done = end;
  }
  /** Goes from the start of a template's text to its end or to its next `${`. */
  function readTemplate(start: number): void {
    let end = start;
    while (end < text.length && text[end] !== "`" && !text.startsWith("${", end)) {
      end += text[end] === "\\" ? 2 : 1;
    }
    withoutComments += text.slice(done, end);
    codeOnly += blank(text.slice(done, end));
    done = end;
    if (text[end] === "`") {
      templates.pop();
      copyTo(end + 1);
    } else {
      copyTo(Math.min(end + 2, text.length));
    }
  }

  for (;;) {
    token.lastIndex = done;
    const found = token.exec(text);
    if (!found) break;
    copyTo(found.index);
    const end = found.index + found[0].length;
    if (found[0].startsWith("//") || found[0].startsWith("/*")) {
      blankTo(end, "comment");
    } else if (found[0] === "/") {
      regexp.lastIndex = done;
      const literal = regexpMayFollow.test(codeOnly.slice(-80)) ? regexp.exec(text) : null;
      if (literal) blankTo(done + literal[0].length, "string");
      else copyTo(end);
    } else if (found[0] === "`") {
      copyTo(end);
      templates.push(0);
      readTemplate(end);
    } else if (found[0] === "{") {
      copyTo(end);
      if (templates.length > 0) templates[templates.length - 1]++;
    } else if (found[0] === "}") {
      copyTo(end);
      if (templates.length > 0 && templates[templates.length - 1]-- === 0) {
        templates[templates.length - 1] = 0;
        readTemplate(end);
      }
    } else {
      blankTo(end, "string");
    }
  }
  copyTo(text.length);
  return { text, withoutComments, codeOnly };
}
