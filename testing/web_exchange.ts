/**
 * The platform's `Request` and `Response`, from and to what a test server reads and writes.
 *
 * @module
 */
import type { RecordedRequest } from "./recorded_request.ts";
import type { ServedAnswer } from "./served_connection.ts";
import type { WireFault } from "./wire_fault.ts";

/** Methods that the platform's `Request` refuses. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);

/** The request as the platform's; null where the platform has none of that kind. */
export function webRequest(recorded: RecordedRequest): Request | null {
  const { method, url, headers, body } = recorded;
  if (REFUSED_METHODS.has(method.toUpperCase()) || !URL.canParse(url)) return null;
  const hasBody = body.length > 0 && method !== "GET" && method !== "HEAD";
  return new Request(url, { method, headers: headers.toWeb(), body: hasBody ? body : null });
}

/**
 * The response as it is sent. A stream goes out as it comes, unless `Content-Length` is stated: all
 * of it is read first then.
 */
export async function answerOf(
  response: Response,
  fault: WireFault | null,
): Promise<ServedAnswer> {
  const { body } = response;
  const isStated = response.headers.has("content-length");
  return {
    status: response.status,
    statusText: response.statusText,
    headers: [...response.headers],
    content: body === null
      ? null
      : isStated
      ? new Uint8Array(await response.arrayBuffer())
      : piecesOf(body),
    fault,
  };
}

/** Not by the stream's own iterator, which some platforms do not have. */
async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = stream.getReader();
  let isRead = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    isRead = true;
  } finally {
    // Nobody wants the rest.
    if (!isRead) reader.cancel().catch(() => {});
  }
}
