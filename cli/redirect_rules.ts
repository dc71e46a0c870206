/**
 * Which redirects are followed.
 *
 * @module
 */
import type { Client } from "../client/client.ts";
import { HttpError } from "../conn/http_error.ts";
import type { HttpRequest } from "../transport/message/http_request.ts";
import type { GetOptions } from "./get_options.ts";

/** What a client is told of it. With `-L --max-redirs 0`, as with curl, a redirect is one too many. */
export function redirectRules(
  { follow, maxRedirects, tellsReferer: referer, redirectSchemes }: GetOptions,
): Pick<
  NonNullable<ConstructorParameters<typeof Client>[0]>,
  "maxRedirects" | "checkRedirect" | "referer"
> {
  if (!follow) return { maxRedirects: 0, referer };
  const checkRedirect = ({ scheme }: HttpRequest): void => {
    if (maxRedirects === 0) {
      throw new HttpError("ERR_REDIRECT", "More than 0 redirects", { phase: "redirect" });
    }
    checkScheme(scheme, redirectSchemes, "--proto-redir");
  };
  const most = Math.min(Math.max(1, maxRedirects), Number.MAX_SAFE_INTEGER);
  return { maxRedirects: most, checkRedirect, referer };
}

/**
 * Refuses a scheme that may not be asked for.
 *
 * @param scheme With its colon.
 * @throws {HttpError} `ERR_UNSUPPORTED_SCHEME`.
 */
export function checkScheme(
  scheme: string,
  allowed: ReadonlySet<string> | null,
  option: string,
): void {
  const name = scheme.replace(/:$/, "");
  if (allowed === null || allowed.has(name)) return;
  throw new HttpError("ERR_UNSUPPORTED_SCHEME", `${option} does not allow ${name}:`, {
    phase: "client",
  });
}
