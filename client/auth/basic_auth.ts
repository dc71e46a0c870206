/**
 * The scheme Basic: name and password are shown.
 *
 * @module
 */
import { callersOptions } from "../../conn/callers_options.ts";
import { printable } from "../../conn/http_error.ts";
import { basicCredentials } from "../url_credentials.ts";
import {
  type Authenticator,
  checkedText,
  invalid,
  type Login,
  type Origins,
  OriginSet,
} from "./authenticator.ts";

/** Options of {@linkcode basicAuth}. */
export interface BasicAuthOptions {
  /** The servers that may be shown the credentials: `"https://api.example.com"`. */
  origins: Origins;
  /** Without a colon. */
  username: string;
  /** Sent as UTF-8. */
  password: string;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof BasicAuthOptions>([
  "origins",
  "username",
  "password",
]);

/**
 * Shows name and password with every request to these origins, for an `AuthTransport`. A 401 is the
 * answer.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, no origin, a colon in the name, or a
 * control character.
 * @see RFC 7617
 *
 * @example
 * ```ts
 * import { AuthTransport, basicAuth, Transport } from "@roundtrip/http";
 *
 * const auth = basicAuth({ origins: "https://example.com", username: "me", password: "secret" });
 * await using transport = new Transport();
 * const authenticated = new AuthTransport(transport, auth);
 * if (typeof authenticated.roundTrip !== "function") throw new Error("it is a transport");
 * ```
 */
export function basicAuth(options: BasicAuthOptions): Authenticator {
  options = callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown option of basicAuth() "${printable(name)}"`),
  );
  const origins = new OriginSet(options.origins);
  const username = checkedText("username", options.username);
  const password = checkedText("password", options.password);
  const login: Login = { value: basicCredentials(username, password) };
  return {
    login: () => login,
    answer: () => null,
    accepted: () => {},
    holdsBodies: false,
    isFor: (request) => origins.covers(request),
  };
}
