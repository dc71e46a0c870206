/**
 * The transport and client of those who want none of their own. They open nothing until used.
 *
 * @module
 */
import type { HttpRequestInit } from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import { Transport } from "../transport/transport.ts";
import { Client } from "./client.ts";

/** A transport with the defaults. */
export const defaultTransport: Transport = new Transport();

/** A client on {@linkcode defaultTransport}. */
export const defaultClient: Client = new Client({ transport: defaultTransport });

/**
 * GETs a URL with {@linkcode defaultClient}.
 *
 * @throws {HttpError} As `Client.get`.
 */
export function get(url: string | URL, init?: HttpRequestInit): Promise<HttpResponse> {
  return defaultClient.get(url, init);
}
