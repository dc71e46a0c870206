/**
 * Cookies in a file, in the format that curl and Netscape's browser write: one cookie a line, seven
 * fields with tabs between them.
 *
 * @module
 */
import { readFile, writeFile } from "node:fs/promises";
import { MemoryCookieJar, type StoredCookie } from "../client/cookies/memory_cookie_jar.ts";
import { OutputError } from "./fd_output.ts";
import { FileError } from "./file_error.ts";

const HEADING = "# Netscape HTTP Cookie File\n\n";

/** Before the domain of cookies that scripts must not see. */
const HTTP_ONLY = "#HttpOnly_";

/**
 * A jar with the cookies of files. A file that is not there has none; what is no cookie is passed
 * over, as curl does.
 *
 * @param dropsSession Whether cookies that end with the session are left out.
 * @throws {FileError}
 */
export async function readCookieFiles(
  paths: readonly string[],
  dropsSession = false,
): Promise<MemoryCookieJar> {
  const cookies: StoredCookie[] = [];
  for (const path of paths) {
    for (const line of (await textOf(path)).split(/\r?\n/)) {
      const cookie = cookieOf(line);
      if (cookie !== null && !(dropsSession && cookie.expires === null)) cookies.push(cookie);
    }
  }
  return MemoryCookieJar.fromJSON({ version: 1, cookies });
}

/**
 * Writes the cookies of a jar, readable for nobody else where the file is new.
 *
 * @throws {OutputError}
 */
export async function writeCookieFile(path: string, jar: MemoryCookieJar): Promise<void> {
  const lines = jar.toJSON().cookies.map(lineOf);
  try {
    await writeFile(path, HEADING + lines.join(""), { encoding: "latin1", mode: 0o600 });
  } catch (cause) {
    throw new OutputError(path, cause);
  }
}

async function textOf(path: string): Promise<string> {
  try {
    // Each character of a cookie is one byte.
    return await readFile(path, "latin1");
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ENOENT") return "";
    throw new FileError(path, cause);
  }
}

function cookieOf(line: string): StoredCookie | null {
  const httpOnly = line.startsWith(HTTP_ONLY);
  const fields = (httpOnly ? line.slice(HTTP_ONLY.length) : line).split("\t");
  if (line.startsWith("#") && !httpOnly || fields.length !== 7) return null;
  const [domain, subdomains, path, secure, expires, name, value] = fields;
  if (!/^[0-9]{1,12}$/.test(expires) || domain === "" || name === "") return null;
  return {
    name,
    value,
    domain: domain.replace(/^\./, "").toLowerCase(),
    hostOnly: subdomains !== "TRUE",
    path,
    secure: secure === "TRUE",
    httpOnly,
    sameSite: null,
    expires: expires === "0" ? null : new Date(Number(expires) * 1000).toISOString(),
  };
}

function lineOf(cookie: StoredCookie): string {
  const { name, value, domain, hostOnly, path, secure, httpOnly, expires } = cookie;
  const flag = (is: boolean): string => is ? "TRUE" : "FALSE";
  const seconds = expires === null ? 0 : Math.ceil(Date.parse(expires) / 1000);
  const fields = [
    (httpOnly ? HTTP_ONLY : "") + (hostOnly ? domain : `.${domain}`),
    ...[flag(!hostOnly), path, flag(secure), seconds, name, value],
  ];
  return fields.join("\t") + "\n";
}
