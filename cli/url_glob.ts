/**
 * Brackets and braces in a URL, or in the path of a file to send, which stand for several: `[1-9]`, `[001-100:2]`, `[a-z]`, `{a,b}`.
 * Pure.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";

/** One URL, and what stood in the brackets of it, in their order. */
export interface GlobbedUrl {
  readonly url: string;
  readonly globbed: readonly string[];
}

/** A text that stays, or several that are taken in turns. */
type Piece = string | (() => Iterable<string>);

/** What a text is said to be. */
type What = "URL" | "path";

interface Globbed {
  readonly text: string;
  readonly what: What;
}

/**
 * The URLs that a text stands for, one after the other: the last brackets change first.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: brackets that do not end, or say nothing.
 */
export function globbedUrls(text: string): Iterable<GlobbedUrl> {
  return combined(piecesOf(text, "URL"));
}

/**
 * The paths that a text stands for, as {@linkcode globbedUrls}.
 *
 * @throws {HttpError} As there.
 */
export function* globbedPaths(text: string): Generator<string> {
  for (const { url } of combined(piecesOf(text, "path"))) yield url;
}

function* combined(pieces: readonly Piece[]): Generator<GlobbedUrl> {
  if (pieces.length === 0) {
    yield { url: "", globbed: [] };
    return;
  }
  const before = pieces.slice(0, -1);
  const last = pieces.at(-1)!;
  for (const { url, globbed } of combined(before)) {
    if (typeof last === "string") yield { url: url + last, globbed };
    else for (const value of last()) yield { url: url + value, globbed: [...globbed, value] };
  }
}

// An IPv6 address, whose brackets are its own.
const IPV6 = /^\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%[^\]]*)?\]/;

function piecesOf(text: string, what: What): Piece[] {
  const pieces: Piece[] = [];
  let plain = "";
  const end = (piece: Piece): void => {
    if (plain !== "") pieces.push(plain);
    plain = "";
    pieces.push(piece);
  };
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at);
    const literal = IPV6.exec(rest)?.[0] ?? /^\\[{}[\]]/.exec(rest)?.[0];
    if (literal !== undefined) {
      plain += literal.replace(/^\\/, "");
      at += literal.length;
    } else if (rest.startsWith("{") || rest.startsWith("[")) {
      const whole = (rest.startsWith("{") ? /^\{[^{}]*\}/ : /^\[[^[\]]*\]/).exec(rest)?.[0];
      if (whole === undefined) throw invalid({ text, what }, at, "it does not end");
      if (whole.length === 2) throw invalid({ text, what }, at, "nothing stands in it");
      end(whole.startsWith("{") ? listOf(whole) : rangeOf(whole, { text, what }, at));
      at += whole.length;
    } else if (rest.startsWith("}") || rest.startsWith("]")) {
      throw invalid({ text, what }, at, "it does not begin");
    } else {
      plain += text[at++];
    }
  }
  if (plain !== "") pieces.push(plain);
  return pieces;
}

function listOf(whole: string): Piece {
  const values = whole.slice(1, -1).split(",");
  return () => values;
}

function rangeOf(whole: string, of: Globbed, at: number): Piece {
  const [, first, last, by] =
    /^\[([0-9]{1,15}|[a-zA-Z])-([0-9]{1,15}|[a-zA-Z])(?::([0-9]{1,9}))?\]$/.exec(whole) ?? [];
  const step = Number(by ?? 1);
  const isNumbers = /^[0-9]/.test(first ?? "");
  if (first === undefined || step === 0 || isNumbers !== /^[0-9]/.test(last)) {
    throw invalid(of, at, "it is no range such as [1-9] or [a-z:2]");
  }
  const [from, to] = isNumbers
    ? [Number(first), Number(last)]
    : [first.charCodeAt(0), last.charCodeAt(0)];
  if (to < from) throw invalid(of, at, "it goes backwards");
  // As many digits as the first has, where that begins with a zero.
  const width = first.startsWith("0") ? first.length : 0;
  return function* (): Generator<string> {
    for (let value = from; value <= to; value += step) {
      yield isNumbers ? String(value).padStart(width, "0") : String.fromCharCode(value);
    }
  };
}

function invalid({ text, what }: Globbed, at: number, why: string): HttpError {
  return new HttpError(
    "ERR_INVALID_REQUEST",
    `Cannot read "${text[at]}" at ${at + 1} of ${what} "${text}": ${why} (-g takes it as it is)`,
    { phase: "client" },
  );
}
