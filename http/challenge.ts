/**
 * What a server, or a proxy, says of how it wants to know who asks. Pure.
 *
 * @module
 */

/**
 * One challenge of `WWW-Authenticate` or `Proxy-Authenticate`.
 *
 * @see RFC 9110 section 11.3
 */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By name in lower case; each character of a value is one byte. */
  readonly params: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const PARAM = `(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))(?=\\s*(?:,|$))`;
// A parameter; or a scheme, with a token68 behind it or not.
const PART = new RegExp(
  `[\\s,]*(?:${PARAM}|(${TOKEN})(?:\\s+[A-Za-z0-9._~+/-]+=*(?=\\s*(?:,|$)))?(?=[\\s,]|$))`,
  "gsy",
);

/**
 * The challenges of field values, in their order. What cannot be read ends a value.
 *
 * @see RFC 9110 section 11.6.1
 */
export function challengesOf(values: readonly string[]): Challenge[] {
  return values.flatMap((value) => {
    const found: { scheme: string; params: Map<string, string> }[] = [];
    for (const [, name, quoted, token, scheme] of value.matchAll(PART)) {
      if (scheme !== undefined) found.push({ scheme: scheme.toLowerCase(), params: new Map() });
      else if (found.length === 0) break;
      else found.at(-1)!.params.set(name.toLowerCase(), paramValue(quoted, token));
    }
    return found;
  });
}

/**
 * The parameters of `Authentication-Info` or `Proxy-Authentication-Info`, by name in lower case.
 * What cannot be read ends a value.
 *
 * @see RFC 9110 section 11.6.3
 */
export function authenticationInfo(values: readonly string[]): Map<string, string> {
  const params: Map<string, string> = new Map();
  for (const value of values) {
    for (const [, name, quoted, token] of value.matchAll(new RegExp(`[\\s,]*${PARAM}`, "gsy"))) {
      params.set(name.toLowerCase(), paramValue(quoted, token));
    }
  }
  return params;
}

function paramValue(quoted: string | undefined, token: string): string {
  return quoted?.replace(/\\(.)/gs, "$1") ?? token;
}
