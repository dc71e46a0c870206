/**
 * Draws the state tables of `http1/` and `http2/` as the text of `docs/states.md`. Pure.
 *
 * @module
 */
import { CHUNKED_TABLE } from "../http1/chunked_reader.ts";
import { CONNECTION_TABLE } from "../http1/connection_state.ts";
import type { TransitionTable } from "../http/machine.ts";
import { REQUEST_TABLE } from "../http1/request_state.ts";
import { RESPONSE_TABLE } from "../http1/response_state.ts";
import { HTTP2_CONNECTION_TABLE } from "../http2/connection_state.ts";
import { STREAM_TABLE } from "../http2/stream_state.ts";

interface Machine {
  readonly title: string;
  readonly file: string;
  readonly initial: string;
  readonly table: TransitionTable<string, string>;
  /** Markdown, wrapped at 100 characters. */
  readonly about: string;
}

const machines: readonly Machine[] = [
  {
    title: "Connection",
    file: "http1/connection_state.ts",
    initial: "idle",
    table: CONNECTION_TABLE,
    about:
      "A persistent connection in the client's role. When an exchange ends, `mayReuse()` chooses between\n" +
      "`exchangeCompleted` and `lastExchangeCompleted`.",
  },
  {
    title: "Request",
    file: "http1/request_state.ts",
    initial: "head",
    table: REQUEST_TABLE,
    about:
      "A request that is being sent. After `withheld` the response is good and the connection is not;\n" +
      "after `aborted` a response is still waited for.",
  },
  {
    title: "Response",
    file: "http1/response_state.ts",
    initial: "head",
    table: RESPONSE_TABLE,
    about: "A response that is being read.",
  },
  {
    title: "Chunked coding",
    file: "http1/chunked_reader.ts",
    initial: "sizeFirst",
    table: CHUNKED_TABLE,
    about:
      "The chunked transfer coding, byte by byte; a run of `data` is one step. Where only a line feed ends\n" +
      "a size, `lf` follows without `cr` in `lenient`, and is refused in `strict`.",
  },
  {
    title: "HTTP/2 connection",
    file: "http2/connection_state.ts",
    initial: "opening",
    table: HTTP2_CONNECTION_TABLE,
    about:
      "A connection that carries many streams. While it is `retiring` no stream is opened on it.",
  },
  {
    title: "HTTP/2 stream",
    file: "http2/stream_state.ts",
    initial: "idle",
    table: STREAM_TABLE,
    about:
      "One exchange on an HTTP/2 connection, for either end. HEADERS that end the stream are two events.",
  },
];

/** Events of a row, gathered by the state to which they lead, in the order of the table. */
function targets(row: Readonly<Partial<Record<string, string>>>): Map<string, string[]> {
  const events: Map<string, string[]> = new Map();
  for (const [event, target] of Object.entries(row)) {
    const known = events.get(target!);
    if (known) known.push(event);
    else events.set(target!, [event]);
  }
  return events;
}

function diagram({ initial, table }: Machine): string {
  const lines = ["```mermaid", "stateDiagram-v2", `    [*] --> ${initial}`];
  for (const [state, row] of Object.entries(table)) {
    const next = targets(row);
    for (const [target, events] of next) {
      lines.push(`    ${state} --> ${target}: ${events.join("<br>")}`);
    }
    if (next.size === 0) lines.push(`    ${state} --> [*]`);
  }
  return [...lines, "```"].join("\n");
}

/** A table whose columns are as wide as their widest cell, as the formatter wants it. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[], fill: string): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column], fill)).join(" | ")} |`;
  const [head, ...others] = rows.map((row) => line(row, " "));
  return [head, line(widths.map(() => ""), "-"), ...others].join("\n");
}

function transitions(machine: Machine): string {
  const rows = Object.entries(machine.table).flatMap(([state, row]) => {
    const next = Object.entries(row);
    return next.length === 0
      ? [[`\`${state}\``, "none: the end", ""]]
      : next.map(([event, target]) => [`\`${state}\``, `\`${event}\``, `\`${target}\``]);
  });
  return table([["State", "Event", "Next state"], ...rows]);
}

/** The text of `docs/states.md`. */
export function drawStates(): string {
  const sections = machines.map((machine) =>
    `## ${machine.title}\n\n${machine.about}\nTable: [${machine.file}](../${machine.file}).\n\n` +
    `${diagram(machine)}\n\n${transitions(machine)}\n`
  );
  return "# States\n\n" +
    "Written by `deno run -A scripts/draw_states.ts` from the tables that the code runs on; a test fails\n" +
    "when they differ. An event that a state does not know is an `IllegalTransitionError`.\n\n" +
    sections.join("\n");
}
