/**
 * What a transport writes for a request, byte for byte, over a scripted connection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpRequest, type HttpRequestInit, type HttpResponse, Transport } from "../../mod.ts";
import type { TransportOptions } from "../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../testing/mod.ts";
import { until } from "./waiting.ts";

/** The answer of the scripts when nothing else matters. */
export const NO_CONTENT = "HTTP/1.1 204 No Content\r\n\r\n";

/** What to send and what is expected to come of it. */
export interface SentCase {
  /** @default {"http://example.com/"} */
  readonly url?: string;
  readonly init?: HttpRequestInit;
  readonly options?: TransportOptions;
  /** Every byte that must be written. */
  readonly sent: string;
  /** @default {204 without content} */
  readonly answer?: string;
  /** How many calls of `write` that must take. Default: not checked. */
  readonly writes?: number;
}

/** Sends one request, checks each byte, and returns the response with its body read. */
export async function assertSent(expected: SentCase): Promise<HttpResponse> {
  const { url = "http://example.com/", init, options, sent, answer = NO_CONTENT } = expected;
  const conn = new ScriptedConn().expect(sent).send(answer);
  const dialer = scriptedDialer(conn);
  const transport = new Transport({ dialer, ...options });
  try {
    const response = await transport.roundTrip(new HttpRequest(url, init));
    await response.bytes();
    dialer.assertConsumed();
    if (expected.writes !== undefined) assert.equal(conn.writes.length, expected.writes);
    // The runtime's word for the last write may come after the response.
    await until("the connection is given back", () => transport.stats().active === 0);
    return response;
  } finally {
    transport.destroy();
  }
}

/** The head of a request to example.com with nothing else of ours in it, and these lines. */
export function plainHead(requestLine: string, ...lines: string[]): string {
  return [`${requestLine} HTTP/1.1`, "Host: example.com", ...lines, "", ""].join("\r\n");
}

/** Options and headers that leave out what is not the matter of a test. */
export const plain: { options: TransportOptions; headers: [string, string][] } = {
  options: { disableCompression: true },
  headers: [["User-Agent", ""]],
};
