/**
 * A transport that is answered by handlers of somebody else, from the platform's `Request` to its
 * `Response`: `msw`, a router, the `fetch` of a worker.
 *
 * @module
 */
import { callersOptions } from "../conn/callers_options.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import type { RoundTripper } from "../transport/transport.ts";
import type { TransportOptions } from "../transport/transport_options.ts";
import { answeringTransport } from "./answering_transport.ts";
import { answerOf, webRequest } from "./web_exchange.ts";

/** Answers a request, or says by undefined or null that it does not know it. */
export type WebHandler = (
  request: Request,
) => Response | undefined | null | Promise<Response | undefined | null>;

/** How the transport works. */
export interface HandlerTransportOptions {
  /** Sends what the handler does not know. Default: such a request fails with `ERR_BLOCKED`. */
  fallback?: RoundTripper;
  /** Options of the transport that sends to the handler; no dialer. */
  transport?: Omit<TransportOptions, "dialer">;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof HandlerTransportOptions>([
  "fallback",
  "transport",
]);

/** Headers that `msw` marks its responses with: to pass the request on. */
const PASSTHROUGH_HEADER = "x-msw-intention";

/**
 * Makes a transport whose requests a handler answers, each over a connection in memory. `Response.error()`
 * is a connection that is lost. For `msw`, the handler is its `getResponse`; what `passthrough()` marks goes to
 * `fallback`.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an option that is not known.
 *
 * @example With `msw`: `(request) => getResponse(handlers, request)`
 * ```ts
 * import { createFetch } from "@roundtrip/http";
 * import { handlerTransport } from "@roundtrip/http/testing";
 *
 * const fetch = createFetch({
 *   transport: handlerTransport((request) =>
 *     request.url.endsWith("/users/1") ? Response.json({ name: "Ada" }) : undefined
 *   ),
 * });
 * console.log(await (await fetch("https://api.test/users/1")).json());
 * ```
 */
export function handlerTransport(
  handler: WebHandler,
  options: HandlerTransportOptions = {},
): RoundTripper {
  const { fallback, transport = {} } = callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown option of handlerTransport "${printable(name)}"`),
  );
  if ("dialer" in transport) throw invalid("The transport of a handler has no dialer");
  return answeringTransport(async ({ recorded }, request) => {
    const web = webRequest(recorded);
    const response = web === null ? undefined : await handler(web);
    const isPassed = response?.headers.get(PASSTHROUGH_HEADER) === "passthrough";
    if (response === undefined || response === null || isPassed) {
      if (fallback === undefined) {
        const what = `${recorded.method} ${recorded.url}`;
        throw new HttpError(
          "ERR_BLOCKED",
          `No handler answers ${what}: add one, or give a fallback`,
          {
            phase: "client",
          },
        );
      }
      // Its body has been read: what was read is sent.
      const again = request.body === null ? request : request.with({ body: recorded.body });
      return { response: fallback.roundTrip(again) };
    }
    if (response.type === "error") {
      const error = new HttpError("ERR_CONNECTION_LOST", "The handler gave Response.error()", {
        phase: "response-header",
      });
      return { error };
    }
    return { answer: await answerOf(response, null) };
  }, { transport, clock: transport.clock ?? null });
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
