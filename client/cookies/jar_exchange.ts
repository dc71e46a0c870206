/**
 * One exchange with the cookies of a jar: they go with the request, and those of the answer into it.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import { afterAttempts } from "../../transport/attempt.ts";
import type { HttpRequest } from "../../transport/message/http_request.ts";
import { attemptsOf, type HttpResponse } from "../../transport/message/http_response.ts";
import { discardBody } from "../../transport/message/request_body.ts";
import type { RoundTripper } from "../../transport/transport.ts";
import type { TimeLeft } from "../time_left.ts";
import { type CookieJar, setCookies, withCookies } from "./cookie_jar.ts";

/**
 * Sends a request with what the jar has for it, and gives the jar what the answer sets.
 *
 * @param time What is left for the request and for what the jar takes.
 * @throws {HttpError} As `Transport.roundTrip`. Or what the jar throws.
 */
export async function jarExchange(
  request: HttpRequest,
  jar: CookieJar,
  transport: RoundTripper,
  time: TimeLeft,
): Promise<HttpResponse> {
  const { url, signal } = request;
  let ready: HttpRequest;
  try {
    signal?.throwIfAborted();
    const cookies: unknown = await time.wait(jar.getCookieHeader(url), signal);
    if (typeof cookies !== "string") throw gaveNoString();
    const headers = withCookies(request.headers, cookies);
    ready = request.with({ headers, timeoutMs: time.timeoutMs });
  } catch (error) {
    // No transport will.
    discardBody(request.body);
    throw error;
  }
  const response = await transport.roundTrip(ready);
  try {
    for (const setCookie of setCookies(response.headers)) {
      await time.wait(jar.setCookie(url, setCookie), signal);
    }
  } catch (error) {
    const attempts = attemptsOf(response);
    await response.body.close();
    throw afterAttempts(error, attempts, signal);
  }
  return response;
}

function gaveNoString(): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", "The cookie jar gave no string", { phase: "client" });
}
