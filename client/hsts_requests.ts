/**
 * Requests that are changed because their host wants to be asked by https only. The store itself is not
 * loaded for it: who has none brings none along.
 *
 * @module
 */
import { tellFault } from "../conn/fault.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import type { HttpRequest } from "../transport/message/http_request.ts";
import type { HstsStore } from "./hsts_store.ts";

/** Whether it can be a store. Pure. */
export function isHstsStore(hsts: HstsStore): boolean {
  return typeof hsts.isKnown === "function" && typeof hsts.note === "function";
}

/**
 * The request that is sent in the place of `request`: by https where its host is known.
 *
 * @see RFC 6797 section 8.3
 */
export function securedRequest(request: HttpRequest, hsts: HstsStore): HttpRequest {
  if (request.scheme !== "http:" || !hsts.isKnown(request.hostname)) return request;
  const url = new URL(request.href + request.fragment);
  url.protocol = "https:";
  // One in absolute-form is of the other URL.
  const target = request.target?.includes("://") ? undefined : request.target ?? undefined;
  return request.with({ target }, url);
}

/** Lets the store have what the answer to a request says, which does not depend on it. */
export function noteHsts(request: HttpRequest, headers: HttpHeaders, hsts: HstsStore): void {
  if (request.scheme !== "https:") return;
  const value = headers.getAll("strict-transport-security").at(0);
  if (value === undefined) return;
  try {
    hsts.note(request.href, value);
  } catch (error) {
    tellFault("note() of an HSTS store failed", error);
  }
}
