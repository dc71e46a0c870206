/**
 * The charset of text: what `Content-Type` calls it, and who decodes it.
 *
 * @module
 */

/** One parameter of a media type, from its semicolon on. A quoted value may end with the text. */
const PARAMETER = /;[ \t]*(?:([^;="]*)=(?:"((?:[^"\\]|\\.)*)(?:"|$)|([^;]*)))?[^;]*/y;

/**
 * What the first parameter `charset` of a media type says, or null if there is none or it is empty.
 *
 * Pure.
 *
 * @see RFC 9110 section 8.3.2
 */
export function charsetOf(contentType: string): string | null {
  const first = contentType.indexOf(";");
  if (first === -1) return null;
  PARAMETER.lastIndex = first;
  for (let found = PARAMETER.exec(contentType); found; found = PARAMETER.exec(contentType)) {
    const [, name, quoted, plain] = found;
    if (name?.trim().toLowerCase() !== "charset") continue;
    const charset = (quoted?.replace(/\\(.)/g, "$1") ?? plain).trim();
    return charset === "" ? null : charset;
  }
  return null;
}

const UTF_8 = /^utf-?8$/i;

const utf8 = new TextDecoder();

/**
 * Bytes as text, without a byte order mark; null: the platform does not know the charset.
 *
 * @param charset Null: none was stated, and it is UTF-8.
 */
export function decodeText(bytes: Uint8Array, charset: string | null): string | null {
  if (charset === null || UTF_8.test(charset)) return utf8.decode(bytes);
  let decoder: Pick<typeof utf8, "decode">;
  try {
    decoder = new TextDecoder(charset);
  } catch {
    // How the platform says that it has none; it throws for nothing else.
    return null;
  }
  return decoder.decode(bytes);
}
