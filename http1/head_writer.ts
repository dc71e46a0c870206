/**
 * Makes the text of message heads. Every part is checked here or was checked when it was given;
 * the result holds only characters U+0000 to U+00FF, one byte each. Pure.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { isFieldValue, isToken } from "../http/grammar.ts";

const TARGET = /^[\x21-\x7e]+$/;
const CONNECT_TARGET = /^(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]+):[0-9]{1,5}$/;

/**
 * The request line.
 *
 * @param method A token; case is kept.
 * @param requestTarget Origin-form, absolute-form, authority-form or `*`; VCHAR only.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a method that is no token, or a target with a
 * character that may not be sent.
 * @see RFC 9112 section 3
 */
export function requestLine(method: string, requestTarget: string): string {
  checkMethod(method);
  checkRequestTarget(method, requestTarget);
  return method + " " + requestTarget + " HTTP/1.1\r\n";
}

/**
 * One field line.
 *
 * @param name A token that was checked.
 * @param value A field value that was checked.
 * @see RFC 9112 section 5
 */
export function fieldLine(name: string, value: string): string {
  return name + ": " + value + "\r\n";
}

/**
 * What ends a head, after its last field line.
 *
 * @see RFC 9112 section 2.1
 */
export const HEAD_END = "\r\n";

/**
 * The head of a response.
 *
 * @param statusCode Integer 100..999.
 * @param reasonPhrase May be empty.
 * @param fields Checked field lines, in the order in which they are sent.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a status code out of range, a reason phrase with a
 * character that may not be sent.
 * @see RFC 9112 section 4
 */
export function responseHead(
  statusCode: number,
  reasonPhrase: string,
  fields: Iterable<readonly [string, string]>,
): string {
  if (!Number.isInteger(statusCode) || statusCode < 100 || statusCode > 999) {
    throw invalid(`Cannot send status code ${statusCode}`);
  }
  if (!isFieldValue(reasonPhrase)) {
    throw invalid(`Cannot send reason phrase "${printable(reasonPhrase)}"`);
  }
  let text = `HTTP/1.1 ${statusCode} ${reasonPhrase}\r\n`;
  for (const [name, value] of fields) text += fieldLine(name, value);
  return text + HEAD_END;
}

/**
 * Refuses a method that is no token.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`.
 * @see RFC 9110 section 9.1
 */
export function checkMethod(method: string): void {
  if (!isToken(method)) {
    throw invalid(`Cannot use method "${printable(method)}": not a token`);
  }
}

/**
 * Refuses a request target that could be read as anything else.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`.
 * @see RFC 9112 section 3.2
 */
export function checkRequestTarget(method: string, requestTarget: string): void {
  const valid = method === "CONNECT"
    ? CONNECT_TARGET.test(requestTarget)
    : TARGET.test(requestTarget);
  if (!valid) {
    throw invalid(`Cannot use request target "${printable(requestTarget)}"`);
  }
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}
