/**
 * The head of a request as it is sent, for people to read.
 *
 * @module
 */
import type { HttpRequest } from "../transport/message/http_request.ts";
import { outgoingRequest } from "../transport/message/outgoing.ts";
import { forwarderOf, parseProxies } from "../transport/route/route.ts";
import type { ChooseProxies } from "./proxies.ts";

/** How it is sent. */
export interface SentAs {
  readonly proxies: ChooseProxies | null;
  readonly isHttp2: boolean;
  /** Whether it is sent again without `Expect`. */
  readonly withoutExpect: boolean;
}

/** Its lines, without line ends. Credentials for a proxy are sent, and not among them. */
export function sentHead(request: HttpRequest, sent: SentAs): string[] {
  const proxies = parseProxies(sent.proxies?.(request));
  const forwarder = forwarderOf(request, { proxies });
  const { head } = outgoingRequest(request, {
    acceptEncoding: "",
    close: false,
    withoutExpect: sent.withoutExpect,
    forwarder: forwarder && { credentials: null },
    withoutProxyAuthorization: forwarder === null && sent.proxies !== null,
  });
  const lines = head.replace(/\r\n$/, "").split("\r\n");
  return sent.isHttp2 ? asHttp2(lines) : lines;
}

/** A head as HTTP/2 says it: names in lower case, and no fields about the connection. */
function asHttp2(lines: readonly string[]): string[] {
  const [first, ...fields] = lines;
  const kept = fields.filter((line) => !/^(?:connection|transfer-encoding):/i.test(line));
  return [
    first.replace(/HTTP\/1\.1$/, "HTTP/2"),
    ...kept.map((line) =>
      line.replace(/^[^:]*/, (name) => name.toLowerCase()).replace(/^host:/, ":authority:")
    ),
  ];
}
