/**
 * The text of `-w`, with what is known of a transfer put into it. Pure.
 *
 * @module
 */
import type { HttpHeaders } from "../http/http_headers.ts";
import type { Fact } from "./transfer_facts.ts";

/** What is written where, in the order in which it is. */
export interface WriteOut {
  readonly to: "stdout" | "stderr";
  readonly text: string;
}

/** What there is to tell. */
export interface Telling {
  readonly facts: ReadonlyMap<string, Fact>;
  /** Of the last response, or null: there is none. */
  readonly headers: HttpHeaders | null;
}

/** Of these there is only one number or text; the others of `%{json}` are numbers. */
const NUMBERS = /^(?:exitcode|http_code|http_connect|response_code|time_.*)$/;

const PATTERN = /%(?:%|\{([^}]*)\}|header\{([^}]*)\})|\\(n|r|t|.)|[^%\\]+|[%\\]/gs;

/**
 * Fills a format: `%{name}`, `%header{name}`, `%{json}`, `%{header_json}`, `%{stdout}`, `%{stderr}`,
 * `%{onerror}`, `%%`, `\n`, `\r`, `\t`. What has an unknown name is told of.
 */
export function writeOut(format: string, { facts, headers }: Telling): WriteOut[] {
  const pieces: WriteOut[] = [];
  let to: WriteOut["to"] = "stdout";
  const add = (text: string): void => void pieces.push({ to, text });
  for (const [whole, name, header, escape] of format.matchAll(PATTERN)) {
    if (whole === "%%") add("%");
    else if (escape !== undefined) add({ n: "\n", r: "\r", t: "\t" }[escape] ?? whole);
    else if (header !== undefined) add(headers?.get(header) ?? "");
    else if (name === undefined) add(whole);
    else if (name === "stdout" || name === "stderr") to = name;
    else if (name === "onerror") { if (facts.get("exitcode") === 0) break; }
    else if (name === "json") add(factsJson(facts));
    else if (name === "header_json") add(headersJson(headers));
    else if (facts.has(name)) add(String(facts.get(name) ?? ""));
    else pieces.push({ to: "stderr", text: `roundtrip: -w knows no %{${name}}\n` });
  }
  return pieces;
}

function factsJson(facts: ReadonlyMap<string, Fact>): string {
  const values = [...facts].map(([name, value]) => {
    const isNumber = typeof value === "string" && NUMBERS.test(name);
    // A time keeps its digits.
    const shown = isNumber ? value.replace(/^0+(?=[0-9])/, "") : JSON.stringify(value);
    return `${JSON.stringify(name)}:${shown}`;
  });
  return `{${values.join(",")}}`;
}

/** Names in lower case, each with all of its values. */
function headersJson(headers: HttpHeaders | null): string {
  const values: Map<string, string[]> = new Map();
  for (const [name, value] of headers ?? []) {
    const key = name.toLowerCase();
    values.set(key, [...values.get(key) ?? [], value]);
  }
  return JSON.stringify(Object.fromEntries(values), null, 1);
}
