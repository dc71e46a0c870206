/**
 * What an `AuthTransport` asks of a scheme, and for whom its credentials are.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { HttpRequest } from "../../transport/message/http_request.ts";

/** What a request says of who asks. */
export interface Login {
  /** The value of `Authorization`. */
  readonly value: string;
}

/** A question that was answered with 401. */
export interface Refusal {
  /** As it was given to the `AuthTransport`. */
  readonly request: HttpRequest;
  /** What it said; null: nothing. */
  readonly login: Login | null;
  /** The header fields of the answer. */
  readonly headers: HttpHeaders;
}

/** Finds what to say. */
export type Finder = () => Login | null | Promise<Login | null>;

/**
 * Knows how to say who asks, for an `AuthTransport`. Made by `basicAuth()`, `digestAuth()` and
 * `bearerAuth()`.
 */
export interface Authenticator {
  /** What a request says at first; null: nothing. */
  login(request: HttpRequest): Login | null | Promise<Login | null>;
  /**
   * What to say after an answer with 401.
   *
   * @returns Finds it, once the answer is closed. Null: that is the answer.
   */
  answer(refusal: Refusal): Finder | null | Promise<Finder | null>;
  /** There is another answer. */
  accepted(login: Login, headers: HttpHeaders): void;
  /** Whether bodies that can be sent once only are held back until the server asks for them. */
  readonly holdsBodies: boolean;
  /** Whether credentials may be shown to the server of a request, and all that led there. */
  isFor(request: HttpRequest): boolean;
}

/** One origin or several, each a URL with nothing behind host and port. */
export type Origins = string | URL | readonly (string | URL)[];

/** The servers that credentials are for. */
export class OriginSet {
  readonly #keys: ReadonlySet<string>;

  /** @throws {HttpError} `ERR_INVALID_REQUEST`: none, or one that is no origin. */
  constructor(origins: Origins) {
    const list = Array.isArray(origins) ? origins : [origins];
    if (list.length === 0 || origins === undefined || origins === null) {
      throw invalid("Credentials need the origins that they are for");
    }
    this.#keys = new Set(list.map((origin: string | URL) => {
      const request = new HttpRequest(origin);
      if (request.requestTarget !== "/" || request.fragment !== "") {
        throw invalid("An origin has no path, no query and no fragment");
      }
      return originKey(request);
    }));
  }

  /**
   * Whether a request goes to one of them, and was led there by them alone: whoever is elsewhere does
   * not choose what is asked with these credentials.
   */
  covers(request: HttpRequest): boolean {
    for (let at: HttpRequest | null = request; at !== null; at = at.redirectedFrom) {
      if (!this.#keys.has(originKey(at))) return false;
    }
    return true;
  }
}

/** The same text for all requests to one server, and for no others. Pure. */
export function originKey({ scheme, hostname, port, socketPath }: HttpRequest): string {
  return socketPath === null ? `${scheme}//${hostname}:${port}` : `${scheme}//${socketPath}`;
}

/** @throws {HttpError} `ERR_INVALID_REQUEST`: no string. */
export function checkedText(name: string, value: unknown): string {
  if (typeof value !== "string") throw invalid(`${name} is not a string`);
  return value;
}

/** `ERR_INVALID_REQUEST` for credentials that cannot be used; it shows nothing of them. */
export function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
