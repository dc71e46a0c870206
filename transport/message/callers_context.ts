/**
 * Where a request's own callbacks are called: where the request was made, whoever sets them off.
 *
 * @module
 */
import { type AsyncContext, asyncContext } from "../../conn/runtimes/async_context.ts";
import type { HttpRequest } from "./http_request.ts";
import { isReplayable } from "./request_body.ts";

/**
 * The context of whoever calls this, for the callbacks of a request. Null: it has none, and so needs
 * no context, or the runtime has no contexts.
 */
export function callersContext(request: HttpRequest): AsyncContext | null {
  return callsBack(request) ? asyncContext() : null;
}

/** Whether code of the caller's is called for it: hooks, or what produces its body and trailers. */
function callsBack(
  { trace, onUploadProgress, onDownloadProgress, trailers, body }: HttpRequest,
): boolean {
  return trace !== null || onUploadProgress !== null || onDownloadProgress !== null ||
    typeof trailers === "function" || typeof body === "function" || !isReplayable(body);
}
