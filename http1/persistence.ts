/**
 * Whether a connection outlives a message.
 *
 * @module
 */
import type { FieldLines } from "../http/field_lines.ts";
import { listMembers } from "../http/grammar.ts";

/**
 * The options of the `Connection` field, in lower case.
 *
 * Pure.
 *
 * @see RFC 9110 section 7.6.1
 */
export function connectionOptions(values: Iterable<string>): string[] {
  return listMembers(values).map((option) => option.toLowerCase());
}

/**
 * Whether the sender of this head means to keep the connection.
 *
 * Pure.
 *
 * @see RFC 9112 section 9.3
 */
export function isPersistent(head: { minorVersion: 0 | 1; fields: FieldLines }): boolean {
  const { fields } = head;
  if (fields.connection === -1) return head.minorVersion === 1;
  // What nearly every server that says something says.
  if (!fields.isRepeated && fields.value(fields.connection) === "keep-alive") return true;
  const options = connectionOptions(fields.valuesFrom(fields.connection));
  if (options.includes("close")) return false;
  return head.minorVersion === 1 || options.includes("keep-alive");
}
