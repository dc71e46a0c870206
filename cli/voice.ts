/**
 * How what happens is said: on a terminal in the manner of curl's `-v`, or among the bytes of a trace.
 *
 * @module
 */
import type { Paint } from "./colours.ts";
import type { TraceDump } from "./trace_dump.ts";

/** Says what happens. */
export interface Voice {
  /** Something has happened. */
  note(text: string): void;
  /** A head is sent, or comes. */
  head(mark: ">" | "<", lines: readonly string[]): void;
}

/** What stands before each line: when it is, or nothing. Local time, to the millisecond. */
export function timeStamp(tellsTime: boolean): () => string {
  if (!tellsTime) return () => "";
  const digits = (value: number, count = 2): string => String(value).padStart(count, "0");
  return () => {
    const now = new Date();
    const clock = [now.getHours(), now.getMinutes(), now.getSeconds()].map((each) => digits(each));
    return `${clock.join(":")}.${digits(now.getMilliseconds(), 3)} `;
  };
}

/** `*` what happens, `>` what is sent, `<` what comes. */
export function shownVoice(
  write: (text: string) => void,
  paint: Paint,
  stamp: () => string = () => "",
): Voice {
  return {
    note: (text) => write(`${stamp()}${paint("dim", `* ${visible(text)}`)}\n`),
    head: (mark, lines) => {
      const style = mark === ">" ? "cyan" : "green";
      const marked = lines.map((line) =>
        `${stamp()}${paint(style, mark)} ${visible(line)}`.trimEnd() + "\n"
      );
      write(marked.join(""));
    },
  };
}

/** What happens; heads are among the bytes. */
export function tracedVoice(dump: TraceDump): Voice {
  return { note: (text) => dump.info(visible(text)), head: () => {} };
}

/** Text that came from a peer must not command the terminal. */
function visible(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
