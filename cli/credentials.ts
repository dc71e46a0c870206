/**
 * Who asks, and how that is proven: from `-u`, the URL, a `.netrc` file or a question.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { takeCredentials } from "../client/url_credentials.ts";
import type { CliIo } from "./cli_io.ts";
import { FileError } from "./file_error.ts";
import { type Credentials, netrcCredentials } from "./netrc.ts";
import type { GetOptions, NetrcOption } from "./get_options.ts";

/**
 * Takes the credentials off a URL, and finds those that count: `-u` first, then those of a `.netrc`
 * file, which give way to the URL's where they are optional.
 *
 * @param user `-u`, with its password.
 * @param url Changed.
 * @throws {FileError}
 */
export async function credentialsFor(
  { netrc }: Pick<GetOptions, "netrc">,
  user: Credentials | null,
  url: URL,
  env: CliIo["env"],
): Promise<Credentials | null> {
  const inUrl = { name: decoded(url.username), password: decoded(url.password) };
  url.username = "";
  url.password = "";
  if (user !== null) return user;
  const isWhole = inUrl.password !== "";
  if (netrc !== null && !(netrc.isOptional && isWhole)) {
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    // As with curl, those of the URL say nothing where the file must be asked.
    const name = netrc.isOptional ? inUrl.name : "";
    const found = netrcCredentials(await netrcText(netrc, env), host, name);
    if (found !== null) return found;
  }
  return inUrl.name === "" && !isWhole ? null : inUrl;
}

/** `-u`; a password that is missing is asked for, once. */
export async function userOf(
  { user }: Pick<GetOptions, "user">,
  io: CliIo,
): Promise<Credentials | null> {
  if (user === null) return null;
  const [name] = user.split(":", 1);
  if (user.length > name.length) return { name, password: user.slice(name.length + 1) };
  // As with curl, nobody to ask is an empty password.
  const password = await io.askSecret?.(`Password of ${name}: `) ?? "";
  return { name, password };
}

/**
 * The value of `Authorization` that shows both.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a colon in the name, or a control character.
 */
export function basic({ name, password }: Credentials): string {
  const url = new URL("http://host/");
  url.username = encodeURIComponent(name);
  url.password = encodeURIComponent(password);
  return takeCredentials(url) ?? `Basic ${btoa(":")}`;
}

async function netrcText({ file, isOptional }: NetrcOption, env: CliIo["env"]): Promise<string> {
  const path = file ?? join(env["HOME"] ?? homedir(), ".netrc");
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    // As with curl, the usual file may be missing.
    const isMissing = (cause as { code?: unknown }).code === "ENOENT";
    if (isMissing && (file === null || isOptional)) return "";
    throw new FileError(path, cause);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that encodes nothing stands for itself.
    return text;
  }
}
