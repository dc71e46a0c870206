/**
 * The request that the command line states.
 *
 * @module
 */
import { basename } from "node:path";
import { takeCredentials } from "../client/url_credentials.ts";
import { decodableCodings } from "../http/content_coding.ts";
import { HttpRequest } from "../transport/http_request.ts";
import { parseUrlWithCredentials } from "../transport/message/request_url.ts";
import type { GetOptions } from "./options.ts";
import { requestBodyOf } from "./request_data.ts";

/**
 * Makes it, with what files and standard input say.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`.
 * @throws {FileError}
 */
export async function requestOf(
  options: GetOptions,
  stdin: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<HttpRequest> {
  const url = urlOf(options);
  const authorization = takeCredentials(url);
  const headers = [...options.headers];
  const addUnlessGiven = (name: string, value: string): void => {
    if (!headers.some(([given]) => given.toLowerCase() === name.toLowerCase())) {
      headers.push([name, value]);
    }
  };
  if (authorization !== null) addUnlessGiven("Authorization", authorization);
  if (options.cookies.length > 0) addUnlessGiven("Cookie", options.cookies.join("; "));
  if (options.compressed) addUnlessGiven("Accept-Encoding", decodableCodings().join(", "));
  if (options.data?.kind === "json") {
    addUnlessGiven("Content-Type", "application/json");
    addUnlessGiven("Accept", "application/json");
  } else if (options.data !== null) {
    addUnlessGiven("Content-Type", "application/x-www-form-urlencoded");
  }
  const init = {
    method: methodOf(options),
    headers,
    decompress: options.compressed,
    signal,
    timeoutMs: options.maxTimeMs,
  };
  // What is wrong with the rest is said before standard input is waited for.
  const request = new HttpRequest(url, init);
  const body = await requestBodyOf(options, stdin);
  return body === null ? request : request.with(body);
}

function methodOf({ method, data, form, upload }: GetOptions): string {
  if (method !== null) return method;
  if (upload !== null) return "PUT";
  return data !== null || form.length > 0 ? "POST" : "GET";
}

/** The URL with the credentials of `-u`, and, as curl does, the name of the file behind a slash. */
function urlOf({ url, user, upload }: GetOptions): URL {
  const target = parseUrlWithCredentials(url);
  if (upload !== null && upload !== "-" && target.pathname.endsWith("/")) {
    target.pathname += encodeURIComponent(basename(upload));
  }
  if (user !== null) {
    const [name] = user.split(":", 1);
    target.username = encodeURIComponent(name);
    target.password = encodeURIComponent(user.slice(name.length + 1));
  }
  return target;
}
