/**
 * Whether a request is the one that was expected, and what differs.
 *
 * @module
 */
import type { RecordedRequest } from "./recorded_request.ts";

/** A URL to expect: the same one, a path at any origin, a pattern, or what says yes. */
export type UrlMatcher =
  | string
  | URL
  | { test(url: string): boolean }
  | ((url: URL) => boolean);

/** A field to expect: its value, a pattern, what says yes, or null where it must be missing. */
export type HeaderMatcher = string | RegExp | ((value: string | null) => boolean) | null;

/**
 * A body to expect: text, a pattern for its text, bytes, a form, what says yes; or else a value that its
 * JSON has to equal.
 */
export type BodyMatcher =
  | string
  | RegExp
  | Uint8Array
  | URLSearchParams
  | FormData
  | ((request: RecordedRequest) => boolean)
  | object;

/** What a request has to look like. */
export interface ExpectedRequest {
  readonly method: string;
  readonly url: UrlMatcher;
  readonly headers: Readonly<Record<string, HeaderMatcher>>;
  /** Undefined: any. Null: none. */
  readonly body: BodyMatcher | null | undefined;
}

/** What differs, in lines; none: it is the one. */
export async function differences(
  expected: ExpectedRequest,
  request: RecordedRequest,
): Promise<string[]> {
  const found: string[] = [];
  if (expected.method !== "*" && expected.method !== request.method) {
    found.push(differs("method", expected.method, request.method));
  }
  if (!matchesUrl(expected.url, request.url)) {
    found.push(differs("URL", shownUrl(expected.url), request.url));
  }
  for (const [name, matcher] of Object.entries(expected.headers)) {
    const value = request.headers.get(name);
    if (!matchesHeader(matcher, value)) {
      found.push(differs(`header ${name}`, shownMatcher(matcher), shown(value)));
    }
  }
  const { body } = expected;
  if (body !== undefined && !await matchesBody(body, request)) {
    found.push(differs("body", shownMatcher(body), shownBody(request)));
  }
  return found;
}

function matchesUrl(matcher: UrlMatcher, url: string): boolean {
  if (typeof matcher === "function") return matcher(new URL(url));
  if (matcher instanceof URL) return matcher.href === new URL(url).href;
  if (typeof matcher === "string") {
    const { href, pathname, search } = new URL(url);
    return matcher.startsWith("/")
      ? matcher === pathname + search
      : new URL(matcher).href.replace(/#.*$/, "") === href;
  }
  // A pattern with a memory must not remember.
  if (matcher instanceof RegExp) matcher.lastIndex = 0;
  return matcher.test(url);
}

function matchesHeader(matcher: HeaderMatcher, value: string | null): boolean {
  if (typeof matcher === "function") return matcher(value);
  if (matcher instanceof RegExp) return value !== null && new RegExp(matcher).test(value);
  return matcher === value;
}

async function matchesBody(
  matcher: BodyMatcher | null,
  request: RecordedRequest,
): Promise<boolean> {
  if (matcher === null) return request.body.length === 0;
  if (typeof matcher === "function") return (matcher as (r: RecordedRequest) => boolean)(request);
  if (typeof matcher === "string") return matcher === request.text();
  if (matcher instanceof RegExp) return new RegExp(matcher).test(request.text());
  if (matcher instanceof Uint8Array) return sameBytes(matcher, request.body);
  if (matcher instanceof URLSearchParams) {
    return sameLists([...matcher], [...new URLSearchParams(request.text())]);
  }
  if (matcher instanceof FormData) {
    const sent = await formOf(request);
    return sent !== null && sameLists(await entriesOf(matcher), await entriesOf(sent));
  }
  try {
    return isEqual(matcher, request.json());
  } catch {
    return false;
  }
}

async function formOf(request: RecordedRequest): Promise<FormData | null> {
  const headers = { "Content-Type": request.headers.get("content-type") ?? "" };
  try {
    return await new Response(request.body, { headers }).formData();
  } catch {
    return null;
  }
}

async function entriesOf(form: FormData): Promise<[string, string][]> {
  return await Promise.all(
    [...form].map(async ([name, value]): Promise<[string, string]> =>
      typeof value === "string"
        ? [name, value]
        : [name, `${value.name}\n${value.type}\n${await value.text()}`]
    ),
  );
}

function sameLists(a: [string, string][], b: [string, string][]): boolean {
  return a.length === b.length &&
    a.every(([name, value], i) => b[i][0] === name && b[i][1] === value);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** As JSON sees them: what is undefined is not there. */
function isEqual(expected: unknown, value: unknown): boolean {
  if (typeof expected !== "object" || expected === null) return Object.is(expected, value);
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(expected) !== Array.isArray(value)) return false;
  const wanted = JSON.parse(JSON.stringify(expected));
  const names = Object.keys(wanted);
  return names.length === Object.keys(value).length &&
    names.every((name) =>
      Object.hasOwn(value, name) && isEqual(wanted[name], (value as Record<string, unknown>)[name])
    );
}

/** An expected request in one line. */
export function shownExpected({ method, url }: ExpectedRequest): string {
  return `${method} ${shownUrl(url)}`;
}

function shownUrl(url: UrlMatcher): string {
  if (typeof url === "function") return `where ${cut(`${url}`)}`;
  return `${url}`;
}

function shownMatcher(matcher: HeaderMatcher | BodyMatcher): string {
  if (typeof matcher === "function") return `where ${cut(`${matcher}`)}`;
  if (matcher === null || typeof matcher === "string") return shown(matcher);
  if (matcher instanceof RegExp) return `${matcher}`;
  if (matcher instanceof Uint8Array) {
    return `${matcher.length} bytes: ${cut([...matcher].join(" "))}`;
  }
  if (matcher instanceof URLSearchParams) return `a form: ${cut(`${matcher}`)}`;
  if (matcher instanceof FormData) return `a form with ${[...matcher.keys()].join(", ")}`;
  return cut(JSON.stringify(matcher));
}

function shownBody(request: RecordedRequest): string {
  if (request.body.length === 0) return "none";
  const text = request.text();
  // What is no text is not shown as one.
  // deno-lint-ignore no-control-regex
  return /[\x00-\x08\ufffd]/.test(text)
    ? `${request.body.length} bytes: ${cut([...request.body].join(" "))}`
    : cut(text);
}

function shown(value: string | null): string {
  return value === null ? "none" : cut(JSON.stringify(value));
}

function differs(what: string, expected: string, actual: string): string {
  return `${what}: expected ${expected}, was ${actual}`;
}

function cut(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}
