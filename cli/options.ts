/**
 * From the words of the command line to what is to be done. Pure.
 *
 * @module
 */
import type { GetOptions } from "./get_options.ts";
import { getOptions } from "./group_options.ts";
import { GivenOptions } from "./given_options.ts";
import { parseRate } from "./option_values.ts";
import { type Given, optionRow, readWords } from "./option_words.ts";

/** What the command line asks for. */
export type Command =
  | { readonly kind: "help"; readonly topic: string | null }
  | { readonly kind: "version" }
  | { readonly kind: "demo" }
  | { readonly kind: "completions"; readonly shell: string }
  | { readonly kind: "man" }
  | { readonly kind: "curl"; readonly given: readonly Given[]; readonly follow: boolean }
  | GetCommand;

/** Requests to send. */
export interface GetCommand {
  readonly kind: "get";
  /** Those with the same options, in the order in which they are given; one at least. */
  readonly groups: readonly GetOptions[];
  /** How many transfers at once; 1: one after the other. */
  readonly parallel: number;
  /** Whether the first transfer that fails is the last. */
  readonly failEarly: boolean;
  /** Milliseconds from the beginning of one transfer to that of the next, one after the other; 0: none. */
  readonly intervalMs: number;
  readonly telling: TellingOptions;
}

/** What is told of all of them. Paths: `"-"` is standard output, `"%"` standard error. */
export interface TellingOptions {
  /** Every byte, or null. */
  readonly trace: { readonly path: string; readonly hasHex: boolean } | null;
  /** Whether each line says when. */
  readonly tellsTime: boolean;
  /** What stands in the place of standard error, or null. */
  readonly stderr: string | null;
  /** A record of every exchange, or null. */
  readonly har: { readonly path: string; readonly keepsSecrets: boolean } | null;
}

/** How many transfers are under way at once with `-Z`, as with curl. */
const PARALLEL = 50;

/**
 * Understands a command line that names no file of options.
 *
 * @throws {UsageError}
 */
export function parseCommand(args: readonly string[]): Command {
  return commandOf(readWords(args), "roundtrip");
}

/**
 * Understands options.
 *
 * @param habits Whose: to curl a redirect is not followed unless it is asked for.
 * @throws {UsageError}
 */
export function commandOf(given: readonly Given[], habits: "roundtrip" | "curl"): Command {
  if (given.length === 0 && habits === "roundtrip") return { kind: "demo" };
  const all = new GivenOptions(given);
  if (all.has("help")) return { kind: "help", topic: all.words[0] ?? null };
  if (all.has("version")) return { kind: "version" };
  const [first, second] = all.words;
  if (habits === "roundtrip" && first === "man" && all.words.length === 1) return { kind: "man" };
  if (habits === "roundtrip" && first === "completions") {
    return { kind: "completions", shell: second ?? "" };
  }
  const named = habits === "roundtrip" && first === "get" ? withoutFirstWord(given) : given;
  const follows = (options: GivenOptions): boolean =>
    options.has("location") || options.has("follow") ||
    (habits === "roundtrip" && !options.has("no-follow"));
  if (all.has("curl")) return { kind: "curl", given: named, follow: follows(all) };
  const parallel = all.count("parallel-max") ?? PARALLEL;
  const rate = all.text("rate");
  return {
    kind: "get",
    groups: groupsOf(named).map((group) => getOptions(group, follows(group))),
    parallel: all.has("parallel") ? Math.max(parallel, 1) : 1,
    failEarly: all.has("fail-early"),
    intervalMs: rate === null ? 0 : parseRate(rate),
    telling: tellingOf(all),
  };
}

function tellingOf(all: GivenOptions): TellingOptions {
  const trace = all.each("trace", "trace-ascii").at(-1);
  const har = all.text("har");
  return {
    trace: trace === undefined ? null : { path: trace.value!, hasHex: trace.row.long === "trace" },
    tellsTime: all.has("trace-time"),
    stderr: all.text("stderr"),
    har: har === null ? null : { path: har, keepsSecrets: all.has("har-secrets") },
  };
}

function withoutFirstWord(given: readonly Given[]): Given[] {
  const at = given.findIndex(({ row }) => row === null);
  return given.filter((_, index) => index !== at);
}

/** What stands between two `--next`. */
function groupsOf(given: readonly Given[]): GivenOptions[] {
  const next = optionRow("next");
  const groups: Given[][] = [[]];
  for (const each of given) {
    if (each.row === next) groups.push([]);
    else groups.at(-1)!.push(each);
  }
  return groups.map((group) => new GivenOptions(group));
}
